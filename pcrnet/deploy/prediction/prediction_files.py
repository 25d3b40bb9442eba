"""Where predictions are written, in which form, and the record that says what they rest on."""

from __future__ import annotations

import math
import tempfile
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from pcrnet import __version__
from pcrnet.disk_room import ballast, require_writable
from pcrnet.errors import OutputError
from pcrnet.evaluation.tables.predictions import BOUNDS, Predictions, write_predictions
from pcrnet.imaging.quantify.record import LESION_QUALITY
from pcrnet.storage import is_stream, sha256_file, write_json

RECORD_SUFFIX = ".record.json"
"""``predictions.csv.record.json`` lies beside ``predictions.csv``."""
_TABLE_BYTES, _PATIENT_BYTES = 1 << 16, 1 << 12
"""Room for the header and the record, and for a patient with all scans and names."""


def check_destination(path: Path, *, as_json: bool | None = None) -> None:
    """Find out before anything is computed whether a table can be written.

    Args:
        path: Where to.
        as_json: In which form, whatever the name; by default as the name ends.

    Raises:
        OutputError: Its name ends in neither ``.csv`` nor ``.json``, or nothing can be written
            there. What is no file, such as ``/dev/stdout``, is given CSV.
    """
    told = as_json is not None or path.suffix.lower() in (".csv", ".json")
    if not is_stream(path) and not path.is_dir() and not told:
        raise OutputError(
            f"a table ends in .csv or .json, not in {path.suffix or 'nothing'}",
            file=path,
            remedy=f"name it {path.with_suffix('.csv').name}",
        )
    require_writable(path)


def write_table(path: Path, predictions: Predictions, *, as_json: bool | None = None) -> None:
    """Write predictions as their contract's CSV or as JSON.

    Args:
        path: Where to.
        predictions: The table.
        as_json: In which form; by default JSON where the name ends in ``.json``.
    """
    if as_json is None:
        as_json = path.suffix.lower() == ".json" and not is_stream(path)
    if as_json:
        write_json(path, json_objects(predictions))
    else:
        write_predictions(path, predictions)


def room_for(path: Path, patients: int) -> AbstractContextManager[None]:
    """Hold the room that a table of so many patients will need, until the block ends.

    Raises:
        OutputError: There is not enough of it.
    """
    return ballast(path, _TABLE_BYTES + _PATIENT_BYTES * patients)


def write_or_keep(path: Path, predictions: Predictions, *, as_json: bool | None = None) -> None:
    """Write a table; should that fail, keep it elsewhere rather than lose hours of work.

    Raises:
        OutputError: It could not be written; the text says where it was kept instead, in a folder
            that only the user can read, or that it was lost.
    """
    try:
        write_table(path, predictions, as_json=as_json)
    except OutputError as error:
        kept = _kept(path.name, predictions, as_json)
        if kept is None:
            error.problem += f"; {len(predictions)} computed predictions are lost"
            raise
        raise OutputError(
            f"{error.problem}; the {len(predictions)} computed predictions are in {kept}",
            file=path,
            remedy="move that file to its place: nothing has to be computed again",
        ) from error


def _kept(name: str, predictions: Predictions, as_json: bool | None) -> Path | None:
    with suppress(OSError, OutputError):
        folder = Path(tempfile.mkdtemp(prefix="pcrnet-"))  # 0700
        try:
            write_table(folder / name, predictions, as_json=as_json)
        except OutputError:
            folder.rmdir()
            raise
        return folder / name
    return None


def write_record(path: Path, *, bundle_sha256: str, cohort: Path, device: str) -> Path | None:
    """Record beside a written table what it rests on; None where a stream took it.

    Args:
        path: The table, which is written already.
        bundle_sha256: Digest of the bundle.
        cohort: The table that was predicted.
        device: Where it was computed.
    """
    if is_stream(path):
        return None
    import torch

    record = path.with_name(f"{path.name}{RECORD_SUFFIX}")
    write_json(
        record,
        {
            "predictions_sha256": sha256_file(path),
            "bundle_sha256": bundle_sha256,
            # A pipe has been read and holds no more.
            "cohort_sha256": sha256_file(cohort) if cohort.is_file() else None,
            "pcrnet": __version__,
            "torch": torch.__version__,
            "device": device,
        },
    )
    return record


def json_objects(predictions: Predictions) -> list[dict[str, object]]:
    """One object a patient under the names of the columns.

    What is unknown is null, and ``scans`` is a list.
    """
    numbers = {
        name: [None if math.isnan(value) else float(value) for value in values]
        for name, values in predictions.numbers().items()
    }
    rows: list[dict[str, object]] = []
    for index, patient_id in enumerate(predictions.patient_id):
        row: dict[str, object] = {"patient_id": patient_id}
        if predictions.site is not None:
            row["site"] = predictions.site[index] or None
        row |= {name: values[index] for name, values in numbers.items()}
        if predictions.scans is not None:
            row["scans"] = list(predictions.scans[index])
        row |= {name: _plain(name, texts[index]) for name, texts in predictions.other.items()}
        rows.append(row)
    return rows


def _plain(name: str, text: str) -> object:
    """A cell of another column: bounds of an interval and the quality of a lesion are numbers."""
    if not text:
        return None
    return float(text) if name in BOUNDS or name == LESION_QUALITY else text
