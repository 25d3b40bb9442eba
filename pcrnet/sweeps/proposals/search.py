"""Proposals: what the next batch of trials is, as a function of what is known and nothing else.

A batch knows the results of all earlier batches, and none of its own: whoever makes it, and however
many workers there are, it is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pcrnet.config.sweep import GridSearch, RandomSearch, SweepConfig, TpeSearch
from pcrnet.data.seeds import derive_seed
from pcrnet.sweeps.folder.records import FinishedTrial, ProposedTrial, TrialBatch
from pcrnet.sweeps.optional import optuna_module
from pcrnet.sweeps.plan.objective import direction_of
from pcrnet.sweeps.plan.settings import Sweep, trial_id
from pcrnet.sweeps.plan.space import Categorical, Parameter, Value, draw, grid, json_of, parameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

_TRIES = 20
"""Draws of a point that was drawn before, until the search gives way to chance."""
_RANDOM_TRIES = 200
"""Draws by chance of a point that was drawn before, until the space is taken for exhausted."""


def propose(
    sweep: Sweep, number: int, proposed: Sequence[ProposedTrial], finished: Sequence[FinishedTrial]
) -> TrialBatch:
    """The batch ``number``, or the word that there is nothing more to propose.

    Args:
        sweep: What is searched.
        number: Of the batch, from 0.
        proposed: All trials of earlier batches.
        finished: Those of them that are finished; all, where the search learns.
    """
    config = sweep.config
    room = config.batch
    if config.budget.trials is not None:
        room = min(room, config.budget.trials - len(proposed))
        if room <= 0:
            return TrialBatch((), f"the budget of {config.budget.trials} trials is spent")
    if isinstance(config.search, GridSearch):
        found = _from_grid(sweep, proposed, room)
    else:
        found = _from_optuna(sweep, number, proposed, finished, room)
    if not found:
        return TrialBatch((), "every point of the space has been proposed")
    return TrialBatch(tuple(found))


def _from_grid(sweep: Sweep, proposed: Sequence[ProposedTrial], room: int) -> list[ProposedTrial]:
    known = {proposal.trial for proposal in proposed}
    found: list[ProposedTrial] = []
    for values in grid(sweep.space):
        trial = trial_id(sweep.trial(values))
        if trial not in known and len(found) < room:
            known.add(trial)
            found.append(ProposedTrial(len(proposed) + len(found), trial, values, {}))
    return found


def _from_optuna(
    sweep: Sweep,
    number: int,
    proposed: Sequence[ProposedTrial],
    finished: Sequence[FinishedTrial],
    room: int,
) -> list[ProposedTrial]:
    optuna = optuna_module()
    seed = derive_seed(sweep.config.seed, "batch", number) % 2**31
    study = study_of(sweep, finished, seed=seed)
    by_chance = optuna.samplers.RandomSampler(seed=seed)
    known = {proposal.trial for proposal in proposed}
    found: list[ProposedTrial] = []
    for _ in range(room):
        sampler = study.sampler
        for attempt in range(_TRIES + _RANDOM_TRIES):
            study.sampler = sampler if attempt < _TRIES else by_chance
            asked = study.ask()
            draws: dict[str, Value] = {}
            values = draw(sweep.space, partial(_suggested, asked, draws))
            trial = trial_id(sweep.trial(values))
            if trial not in known:
                known.add(trial)
                found.append(ProposedTrial(len(proposed) + len(found), trial, values, draws))
                break
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
        study.sampler = sampler
    return found


def study_of(sweep: Sweep, finished: Sequence[FinishedTrial], *, seed: int) -> Study:
    """What is known, as Optuna sees it: in memory, made anew whenever it is asked."""
    optuna = optuna_module()
    study: Study = optuna.create_study(
        direction=direction_of(sweep.config.objective), sampler=_sampler(sweep.config, seed)
    )
    for trial in sorted(finished, key=lambda each: each.proposal.number):
        study.add_trial(frozen(sweep, trial))
    return study


def frozen(sweep: Sweep, trial: FinishedTrial) -> FrozenTrial:
    """A finished trial as Optuna's own record."""
    optuna = optuna_module()
    states = optuna.trial.TrialState
    state = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
    draws = trial.proposal.draws
    found: FrozenTrial = optuna.trial.create_trial(
        state=state[trial.result.state],
        value=trial.value,
        params={
            parameter.path: _for_optuna(parameter, draws[parameter.path])
            for parameter in parameters(sweep.space)
            if parameter.path in draws
        },
        distributions={
            parameter.path: _distribution(parameter)
            for parameter in parameters(sweep.space)
            if parameter.path in draws
        },
        intermediate_values=steps(trial.result.early),
    )
    return found


def steps(early: Sequence[float | None]) -> dict[int, float]:
    """Step to value, of those parts of the cohort that had one."""
    return {step: value for step, value in enumerate(early) if value is not None}


def _sampler(config: SweepConfig, seed: int) -> Any:  # noqa: ANN401 - Optuna is optional
    samplers = optuna_module().samplers
    match config.search:
        case TpeSearch(startup=startup):
            # Those of the same batch are told apart by taking each other for bad.
            return samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)
        case RandomSearch() | GridSearch():
            return samplers.RandomSampler(seed=seed)


def _suggested(asked: Trial, draws: dict[str, Value], parameter: Parameter) -> Value:
    path = parameter.path
    if isinstance(parameter, Categorical):
        text = asked.suggest_categorical(path, [json_of(value) for value in parameter.values])
        value = next(each for each in parameter.values if json_of(each) == text)
    elif parameter.whole:
        step = 1 if parameter.step is None else int(parameter.step)
        low, high = int(parameter.low), int(parameter.high)
        value = asked.suggest_int(path, low, high, step=step, log=parameter.log)
    else:
        value = asked.suggest_float(
            path, parameter.low, parameter.high, step=parameter.step, log=parameter.log
        )
    draws[path] = value
    return value


def _distribution(parameter: Parameter) -> BaseDistribution:
    distributions = optuna_module().distributions
    found: BaseDistribution
    if isinstance(parameter, Categorical):
        found = distributions.CategoricalDistribution(
            [json_of(value) for value in parameter.values]
        )
    elif parameter.whole:
        step = 1 if parameter.step is None else int(parameter.step)
        found = distributions.IntDistribution(
            int(parameter.low), int(parameter.high), log=parameter.log, step=step
        )
    else:
        found = distributions.FloatDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    return found


def _for_optuna(parameter: Parameter, value: Value) -> Value:
    return json_of(value) if isinstance(parameter, Categorical) else value
