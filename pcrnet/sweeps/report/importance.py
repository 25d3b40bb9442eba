"""Which keys mattered, by functional ANOVA; kind by kind where kinds have keys of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcrnet.errors import ConfigError
from pcrnet.sweeps.folder.records import FinishedTrial, complete
from pcrnet.sweeps.optional import optuna_module
from pcrnet.sweeps.plan.settings import Sweep
from pcrnet.sweeps.plan.space import Categorical, json_of, parameters
from pcrnet.sweeps.proposals.search import study_of

_FEWEST = 4
"""Complete trials that an importance rests on at least."""


def importances(
    sweep: Sweep, finished: Sequence[FinishedTrial]
) -> Mapping[str, Mapping[str, float]]:
    """Which trials are meant to key to its share of the variance between them, largest first.

    Keys below a kind exist in some trials only: they are weighed among the trials of that kind.
    Empty where Optuna is not installed, as a grid does not need it.
    """
    try:
        optuna_module()
    except ConfigError:
        return {}
    trials = [trial for trial in complete(finished) if trial.proposal.draws]
    groups = {"all trials": trials}
    for parameter in parameters(sweep.space):
        if isinstance(parameter, Categorical):
            for value in parameter.values:
                if parameter.below.get(json_of(value)):
                    groups[f"{parameter.key}={value}"] = [
                        trial
                        for trial in trials
                        if trial.proposal.draws.get(parameter.path) == value
                    ]
    found = {title: _importances(sweep, group) for title, group in groups.items()}
    return {title: shares for title, shares in found.items() if shares}


def _importances(sweep: Sweep, trials: Sequence[FinishedTrial]) -> dict[str, float]:
    if len(trials) < _FEWEST or len({trial.value for trial in trials}) < 2:
        return {}
    optuna = optuna_module()
    names = {parameter.path: parameter.key for parameter in parameters(sweep.space)}
    common = [
        path
        for path in names
        if all(path in trial.proposal.draws for trial in trials)
        and len({json_of(trial.proposal.draws[path]) for trial in trials}) > 1
    ]
    if not common:
        return {}
    try:
        shares = optuna.importance.get_param_importances(
            study_of(sweep, trials, seed=0),
            evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
            params=common,
        )
    except RuntimeError:  # no tree of its forest found anything to tell the trials apart by
        return {}
    return {names[path]: float(share) for path, share in shares.items()}
