"""What of a finished run a logger may keep: without patients, and without the names of columns."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal, assert_never

from pcrnet.run_layout import RunLayout
from pcrnet.storage import make_folder, read_record, write_json

ArtifactName = Literal["bundle", "report", "metrics"]
_NAMING_COLUMNS = ("subgroups", "name")
_FIGURE_OF_SUBGROUPS = "forest"


def artifact(name: ArtifactName, run: RunLayout, folder: Path) -> Path | None:
    """A file or folder to be kept, or None where the run has none.

    The bundle is whole: it cannot predict without the names of its covariates. ``metrics.json``
    comes without its subgroups, which are named by covariates; of the report come the figures but
    that of the subgroups, since its page shows patients.

    Args:
        name: Which.
        run: A run that came through.
        folder: Where a copy is made of what may not go as it is.
    """
    match name:
        case "bundle":
            return run.bundle if run.bundle.is_dir() else None
        case "metrics":
            if not run.report.metrics.is_file():
                return None
            found = read_record(run.report.metrics)
            path = folder / run.report.metrics.name
            write_json(path, {key: found[key] for key in found if key not in _NAMING_COLUMNS})
            return path
        case "report":
            figures = [
                path
                for path in sorted(run.report.figures.glob("*.svg"))
                if path.stem != _FIGURE_OF_SUBGROUPS
            ]
            place = folder / "report"
            shutil.rmtree(place, ignore_errors=True)
            make_folder(place)
            for figure in figures:
                shutil.copyfile(figure, place / figure.name)
            return place if figures else None
        case _:
            assert_never(name)
