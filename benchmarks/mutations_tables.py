"""What becomes of damaged cohort tables, prediction tables, YAML and bundle files.

python benchmarks/mutations_tables.py [--each N] [--seed S] [--out FILE.json]

Every mutation follows from the seed and its number. It may be refused by an error that says what
is wrong, or it may be harmless; it may neither raise anything else, nor take long, nor memory, nor
be accepted although what was read breaks its contract. Memory is how far the process rises above
where it stood (Linux only).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pcrnet.errors import PcrnetError

ROOT = Path(__file__).parents[1]
MAX_SECONDS = 5.0
MAX_MEGABYTES = 300.0
STRANGE = (
    b"NaN",
    b"inf",
    b"-1",
    b"1e999",
    b"1e-999",
    b"9" * 5000,
    b"0x10",
    b"true",
    b"null",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "\u200b\uff11\u2028".encode(),
    b'"',
    b"'",
    b",",
    b";",
    b"\r",
    b"\n\n",
    b"\t",
    b"=HYPERLINK(1)",
    b"../../etc/passwd",
    b"[" * 3000,
    b"{a: " * 3000,
    b"&a [*a, *a]",
    b"!!python/object:os.system x",
    b"x" * 200_000,
)


@dataclass(frozen=True)
class Subject:
    """A kind of file, and how it is read.

    Attributes:
        name: Of the kind.
        make: Write mutation ``number`` into an empty folder and return what to read.
        read: Read it; raises a PcrnetError, or returns what is wrong with what was accepted ("").
    """

    name: str
    make: Callable[[Path, np.random.Generator], Path]
    read: Callable[[Path], str]


@dataclass
class Outcome:
    """What became of the mutations of one subject."""

    mutations: int = 0
    refused: int = 0
    seconds: float = 0.0
    megabytes: float = 0.0
    faults: list[str] = field(default_factory=list)


def run(subject: Subject, count: int, seed: int) -> Outcome:
    """Read ``count`` mutations and judge each."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as name:
        subject.read(subject.make(Path(name), _Untouched()))  # imports are no fault of a file
    before = _megabytes()
    for number in range(count):
        generator = np.random.default_rng([seed, number])
        with tempfile.TemporaryDirectory() as name:
            path = subject.make(Path(name), generator)
            start = time.process_time()
            try:
                wrong = subject.read(path)
            except PcrnetError as error:
                outcome.refused += 1
                wrong = "an endless message" if len(str(error)) > 100_000 else ""
            except Exception as error:  # what is looked for
                wrong = f"{type(error).__name__}: {str(error)[:200]}"
            seconds = time.process_time() - start
        if seconds > MAX_SECONDS:
            wrong = wrong or f"{seconds:.1f} s"
        outcome.seconds = max(outcome.seconds, round(seconds, 3))
        outcome.mutations += 1
        if wrong:
            outcome.faults.append(f"mutation {number}: {wrong}")
    outcome.megabytes = round(_megabytes() - before, 1)
    if outcome.megabytes > MAX_MEGABYTES:
        outcome.faults.append(f"{outcome.megabytes} MB")
    return outcome


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class _Untouched(np.random.Generator):
    """A generator that mutates nothing."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))


def mutated(data: bytes, generator: np.random.Generator) -> bytes:
    """The bytes with one to three changes of random kinds at random places."""
    if isinstance(generator, _Untouched):
        return data
    for _ in range(generator.integers(1, 4)):
        data = _changed(data, generator)
    return data


def _changed(data: bytes, generator: np.random.Generator) -> bytes:
    at, to = sorted(int(i) for i in generator.integers(0, len(data) + 1, 2))
    before, part = data[:at], data[at : min(to, at + 200)]
    after = data[at + len(part) :]
    strange = STRANGE[generator.integers(len(STRANGE))]
    match int(generator.integers(9)):
        case 0:  # cut short
            after = b""
        case 1:  # a piece lost
            part = b""
        case 2:  # a piece twice, or very often
            part *= int(generator.choice([2, 3, 300]))
        case 3:  # noise
            part = generator.bytes(int(generator.integers(1, 30)))
        case 4:  # something strange in between
            part = strange + part
        case 5:  # lines lost, twice or elsewhere
            lines = data.splitlines(keepends=True) or [data]
            kept = sorted(generator.integers(0, len(lines), len(lines) + generator.integers(-1, 2)))
            before, part, after = b"", b"".join(lines[i] for i in kept), b""
        case 6:  # a flipped bit
            part = bytes([(part or b"a")[0] ^ 1 << generator.integers(8)]) + part[1:]
        case _:  # something strange for a word
            ends = [0, *(match.end() for match in re.finditer(rb"[,:=\s]", data)), len(data)]
            word = int(generator.integers(len(ends) - 1))
            before, part, after = data[: ends[word]], strange, data[ends[word + 1] - 1 :]
    return before + part + after


# Cohort tables


def cohort_tables() -> Subject:
    """A table of six patients with two visits, their images being empty files."""
    from pcrnet.cohort.table import read_cohort

    header = "patient_id,site,baseline.pet,baseline.adc,baseline.days,interim.pet,interim.days"
    rows = [
        f"P{i},{'AB'[i % 2]},p{i}.nii,a{i}.nii,{-i},{f'q{i}.nii' if i % 3 else ''},{40 + i}"
        f",{i % 3},{'X' if i == 4 else i % 2},{50 + i}"
        for i in range(6)
    ]
    table = "\n".join([f"{header},ypT,ypN,age", *rows, ""]).encode()

    def make(folder: Path, generator: np.random.Generator) -> Path:
        for i in range(6):
            for kind in "paq":
                (folder / f"{kind}{i}.nii").touch()
        (folder / "cohort.csv").write_bytes(mutated(table, generator))
        return folder / "cohort.csv"

    def read(path: Path) -> str:
        cohort = read_cohort(
            path, timepoints=["baseline", "interim"], channels=["pet", "adc"], covariates=["age"]
        )
        names = [patient.patient_id for patient in cohort.patients]
        if len(names) != _filled_rows(path):
            return f"{len(names)} patients of {_filled_rows(path)} rows"
        if len({name.casefold() for name in names}) < len(names):
            return "a patient twice"
        for patient in cohort.patients:
            for visit in patient.visits.values():
                if visit.days is not None and not np.isfinite(visit.days):
                    return "days that are no number"
                if not all(scan.exists() for scan in visit.scans.values()):
                    return "a scan that is not there"
        return ""

    return Subject("cohort tables", make, read)


def _filled_rows(path: Path) -> int:
    """Rows below the header that hold anything, counted without pcrnet."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")  # in any encoding a row is one
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(map(str.strip, row))]
    return len(rows) - 1


# Tables of predictions


def prediction_tables() -> Subject:
    """A table in the contract, with outcomes, folds and thresholds."""
    from pcrnet.cohort.outcome import HEADS
    from pcrnet.evaluation.tables.predictions import read_predictions

    source = np.random.default_rng(7)
    lines = [
        "patient_id,site,fold,yT0,yN0,yT0yN0,prob_yT0,prob_yN0,prob_yT0yN0,threshold_yT0,scans"
    ]
    for i in range(12):
        breast, nodes = source.integers(2, size=2)
        q, r = map(float, source.uniform(0.2, 0.9, 2))
        lines.append(
            f"P{i},A,{i % 3},{breast},{nodes},{breast * nodes},{q!r},{r!r},{q * r!r},0.5,"
            "baseline.pet;interim.pet"
        )
    table = "\n".join([*lines, ""]).encode()

    def make(folder: Path, generator: np.random.Generator) -> Path:
        (folder / "p.csv").write_bytes(mutated(table, generator))
        return folder / "p.csv"

    def read(path: Path) -> str:
        found = read_predictions(path)
        if len(found) != _filled_rows(path):
            return f"{len(found)} patients of {_filled_rows(path)} rows"
        for head, prob in found.prob.items():
            if not ((prob >= 0) & (prob <= 1)).all():
                return f"a probability of {head} out of range"
        for head in HEADS:
            label = found.label[head]
            if not np.isin(label[~np.isnan(label)], [0, 1]).all():
                return f"a label of {head} that is neither 0 nor 1"
        if not all(name.isprintable() for name in found.patient_id):
            return "a name that cannot be shown"
        return ""

    return Subject("prediction tables", make, read)


# YAML


def yaml_files() -> Subject:
    """The shipped configurations and the trial's protocol."""
    from pcrnet.config.layers import load_experiment, parse_experiment
    from pcrnet.config.plain_yaml import parse_yaml
    from pcrnet.evaluation.trial.protocol import read_protocol

    texts = [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.yaml"))]
    protocol = (ROOT / "configs" / "protocols" / "NCT06708910.yaml").read_bytes()

    def make(folder: Path, generator: np.random.Generator) -> Path:
        chosen = int(generator.integers(len(texts) + 1))
        name = "protocol.yaml" if chosen == len(texts) else "settings.yaml"
        text = protocol if chosen == len(texts) else texts[chosen]
        (folder / name).write_bytes(mutated(text, generator))
        return folder / name

    def read(path: Path) -> str:
        if path.name == "protocol.yaml":
            read_protocol(path)
            return ""
        experiment = load_experiment([str(path)])
        again = parse_experiment(parse_yaml(experiment.to_yaml()))
        return "" if again == experiment else "settings that do not read back"

    return Subject("YAML files", make, read)


# Bundles


def bundle_files(folder: Path) -> Subject:
    """One file of a small bundle, in every other mutation resealed with a digest that fits.

    Args:
        folder: Where the sound bundle is kept meanwhile.
    """
    from pcrnet.deploy.prediction.predictor import load_predictor
    from pcrnet.evaluation.tables.predictions import read_predictions
    from pcrnet.storage import sha256_file

    sound = write_small_bundle(folder / "bundle")
    names = sorted(p.relative_to(sound).as_posix() for p in sound.rglob("*") if p.is_file())
    expected = read_predictions(sound / "golden" / "expected.csv")
    sealed = {name: sha256_file(sound / name) for name in names}

    def make(place: Path, generator: np.random.Generator) -> Path:
        bundle = Path(shutil.copytree(sound, place / "bundle"))
        name = names[generator.integers(len(names))]
        path = bundle / name
        path.write_bytes(mutated(path.read_bytes(), generator))
        if generator.integers(2) and name != "checksums.json":
            sums = json.loads((bundle / "checksums.json").read_text())
            sums[name] = sha256_file(path)
            (bundle / "checksums.json").write_text(json.dumps(sums))
        return bundle

    def read(bundle: Path) -> str:
        predictor = load_predictor(bundle)
        sums = json.loads((bundle / "checksums.json").read_text())
        altered = [name for name in names if sha256_file(bundle / name) != sealed[name]]
        unsealed = [n for n in altered if n in sums and sums[n] != sha256_file(bundle / n)]
        if unsealed:
            return f"{unsealed[0]} differs from its digest"
        found = predictor.predict_table(sound / "golden" / "cohort.csv").predictions
        if found is None or found.patient_id != expected.patient_id:
            return "other patients are predicted"
        drift = max(np.abs(found.prob[h] - expected.prob[h]).max() for h in expected.prob)
        return f"{altered} give answers {drift:.2g} off" if drift > 2e-4 else ""

    return Subject("bundle files", make, read)


def bundle_manifests(folder: Path) -> Subject:
    """``bundle.json`` and the golden records of a small bundle, always resealed.

    Whoever alters them on purpose reseals them: what passes has to give the answers that it gave,
    for the same reasons.

    Args:
        folder: Where the sound bundle is kept meanwhile.
    """
    from pcrnet.deploy.bundle import Bundle
    from pcrnet.deploy.prediction.predictor import load_predictor
    from pcrnet.evaluation.tables.predictions import read_predictions
    from pcrnet.storage import sha256_file

    sound = write_small_bundle(folder / "sound")
    names = ["bundle.json", "bundle.json", "golden/inputs.json"]
    names += sorted(f"golden/{path.name}" for path in (sound / "golden").glob("*_*.json"))[:1]
    expected = read_predictions(sound / "golden" / "expected.csv")
    whole = Bundle.read(sound).manifest
    meaning = ("outcome", "data", "imaging", "covariates", "units", "operating_points", "model")

    def make(place: Path, generator: np.random.Generator) -> Path:
        bundle = Path(shutil.copytree(sound, place / "bundle"))
        name = names[generator.integers(len(names))]
        path = bundle / name
        path.write_bytes(mutated(path.read_bytes(), generator))
        sums = json.loads((bundle / "checksums.json").read_text())
        sums[name] = sha256_file(path)
        (bundle / "checksums.json").write_text(json.dumps(sums))
        return bundle

    def read(bundle: Path) -> str:
        predictor = load_predictor(bundle)
        found = predictor.predict_table(sound / "golden" / "cohort.csv").predictions
        if found is None or found.patient_id != expected.patient_id:
            return "other patients are predicted"
        drift = max(np.abs(found.prob[h] - expected.prob[h]).max() for h in expected.prob)
        if drift > 2e-4:
            return f"answers {drift:.2g} off"
        manifest = predictor.bundle.manifest
        other = [name for name in meaning if getattr(manifest, name) != getattr(whole, name)]
        return f"another {', '.join(other)} is believed" if other else ""

    return Subject("bundle manifests", make, read)


def write_small_bundle(folder: Path) -> Path:
    """A bundle of one untrained network with two covariates."""
    import torch

    from pcrnet.config.layers import load_experiment
    from pcrnet.config.model import NetworkConfig
    from pcrnet.data.clinical import CategoricalEncoding, ClinicalEncoding, NumericEncoding
    from pcrnet.decision.calibrators import ChainCalibrator
    from pcrnet.deploy.packing import describe_bundle, write_bundle
    from pcrnet.models.dual_branch.network import PcrNet
    from pcrnet.models.frequencies import Frequencies
    from pcrnet.models.network_model import NetworkModel

    experiment = load_experiment(
        [
            "data.branches={pet: [pet], mri: [adc]}",
            "imaging.size=[8,8,8]",
            "imaging.spacing_mm=[12,12,12]",
            "model.width=16",
            "model.networks=1",
            "model.start=frequencies",
        ]
    )
    encoding = ClinicalEncoding(
        (NumericEncoding("age", 50.0, 10.0), CategoricalEncoding("grade", ("high", "low")))
    )
    torch.manual_seed(0)
    assert isinstance(experiment.model, NetworkConfig)
    network = PcrNet(
        experiment.data,
        experiment.imaging,
        experiment.model,
        encoding.covariate_of_feature,
        len(encoding.covariates),
    )
    model = NetworkModel(Frequencies((0.1, 0.2, 0.3)), (network,), (encoding,), np.ones(3))
    manifest = describe_bundle(
        experiment,
        covariates=("age", "grade"),
        about=model.describe(),
        calibrator=ChainCalibrator((1.0, 1.0, 1.0), (0.0, 0.1, -0.1)),
        operating_points={"yT0": 0.5, "yN0": None, "yT0yN0": 0.4},
        splits_sha256="0" * 64,
        simulated=True,
    )
    write_bundle(folder, manifest, model)
    return folder


def run_all(each: int, seed: int) -> Iterator[tuple[str, Outcome]]:
    """Every subject with ``each`` mutations."""
    with tempfile.TemporaryDirectory() as folder:
        for subject in (
            cohort_tables(),
            prediction_tables(),
            yaml_files(),
            bundle_files(Path(folder)),
            bundle_manifests(Path(folder)),
        ):
            yield subject.name, run(subject, each, seed)


def main() -> None:
    from harness import describe_machine, publish

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=250, help="mutations of each kind of file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    options = parser.parse_args()
    outcomes = {name: vars(outcome) for name, outcome in run_all(options.each, options.seed)}
    publish(
        {"machine": describe_machine(), "seed": options.seed, "outcomes": outcomes}, options.out
    )


if __name__ == "__main__":
    main()
