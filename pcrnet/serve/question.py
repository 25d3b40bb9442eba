"""What a client says of the files in its upload, and the cohort table of one row that follows."""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pcrnet.config.data import DataConfig
from pcrnet.csv_text import csv_of_records
from pcrnet.deploy.dicom.study import MatchedStudies, match_studies
from pcrnet.errors import CohortError
from pcrnet.serve.unpacking import UploadError
from pcrnet.storage import write_text

MAX_QUESTION_BYTES = 1 << 16
_Text = Annotated[str, Field(min_length=1, max_length=500)]
_MOST = 1000


class Question(BaseModel):
    """The field ``question`` of a request, as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    patient_id: _Text = "patient"
    """A pseudonym, given back with the answer. Nothing is kept of it."""
    scans: dict[_Text, _Text] = Field(default_factory=dict, max_length=_MOST)
    """``timepoint.channel`` (``baseline.pet``) to what holds it in the archive: a NIfTI file, or
    the file or folder of one DICOM series. Without any, the archive holds DICOM studies, and series
    are matched as ``pcrnet import dicom`` does."""
    masks: dict[_Text, _Text] = Field(default_factory=dict, max_length=_MOST)
    """Timepoint to a lesion mask in the archive, NIfTI on the grid of a scan of that timepoint."""
    days: dict[_Text, float] = Field(default_factory=dict, max_length=_MOST)
    """Timepoint to days since the start of therapy."""
    covariates: dict[_Text, str | float] = Field(default_factory=dict, max_length=_MOST)
    """Clinical covariates of the bundle, by name; what is left out is unknown."""
    timepoints: list[_Text] = Field(default_factory=list, max_length=_MOST)
    """What the studies are, in order of their dates; for archives of DICOM studies."""


def parse_question(text: str) -> Question:
    """Read what a client says.

    Raises:
        UploadError: It is no such JSON; the first thing that is wrong is named.
    """
    try:
        return Question.model_validate_json(text or "{}")
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])[:100]
        raise UploadError(
            f"the question is not as it should be: {detail['msg'][:200]}",
            field=f"question.{where}" if where else "question",
            remedy="see Question in /openapi.json",
        ) from None


def write_table(
    question: Question,
    folder: Path,
    images: Path,
    files: frozenset[str],
    data: DataConfig,
    covariates: tuple[str, ...],
) -> tuple[Path, MatchedStudies | None]:
    """Write the cohort table of a question.

    Args:
        question: What the client says.
        folder: Where the table goes.
        images: The unpacked archive, below ``folder``.
        files: The names of its files.
        data: Timepoints and channels of the bundle.
        covariates: Of the bundle.

    Returns:
        The table; and what was matched, where the client named no scan.

    Raises:
        UploadError: The question names what is neither in the archive nor of the bundle.
        CohortError: The archive holds the studies of several patients, or none.
    """
    _require_known("covariates", question.covariates, covariates)
    _require_known("days", question.days, data.timepoints)
    _require_known("masks", question.masks, data.timepoints)
    scans = [f"{timepoint}.{channel}" for timepoint in data.timepoints for channel in data.channels]
    _require_known("scans", question.scans, scans)
    matched: MatchedStudies | None = None
    cells: dict[str, object] = dict.fromkeys(["patient_id", *scans, *covariates], "")
    if question.scans or not data.channels:
        for kind, names in (("scans", question.scans), ("masks", question.masks)):
            for column, name in names.items():
                cell = _in_archive(name, images, files, f"{kind}.{column}")
                cells[column if kind == "scans" else f"{column}.mask"] = f"{images.name}/{cell}"
    else:
        matched = match_studies(
            images, folder, data, covariates,
            listing=folder / "series.csv", timepoints=question.timepoints,
        )  # fmt: skip
        cells |= _one_patient(matched)
    cells["patient_id"] = question.patient_id
    cells |= {f"{timepoint}.days": days for timepoint, days in question.days.items()}
    cells |= question.covariates
    table = folder / "question.csv"
    write_text(table, csv_of_records(list(cells), [cells]))
    return table, matched


def _require_known(
    field: str, given: Mapping[str, object], known: tuple[str, ...] | list[str]
) -> None:
    for name in given:
        if name not in known:
            raise UploadError(
                "the bundle knows nothing of that name",
                field=f"question.{field}.{name[:60]}",
                remedy=f"it knows {', '.join(known) or 'none'}",
            )


def _in_archive(name: str, images: Path, files: frozenset[str], field: str) -> str:
    plain = unicodedata.normalize("NFC", name).strip("/")
    if plain in files and zipfile.is_zipfile(images / plain):
        raise UploadError(
            "the file is another archive", field=f"question.{field}", remedy="unpack it first"
        )
    if plain not in files and not any(file.startswith(f"{plain}/") for file in files):
        raise UploadError(
            "the archive holds no such file or folder",
            field=f"question.{field}",
            remedy="give the path inside the archive, with / between folders",
        )
    return plain


def _one_patient(matched: MatchedStudies) -> Mapping[str, str]:
    from pcrnet.cohort.csv_file import read_rows

    header, rows = read_rows(matched.table)
    if len(rows) != 1:
        raise CohortError(
            f"the archive holds the studies of {len(rows)} patients",
            field="images",
            remedy="send one patient at a time",
        )
    return {name: cell for name, cell in zip(header, rows[0][1], strict=True) if cell}
