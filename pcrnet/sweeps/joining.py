"""Beginning a sweep, going on with it, and joining it from anywhere that sees its folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from pcrnet.config.layers import overridden
from pcrnet.config.plain_yaml import parse_yaml
from pcrnet.errors import ConfigError, PcrnetError, RunError
from pcrnet.storage import make_folder, read_record, write_json, write_text
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.folder.ledger import Ledger
from pcrnet.sweeps.plan.settings import Sweep, read_settings
from pcrnet.sweeps.worker import Worker
from pcrnet.training.events import Listener
from pcrnet.training.fit_code import code_digest

_PLACES = {"data.cohort", "data.cache", "training.accelerator"}
"""What may differ from machine to machine."""


def begin(sweep: Sweep) -> SweepLayout:
    """Make the folder of a sweep, or go on with the one that is there.

    A larger budget, another engine or another estimate of the winner continue a sweep; anything
    that decides its trials does not.

    Raises:
        RunError: The folder holds a sweep of other trials, or one of other code.
    """
    base = sweep.experiment
    layout = SweepLayout(Path(base.run.root).absolute() / "sweeps" / sweep.config.name)
    make_folder(layout.path)
    located = _with_absolute_paths(sweep)
    with FileLock(layout.lock):
        if layout.settings.is_file():
            _check_unchanged(layout, sweep)
            _reopen(layout, sweep)
        write_text(layout.settings, located.to_yaml())
        if not layout.begun.is_file():
            write_json(layout.begun, {"code": code_digest()})
    return layout


def join(
    directory: Path,
    overrides: Sequence[str] = (),
    *,
    device_index: int = 0,
    say: Callable[[str], None] = lambda text: None,
    listen: Listener = lambda event: None,
) -> SweepLayout:
    """Work on a sweep until it is finished.

    Args:
        directory: Its folder.
        overrides: ``data.cohort=PATH``, ``data.cache=PATH`` where this machine has them elsewhere.
        device_index: Which GPU to use, where there is one.
        say: Told in a line what was done.
        listen: Told of the cohort's preprocessing.

    Raises:
        PcrnetError: It is no sweep, was begun by other code, or the machine cannot do it.
    """
    layout = SweepLayout(directory.absolute())
    sweep = _located(open_sweep(layout), overrides)
    if layout.finished.exists():
        return layout
    from pcrnet.processes import one_thread
    from pcrnet.sweeps.fitting import FitShop

    if sweep.config.threads == 1:
        one_thread()
    shop = FitShop(sweep, layout, device_index, say)
    shop.prepare(listen)
    Worker(sweep, layout, shop, say=say).run()
    return layout


def open_sweep(layout: SweepLayout) -> Sweep:
    """The sweep of a folder, if this version of pcrnet can go on with it.

    Raises:
        RunError: There is none, or it was begun by other code.
    """
    if not layout.settings.is_file() or not layout.begun.is_file():
        raise RunError(
            "there is no sweep in this folder",
            file=layout.path,
            remedy="name the folder that pcrnet sweep has made, <run.root>/sweeps/<name>",
        )
    _check_code(layout)
    return read_settings(layout.settings)


def _check_code(layout: SweepLayout) -> None:
    if read_record(layout.begun).get("code") != code_digest():
        raise RunError(
            "the sweep was begun by another version of pcrnet's code",
            file=layout.path,
            remedy="install the version that began it, or begin anew under another sweep.name",
        )


def _with_absolute_paths(sweep: Sweep) -> Sweep:
    """The sweep for workers with other working directories."""
    data = sweep.experiment.data
    places = {
        name: str(Path(path).absolute())
        for name, path in (("cohort", data.cohort), ("cache", data.cache))
        if path is not None
    }
    experiment = sweep.experiment.model_copy(update={"data": data.model_copy(update=places)})
    return Sweep(sweep.config, experiment, sweep.space)


def _located(sweep: Sweep, overrides: Sequence[str]) -> Sweep:
    values: dict[str, object] = {}
    for override in overrides:
        key, equals, value = override.removeprefix("--").partition("=")
        if not equals or key not in _PLACES:
            raise ConfigError(
                "a worker takes the sweep as it was begun",
                field=key,
                remedy=f"only {', '.join(sorted(_PLACES))} may differ from machine to machine",
            )
        values[key] = parse_yaml(value)
    return Sweep(sweep.config, overridden(sweep.experiment, values), sweep.space)


def _check_unchanged(layout: SweepLayout, sweep: Sweep) -> None:
    _check_code(layout)
    before, now = read_settings(layout.settings).deciding(), sweep.deciding()
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        raise RunError(
            f"the sweep was begun with other values of {', '.join(changed)}",
            file=layout.path,
            remedy="choose another sweep.name, delete the folder, or take the values back",
        )


def _reopen(layout: SweepLayout, sweep: Sweep) -> None:
    """Take back the end of a sweep whose budget or estimate has changed."""
    before = read_settings(layout.settings).config
    if before.budget == sweep.config.budget and before.estimate == sweep.config.estimate:
        return
    layout.finished.unlink(missing_ok=True)
    batches = Ledger(sweep, layout).batches()
    if batches and batches[-1].closed and before.budget != sweep.config.budget:
        layout.batch(len(batches) - 1).unlink(missing_ok=True)


def outcome(layout: SweepLayout) -> dict[str, object]:
    """What a finished sweep found: the record of ``estimate.json``.

    Raises:
        PcrnetError: It is not finished.
    """
    if not layout.finished.is_file():
        raise PcrnetError(
            "the sweep is not finished",
            file=layout.path,
            remedy=f"pcrnet work {layout.path} goes on with it",
        )
    return read_record(layout.estimate)
