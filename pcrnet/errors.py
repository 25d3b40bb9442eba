"""Every error that a user can cause.

Each message names the patient, file or field, what was expected, what was found, and the remedy.
The command line prints it without a traceback and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

_LONGEST_PROBLEM = 20_000
_LONGEST_FIELD = 100
_MOST_PROBLEMS = 100


class PcrnetError(Exception):
    """Base of all errors that a user can cause and can remedy.

    Args:
        problem: What was expected and what was found.
        remedy: What the user can do about it.
        patient: Pseudonym of the patient concerned.
        file: The table or cell concerned (``cohort.csv row 3``). The path inside a cell is never
            shown: folder names carry patients' names.
        field: The column, tag, header field or configuration key concerned.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str = "",
        patient: str | None = None,
        file: object = None,
        field: str | None = None,
    ) -> None:
        self.problem = (
            problem if len(problem) <= _LONGEST_PROBLEM else f"{problem[:_LONGEST_PROBLEM]}…"
        )
        self.remedy = remedy
        self.patient = patient
        self.file = None if file is None else str(file)
        self.field = _shortened(field)
        super().__init__(self.problem)

    def located(
        self, *, patient: str | None = None, file: object = None, field: str | None = None
    ) -> Self:
        """Fill in where the problem lies, as far as it was not known where it was raised."""
        self.patient = self.patient if self.patient is not None else patient
        self.file = self.file if self.file is not None or file is None else str(file)
        self.field = self.field if self.field is not None else _shortened(field)
        return self

    def __str__(self) -> str:
        where = [
            f"{label} {value}"
            for label, value in (
                ("patient", self.patient),
                ("file", self.file),
                ("field", self.field),
            )
            if value is not None
        ]
        text = f"{', '.join(where)}: {self.problem}" if where else self.problem
        return f"{text}\n  remedy: {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send errors to their parent; the default loses keyword arguments.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _shortened(field: str | None) -> str | None:
    """A field by its beginning: a damaged table may have a whole page for a column name."""
    if field is None or len(field) <= _LONGEST_FIELD:
        return field
    return f"{field[:_LONGEST_FIELD]}…"


def _rebuild(kind: type[PcrnetError], state: dict[str, object]) -> PcrnetError:
    error = kind.__new__(kind)
    Exception.__init__(error, state["problem"])
    error.__dict__.update(state)
    return error


class ProblemListError(PcrnetError):
    """Several problems found in one pass, so that the user can mend them all at once.

    The text lists the first hundred.
    """

    def __init__(self, title: str, problems: Sequence[PcrnetError]) -> None:
        self.problems = tuple(problems)
        lines = [f"- {problem}" for problem in self.problems[:_MOST_PROBLEMS]]
        if len(self.problems) > _MOST_PROBLEMS:
            lines.append(f"- and {len(self.problems) - _MOST_PROBLEMS} more")
        super().__init__("\n".join([title, *lines]))


class ConfigError(PcrnetError):
    """A configuration file or override that does not describe an experiment."""


class CohortError(PcrnetError):
    """A cohort table, or a row of it, that cannot be used as it stands."""


class ImageError(PcrnetError):
    """An image that cannot be turned into a volume in true millimetres and true units."""


class GeometryError(ImageError):
    """An image whose geometry is missing, contradictory or not a regular volume."""


class UnitError(ImageError):
    """An image whose values cannot be brought to the channel's physical unit."""


class DicomFileError(ImageError):
    """A DICOM file or archive that is damaged, truncated, over-large or not DICOM at all."""


class MissingTagError(ImageError):
    """A DICOM tag without which a number would have to be invented; ``field`` names it."""


class SeriesError(ImageError):
    """A folder or archive that does not hold exactly one image series."""


class PhaseError(ImageError):
    """A time or diffusion series of which no single volume fits the channel."""


class TracerError(UnitError):
    """A PET of another tracer than those allowed."""


class LocalizerError(GeometryError):
    """A localizer or projection instead of a volume."""


class OrientationError(GeometryError):
    """Slices of one series that are not parallel."""


class SliceGapError(GeometryError):
    """Slices whose distances are not regular: one is missing, or several stacks are mixed."""


class DuplicateSliceError(GeometryError):
    """Several images at one position that neither time nor b-value tells apart."""


class GantryTiltError(GeometryError):
    """A stack whose slices are sheared against their normal."""


class NotAVolumeError(GeometryError):
    """Images that do not stack to a volume."""


class RegistrationError(GeometryError):
    """Two visits that cannot be brought onto each other believably."""


class InsufficientScansError(PcrnetError):
    """A patient with fewer scans than the stated minimum: refused rather than guessed."""


class IntegrityError(PcrnetError):
    """A stored file that differs from what was written: damaged, truncated or altered."""


class OutputError(PcrnetError):
    """A place that cannot be written to: a folder, a full disk, a missing permission."""


class RunError(PcrnetError):
    """A run directory that cannot be started, continued or evaluated as asked."""


class ProcessEndedError(RunError):
    """A worker process that was ended from outside, from lack of memory say."""


class NotFiniteError(RunError):
    """Training that has left the finite numbers."""


class PredictionsError(PcrnetError):
    """A predictions table that breaks its contract."""


class PredictionsListError(ProblemListError, PredictionsError):
    """Every breach of the contract of a predictions table."""


class BundleError(PcrnetError):
    """A bundle that cannot be used, or that does not fit the cohort it was given."""


class ExportError(PcrnetError):
    """A bundle that cannot be exported, or whose export does not agree with it."""


class UnlikeError(PcrnetError):
    """A patient who is unlike those that a bundle was trained on, where that is to be refused."""
