"""What a sweep would search, in words."""

from __future__ import annotations

from collections.abc import Iterator

from pcrnet.config.sweep import GridSearch
from pcrnet.sweeps.folder.table import shown
from pcrnet.sweeps.plan.objective import direction_of
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.plan.space import Categorical, NumberRange, Space, grid, json_of
from pcrnet.sweeps.proposals.pruning import fits_in_order


def preview(sweep: Sweep) -> list[str]:
    """Space, size and cost, a line each."""
    config, evaluation = sweep.config, sweep.experiment.evaluation
    each = len(fits_in_order(evaluation.folds, evaluation.mode))
    limits = [
        *([f"{config.budget.trials} trials"] if config.budget.trials else []),
        *([f"{config.budget.hours:g} hours"] if config.budget.hours else []),
    ]
    lines = [
        f"sweep {config.name}: {config.search.kind} search, {' or '.join(limits)}, "
        f"{config.batch} at a time",
        f"objective: {direction_of(config.objective)} {config.objective.metric}",
        f"a trial takes {each} fits of {evaluation.folds} folds",
        f"the winner is judged by {config.estimate.kind} "
        + ("selection" if config.estimate.kind == "nested" else "repeats"),
    ]
    if isinstance(config.search, GridSearch):
        lines.append(f"the grid has {sum(1 for _ in grid(sweep.space))} points")
    return [*lines, *_lines(sweep.space, "  ")]


def _lines(space: Space, indent: str) -> Iterator[str]:
    for parameter in space:
        if isinstance(parameter, NumberRange):
            how = " on a log scale" if parameter.log else ""
            step = f" by {parameter.step:g}" if parameter.step is not None else ""
            yield f"{indent}{parameter.key}: {parameter.low:g} to {parameter.high:g}{step}{how}"
        else:
            values = ", ".join(shown(value) for value in parameter.values)
            yield f"{indent}{parameter.key}: {values}"
            yield from _below(parameter, indent)


def _below(parameter: Categorical, indent: str) -> Iterator[str]:
    for value in parameter.values:
        below = parameter.below.get(json_of(value), ())
        if below:
            yield f"{indent}  where it is {value}:"
            yield from _lines(below, f"{indent}    ")
