"""Settings that fit a table: what to write where the configured timepoints or channels do not."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pcrnet.cohort.cells import find_file, parse_days
from pcrnet.cohort.channel_names import channels_setting, likely_kinds, looks_like_pet
from pcrnet.errors import CohortError

_COLUMN = re.compile(r"([A-Za-z0-9][\w-]*)\.([A-Za-z0-9][\w-]*)", re.ASCII)
_NOT_SCANS = ("mask", "days")
_ENDINGS = (".nii", ".nii.gz", ".zip")

Rows = Sequence[tuple[int, Sequence[str]]]


def propose_settings(
    folder: Path,
    header: Sequence[str],
    rows: Rows,
    *,
    timepoints: Sequence[str],
    channels: Sequence[str],
) -> str:
    """Overrides that make the experiment use the scans that a table has, ready to be pasted.

    A column ``<timepoint>.<channel>`` holds scans where one of its cells names an image, or where
    all are empty and one half of its name is configured.

    Args:
        folder: Folder of the table.
        header: Column names.
        rows: Row numbers and cells.
        timepoints: The configured ones.
        channels: The configured ones.

    Returns:
        ``data.timepoints=[…] 'data.branches={…}'``, each where it has to change, and
        ``imaging.channels`` where a name only resembles one that tells its rule of intensity; empty
        where the table has no scan or nothing has to change.
    """
    cells = {
        name: [row[position] for _, row in rows if len(row) == len(header) and row[position]]
        for position, name in enumerate(header)
    }
    found: list[tuple[str, str]] = []
    for name, filled in cells.items():
        match = _COLUMN.fullmatch(name)
        if match is None or match[2] in _NOT_SCANS:
            continue
        configured = match[1] in timepoints or match[2] in channels
        if any(_names_an_image(folder, cell) for cell in filled) or (configured and not filled):
            found.append((match[1], match[2]))
    visits = _in_order(list(dict.fromkeys(visit for visit, _ in found)), cells, timepoints)
    used = list(dict.fromkeys(channel for _, channel in found))
    settings = []
    if visits and visits != list(timepoints):
        settings.append(f"'data.timepoints=[{', '.join(visits)}]'")
    if used and set(used) != set(channels):
        ordered = [c for c in channels if c in used] + [c for c in used if c not in channels]
        settings.append(f"'data.branches={{{_branches(ordered)}}}'")
        likely = likely_kinds(ordered)
        settings += [channels_setting(likely)] if likely else []
    return " ".join(settings)


def _names_an_image(folder: Path, cell: str) -> bool:
    if cell.lower().endswith(_ENDINGS):
        return True
    with suppress(CohortError):
        return find_file(folder, cell, "") is not None
    return False


def _in_order(
    visits: Sequence[str], cells: Mapping[str, Sequence[str]], timepoints: Sequence[str]
) -> list[str]:
    """Visits in order of time: by their days, else as configured, else as the table has them."""
    days = {visit: _typical_days(cells.get(f"{visit}.days", ())) for visit in visits}
    known = {visit: day for visit, day in days.items() if day is not None}
    if len(known) == len(visits):
        return sorted(visits, key=lambda visit: known[visit])
    if set(visits) <= set(timepoints):
        return [visit for visit in timepoints if visit in visits]
    return list(visits)


def _typical_days(cells: Sequence[str]) -> float | None:
    numbers: list[float] = []
    for cell in cells:
        with suppress(CohortError):
            numbers.append(parse_days(cell, "") or 0.0)
    return statistics.median(numbers) if numbers else None


def _branches(channels: Sequence[str]) -> str:
    """PET in a branch of its own, everything else in the other."""
    pet = [channel for channel in channels if looks_like_pet(channel)]
    parts = {"pet": pet, "mri": [channel for channel in channels if channel not in pet]}
    return ", ".join(f"{name}: [{', '.join(own)}]" for name, own in parts.items() if own)
