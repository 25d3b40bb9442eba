from pcrnet.training.trackers.wandb_sink import WandbSink


class Run:
    """Stands in for a wandb run."""

    def __init__(self):
        self.logged, self.summary, self.artifacts, self.ends = [], {}, [], []

    def log(self, values):
        self.logged.append(values)

    def log_artifact(self, artifact):
        self.artifacts.append(artifact)

    def finish(self, exit_code=0):
        self.ends.append(exit_code)


def test_artifacts_hold_files_by_their_names_within_the_folder(tmp_path):
    run = Run()
    sink = WandbSink(run, "tiny")
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_text("{}")
    single = tmp_path / "metrics.json"
    single.write_text("{}")
    sink.attach("bundle", folder)
    sink.attach("metrics", single)
    first, second = run.artifacts
    assert (first.name, first.type) == ("tiny-bundle", "bundle")
    assert list(first.manifest.entries) == ["bundle.json"]
    assert list(second.manifest.entries) == ["metrics.json"]


def test_the_end_says_whether_it_failed():
    run = Run()
    WandbSink(run, "tiny").close(failed=True)
    WandbSink(run, "tiny").close(failed=False)
    assert run.ends == [1, 0]
