"""Workers on a Ray cluster, a running one or one that is started here.

Ray places and restarts them; what they do they agree on among themselves, by the folder that all
nodes see.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from pcrnet.config.sweep import RayEngine
from pcrnet.errors import RunError
from pcrnet.sweeps.engines.command import work_command
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.optional import ray_module

_POLL_S = 1.0


def run_on_ray(
    layout: SweepLayout, engine: RayEngine, log: Path, poll: Callable[[], object]
) -> None:
    """Start workers on a cluster and wait until the sweep is finished.

    Args:
        layout: Of the sweep, on a file system that all nodes see under this path.
        engine: Which cluster, how many workers and what each is given.
        log: Folder of what they say.
        poll: Called now and then.

    Raises:
        ConfigError: Ray is not installed.
        RunError: A worker found something that no trial is at fault for, or the cluster lacks what
            a worker needs.
    """
    ray = ray_module()
    log.mkdir(parents=True, exist_ok=True)
    # Ray would put an environment variable of its own between us and the user's proxy settings.
    here = {"num_cpus": max(engine.workers * engine.cpus, 1)} if engine.address is None else {}
    ray.init(
        address=engine.address,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        **here,
    )
    try:
        _check_resources(ray.cluster_resources(), engine)
        hire = ray.remote(num_cpus=engine.cpus, num_gpus=engine.gpus, max_retries=-1)(_worker)
        environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        waiting = [
            hire.remote(work_command(layout.path), str(log / f"ray-{number}.log"), environment)
            for number in range(engine.workers)
        ]
        while waiting:
            done, waiting = ray.wait(waiting, timeout=_POLL_S)
            poll()
            for code, said in ray.get(done):
                if code != 0:
                    raise RunError(
                        f"a worker ended with exit code {code}: {said}",
                        file=log,
                        remedy="mend what it names; the same command goes on with the sweep",
                    )
    finally:
        ray.shutdown()


def _worker(command: list[str], log: str, environment: dict[str, str]) -> tuple[int, str]:
    """On a node: work until the sweep is finished; a kill is an error that Ray tries again."""
    with Path(log).open("ab") as stream:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            check=False,
        )
    if done.returncode < 0:
        os.kill(os.getpid(), -done.returncode)
    lines = Path(log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return done.returncode, (lines or [""])[-1][:500]


def _check_resources(found: dict[str, float], engine: RayEngine) -> None:
    """Refuse what Ray would wait for without end.

    Raises:
        RunError: No node could ever hold a worker.
    """
    for name, wanted in (("CPU", engine.cpus), ("GPU", engine.gpus)):
        there = found.get(name, 0.0)
        if wanted > there:
            raise RunError(
                f"a worker is to have {wanted:g} {name}, and the whole cluster has {there:g}",
                field=f"sweep.engine.{name.lower()}s",
                remedy="lower it, or name another cluster in sweep.engine.address",
            )
