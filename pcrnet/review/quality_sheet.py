"""The quality sheet: one page a patient, for a physician to look through the whole cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

from pcrnet import __version__
from pcrnet.cohort.table import Cohort, Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.errors import PcrnetError
from pcrnet.imaging.registration.visits import require_engine
from pcrnet.processes import Progress, sparing_the_killed, worth_starting
from pcrnet.review.measurements import VisitMeasurements
from pcrnet.review.patient_page import describe, patient_page
from pcrnet.storage import write_bytes, write_text

_PICTURES = "pictures"
_WORTH_A_PROCESS = 4


@dataclass(frozen=True)
class StoredPicture:
    """A picture beside the index.

    Attributes:
        path: Relative to the index.
        about: What it shows.
        width: Pixels.
        height: Pixels.
    """

    path: str
    about: str
    width: int
    height: int


@dataclass(frozen=True)
class IndexEntry:
    """What the index says of one patient.

    Attributes:
        patient_id: Pseudonym.
        row: Row of the table.
        pictures: All scans, where the quantities are measured, then each registration; none where
            the patient cannot be shown.
        measurements: One for each visit with scans.
        problem: Why the patient cannot be shown.
    """

    patient_id: str
    row: int
    pictures: tuple[StoredPicture, ...] = ()
    measurements: tuple[VisitMeasurements, ...] = ()
    problem: str | None = None


def quality_sheet(
    cohort: Cohort,
    data: DataConfig,
    imaging: ImagingConfig,
    out: Path,
    progress: Progress | None = None,
    *,
    simulated: bool = False,
    workers: int | None = None,
) -> Path:
    """Draw every patient of a cohort and list the pages in one HTML file.

    A patient who cannot be drawn is named with the reason; the others are not affected.

    Args:
        cohort: The table as read.
        data: Timepoints and channels.
        imaging: Field of view, intensity rules and alignment; each page shows what the network
            sees, on finer voxels.
        out: Folder of the sheet: ``index.html``, and ``pictures`` that it shows as one scrolls.
        progress: Told after each patient.
        simulated: Whether to print that these are no patients.
        workers: Processes to use; by default as many as there are cores, or none for few patients.

    Returns:
        Path of ``index.html``.

    Raises:
        ConfigError: The engine for registration is not installed.
        OutputError: The folder cannot be written.
    """
    require_engine(imaging.alignment)
    patients = cohort.patients
    if workers is None:
        workers = worth_starting(len(patients), items_each=_WORTH_A_PROCESS)
    draw = partial(_draw_patient, data=data, imaging=imaging, out=out, simulated=simulated)
    entries: dict[int, IndexEntry] = {}
    # Closed at once should ``progress`` raise: its processes end with it.
    with closing(sparing_the_killed(draw, patients, workers)) as drawn:
        for position, entry in drawn:
            entries[position] = entry or _not_drawn(patients[position], "its process was killed")
            if progress is not None:
                progress(len(entries), len(patients))
    in_order = [entries[position] for position in sorted(entries)]
    index = out / "index.html"
    write_text(index, _render(in_order, cohort.path.name, simulated=simulated))
    return index


def _draw_patient(
    patient: Patient, data: DataConfig, imaging: ImagingConfig, out: Path, *, simulated: bool
) -> IndexEntry:
    """Write one patient's pictures; whatever goes wrong is this patient's problem alone."""
    try:
        page = patient_page(patient, data, imaging, simulated=simulated)
    except Exception as error:  # a fault in one page must not cost the others
        return _not_drawn(patient, type(error).__name__)
    pictures: dict[str, tuple[str, bytes]] = {}
    if page.sheet is not None:
        pictures["all scans"] = (f"row-{patient.row}.jpg", page.sheet)
    if page.outlines is not None:
        pictures["where the quantities are measured"] = (
            f"quantities-{patient.row}.jpg",
            page.outlines,
        )
    for timepoint, picture in page.alignments.items():
        about = f"{timepoint} before and after registration"
        pictures[about] = (f"row-{patient.row}-{timepoint}.jpg", picture)
    return IndexEntry(
        patient.patient_id,
        patient.row,
        pictures=_store(pictures, out),
        measurements=page.measurements,
        problem=page.problem,
    )


def _not_drawn(patient: Patient, reason: str) -> IndexEntry:
    problem = PcrnetError(
        f"cannot be drawn ({reason})",
        patient=patient.patient_id,
        file=patient.location,
        remedy="look whether the scans are very large, and free memory; else report a fault of "
        "pcrnet",
    )
    return IndexEntry(patient.patient_id, patient.row, problem=str(problem))


def _store(pictures: Mapping[str, tuple[str, bytes]], out: Path) -> tuple[StoredPicture, ...]:
    """Write pictures; their size lets the index keep their place before they are loaded."""
    from PIL import Image

    stored = []
    for about, (name, data) in pictures.items():
        write_bytes(out / _PICTURES / name, data)
        with Image.open(out / _PICTURES / name) as image:
            stored.append(StoredPicture(f"{_PICTURES}/{name}", about, *image.size))
    return tuple(stored)


def _render(entries: Sequence[IndexEntry], table: str, *, simulated: bool) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    source = resources.files(__package__) / "templates" / "quality.html.j2"
    template = environment.from_string(source.read_text(encoding="utf-8"))
    rows = [
        (entry, measured, dict(describe(measured)))
        for entry in entries
        for measured in entry.measurements
    ]
    names = list(dict.fromkeys(name for _, _, values in rows for name in values))
    return template.render(
        entries=entries,
        rows=rows,
        names=names,
        table=table,
        simulated=simulated,
        version=__version__,
    )
