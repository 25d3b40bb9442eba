"""Single DICOM tags as numbers and words.

A value never appears in an error, a warning or a log: tags hold names, and free text holds more.
pydicom converts values when they are read and warns with the value in the text, so whatever reads
tags runs inside :func:`quiet`.
"""

from __future__ import annotations

import logging
import math
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pcrnet.errors import DicomFileError, MissingTagError

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class PrivateTag:
    """A maker's own tag.

    Attributes:
        group: As 0x7053.
        creator: Name of the private block.
        element: Last two hexadecimal digits of the element.
        needs_creator: False also finds it in the first block (10xx) of a group in which no block
            is named: de-identification often removes the names and keeps the values.
    """

    group: int
    creator: str
    element: int
    needs_creator: bool = True


class _Silence:
    """Silence that threads share: it begins with the first who needs it and ends with the last.

    Logger and warning filters belong to the process. Were each thread to restore what it found,
    the first to leave would let the others' values out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._undo = ExitStack()

    def begin(self) -> None:
        with self._lock:
            if self._users == 0:
                logger = logging.getLogger("pydicom")
                self._undo.callback(setattr, logger, "disabled", logger.disabled)
                logger.disabled = True
                self._undo.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self._users += 1

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._undo.close()


_SILENCE = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings and log records, which quote values, from leaving.

    Also a decorator, ``@quiet()``. Threads may overlap.
    """
    _SILENCE.begin()
    try:
        yield
    finally:
        _SILENCE.end()


def value(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - a tag can hold anything
    """The value at ``keyword``, or None where the tag is absent or empty.

    Raises:
        DicomFileError: The value cannot be decoded.
    """
    try:
        found = dataset.get(keyword)
    except Exception as error:  # damaged bytes make pydicom raise anything
        raise unreadable(keyword, type(error).__name__) from None
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


def private_text(dataset: Dataset, tag: PrivateTag) -> str:
    """The first part of a private value as text; "" where it is absent or cannot be decoded."""
    group, creator, element = tag.group, tag.creator, tag.element
    try:
        if not tag.needs_creator and not _has_creators(dataset, group):
            found = dataset[group, 0x1000 + element].value
        else:
            found = dataset.private_block(group, creator)[element].value
    except Exception:  # a private tag that cannot be had is as good as none
        return ""
    if isinstance(found, bytes):  # a tag that pydicom's dictionary lacks stays undecoded
        found = found.decode("ascii", "replace")
    if not isinstance(found, str) and hasattr(found, "__len__"):
        found = found[0] if len(found) else ""
    return str("" if found is None else found).split("\\")[0].strip("\0 ")


def private_number(dataset: Dataset, tag: PrivateTag) -> float | None:
    """A private value as a finite number in the unit of its tag, or None where it is none."""
    try:
        converted = float(private_text(dataset, tag))
    except ValueError:
        return None
    return converted if math.isfinite(converted) else None


def _has_creators(dataset: Dataset, group: int) -> bool:
    return any(tag >> 16 == group and tag & 0xFFFF < 0x100 for tag in tuple(dataset.keys()))


def items(dataset: Dataset | None, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; none where it is absent."""
    return (value(dataset, keyword) if dataset is not None else None) or ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """A finite number in the unit of its tag, or None where the tag is absent or empty."""
    return to_number(value(dataset, keyword), keyword)


def required_number(dataset: Dataset, keyword: str) -> float:
    """A finite number in the unit of its tag.

    Raises:
        MissingTagError: The tag is absent or empty.
    """
    found = number(dataset, keyword)
    if found is None:
        raise missing(keyword)
    return found


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly ``count`` finite numbers, or None where the tag is absent or empty."""
    found = value(dataset, keyword)
    if found is None:
        return None
    if isinstance(found, str) or not hasattr(found, "__len__") or len(found) != count:
        raise unreadable(keyword, f"{count} numbers expected")
    converted = tuple(to_number(part, keyword) for part in found)
    return tuple(part for part in converted if part is not None)


def words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The parts of a text value, stripped, in capitals; none where the tag is absent."""
    found = value(dataset, keyword)
    if found is None:
        return ()
    parts = [found] if isinstance(found, str) or not hasattr(found, "__iter__") else list(found)
    return tuple(str(part).strip().upper() for part in parts)


def word(dataset: Dataset, keyword: str) -> str:
    """The first part of a text value, in capitals; "" where the tag is absent."""
    return next(iter(words(dataset, keyword)), "")


def to_number(found: object, keyword: str) -> float | None:
    """A value of pydicom's as a finite float; None stays None."""
    if found is None or found == "":
        return None
    try:
        converted = float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise unreadable(keyword, "a number expected") from None
    if not math.isfinite(converted):
        raise unreadable(keyword, "a finite number expected")
    return converted


def missing(keyword: str, remedy: str = "") -> MissingTagError:
    """The error for a tag without which a number would have to be invented."""
    return MissingTagError(
        f"the DICOM tag {keyword} is missing or empty, and it has no safe default",
        field=keyword,
        remedy=remedy or "export the series from the scanner or PACS with this tag kept",
    )


def unreadable(keyword: str, reason: str) -> DicomFileError:
    """The error for a tag whose value cannot be what it should be."""
    return DicomFileError(
        f"the DICOM tag {keyword} cannot be read ({reason})",
        field=keyword,
        remedy="export the series again from the scanner or PACS",
    )
