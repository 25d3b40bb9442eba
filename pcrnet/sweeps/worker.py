"""A worker: takes a fit that nobody is at, does it, and looks again, until the sweep is finished.

Fits, not trials, are claimed: several workers share one trial, a sweep of few long trials still
keeps many machines busy, and what a death costs is the rest of one fit. Nobody leads; whoever finds
a trial's fits complete judges it, whoever finds all trials of a batch finished proposes the next.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from pcrnet.config.experiment import Experiment
from pcrnet.config.sweep import FreshEstimate
from pcrnet.errors import ConfigError, NotFiniteError, PcrnetError, PredictionsError
from pcrnet.storage import make_folder
from pcrnet.sweeps.folder.claims import Claim, Claims
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.ledger import Ledger, fresh_experiments
from pcrnet.sweeps.folder.records import (
    FinishedTrial,
    FitNote,
    TrialBatch,
    TrialResult,
    read_note,
    write_batch,
    write_note,
    write_result,
)
from pcrnet.sweeps.folder.table import write_table
from pcrnet.sweeps.folder.workers import BEAT_S, Watcher, WorkerFile, hours_at_work
from pcrnet.sweeps.plan.settings import Sweep, trial_id
from pcrnet.sweeps.proposals.pruning import fits_in_order, fits_until_given_up
from pcrnet.sweeps.proposals.search import propose
from pcrnet.training.plan import FitPlan

MOST_TRIES = 20
"""Workers that may end at one fit before it is taken for the fit's fault."""
_JUDGE = "judge"
_SWEEP, _FINISH = "sweep", "finish"
_SHORTEST_WAIT_S = 0.05


class ClaimLostError(PcrnetError):
    """Another worker has taken over what this one was at."""


class TrialFailedError(PcrnetError):
    """A trial that cannot be made, whoever tries."""


_TRIAL_FAULTS = (TrialFailedError, NotFiniteError, ConfigError, PredictionsError)
"""What fails a trial; anything else is no trial's fault and ends the worker."""


class Shop(Protocol):
    """What is done with a trial; the rest of a worker knows no network."""

    def fit(
        self, experiment: Experiment, plan: FitPlan, trial: TrialLayout, folder: Path, check: Check
    ) -> FitNote:
        """Make a fit in ``folder/<its name>``, or go on with what lies there."""

    def judge(
        self, experiment: Experiment, trial: TrialLayout
    ) -> tuple[float | None, dict[str, dict[str, float | None]]]:
        """The objective of a trial whose fits are finished, and all metrics of its heads."""

    def finish(self, finished: Sequence[FinishedTrial], fresh: Sequence[TrialLayout]) -> None:
        """Judge the winner and write the report."""


Check = Callable[[], None]
"""Called between the steps of a fit; raises where it should end."""


@dataclass(frozen=True)
class OpenTrial:
    """A trial without a result.

    Attributes:
        group: Of its claims.
        layout: Its folder.
        experiment: Says what it is: resolving settings takes a while, and few trials are taken up.
        earlier: What the pruner may know; None where nothing is pruned.
    """

    group: str
    layout: TrialLayout
    experiment: Callable[[], Experiment]
    earlier: Sequence[FinishedTrial] | None = None


class Worker:
    """One process at work on a sweep.

    Args:
        sweep: What is searched.
        layout: Its folder.
        shop: What is done with a trial.
        say: Told in a line what was done.
        poll_s: Seconds to wait at most where there is nothing to do; first it waits less.
        beat_s: Seconds between two signs of life.
    """

    def __init__(
        self,
        sweep: Sweep,
        layout: SweepLayout,
        shop: Shop,
        *,
        say: Callable[[str], None] = lambda text: None,
        poll_s: float = 0.5,
        beat_s: float = BEAT_S,
    ) -> None:
        self._sweep, self._layout, self._shop, self._say = sweep, layout, shop, say
        self._poll_s = poll_s
        self._ledger = Ledger(sweep, layout)
        self._me = WorkerFile(layout.workers, beat_s=beat_s, on_beat=self._look_at_claim)
        watcher = Watcher(layout.workers, sweep.config.patience_s)
        self._claims = Claims(layout.claims, self._me.name, watcher)
        evaluation = sweep.experiment.evaluation
        self._plans = fits_in_order(evaluation.folds, evaluation.mode)
        self._looked_at: dict[str, int] = {}
        self._current: Claim | None = None
        self._lost = False

    def run(self) -> None:
        """Work until the sweep is finished.

        Raises:
            PcrnetError: Whatever no trial is at fault for: a full disk, other code.
        """
        with self._me.at_work():
            wait_s = _SHORTEST_WAIT_S
            while not self._layout.finished.exists():
                if self._do_something():
                    wait_s = _SHORTEST_WAIT_S
                    continue
                time.sleep(min(wait_s, self._poll_s))
                wait_s *= 2

    def _do_something(self) -> bool:
        batches = self._ledger.batches()
        trials = self._open_trials(batches)
        closed = bool(batches) and bool(batches[-1].closed)
        if trials:
            ahead = not closed and not self._sweep.config.learns
            if self._give_up(trials) or self._work_on(trials, batches if ahead else None):
                return True
            if self._sweep.config.learns:
                return False
        if not closed:
            return self._propose(batches)
        if trials:
            return False
        fresh = self._fresh
        waiting = [trial for trial in fresh if not trial.layout.result.exists()]
        if waiting:
            return self._work_on(waiting)
        return self._finish([trial.layout for trial in fresh])

    # --- what there is to do

    def _open_trials(self, batches: Sequence[TrialBatch]) -> list[OpenTrial]:
        found: list[OpenTrial] = []
        earlier: list[FinishedTrial] = []
        for batch in batches:
            known = list(earlier)
            for proposal in batch.proposals:
                finished = self._ledger.finished(proposal)
                if finished is not None:
                    earlier.append(finished)
                    continue
                layout = TrialLayout(self._layout.trials / proposal.trial)
                experiment = partial(self._ledger.experiment, proposal)
                found.append(OpenTrial(proposal.trial, layout, experiment, known))
        return found

    @cached_property
    def _fresh(self) -> list[OpenTrial]:
        """Repeats of the winner, found once: all trials are finished, so that it cannot change."""
        config = self._sweep.config.estimate
        winner = self._ledger.winner()
        if not isinstance(config, FreshEstimate) or winner is None:
            return []
        experiments = fresh_experiments(self._ledger.experiment(winner.proposal), config.repeats)
        return [self._fresh_trial(each) for each in experiments]

    def _fresh_trial(self, experiment: Experiment) -> OpenTrial:
        name = trial_id(experiment)
        return OpenTrial(
            f"fresh-{name}", TrialLayout(self._layout.fresh / name), lambda: experiment
        )

    def _propose(self, batches: Sequence[TrialBatch]) -> bool:
        proposed = [proposal for batch in batches for proposal in batch.proposals]
        hours = self._sweep.config.budget.hours
        if hours is not None and hours_at_work(self._layout.workers) >= hours:
            batch = TrialBatch((), f"the budget of {hours:g} hours is spent")
        else:
            finished = self._ledger.all_finished() if self._sweep.config.learns else []
            batch = propose(self._sweep, len(batches), proposed, finished)
        made = write_batch(self._layout.batch(len(batches)), batch)
        if made and batch.closed:
            self._say(f"no further trials: {batch.closed}")
        return True

    # --- doing it

    def _give_up(self, trials: Sequence[OpenTrial]) -> bool:
        """Prune whatever is to be pruned; whether anything was."""
        pruned = False
        for trial in trials if self._sweep.config.pruning.enabled else ():
            shown = self._shown(trial)
            if self._looked_at.get(trial.group) == len(shown):
                continue
            self._looked_at[trial.group] = len(shown)
            count = fits_until_given_up(
                self._sweep, [note.early for note in shown], trial.earlier or ()
            )
            if count is not None and count < len(self._plans):
                self._end(trial, TrialResult("pruned", None, count, *self._summary(shown[:count])))
                pruned = True
        return pruned

    def _shown(self, trial: OpenTrial) -> list[FitNote]:
        """The notes of the finished fits, in order, up to the first that is not finished."""
        notes = []
        for plan in self._plans:
            if not self._ledger.is_done(trial.layout, plan.name):
                break
            notes.append(self._ledger.note(trial.layout, plan.name))
        return notes

    def _work_on(
        self, trials: Sequence[OpenTrial], batches: Sequence[TrialBatch] | None = None
    ) -> bool:
        """Do one fit, or judge one trial; the trial that the fewest are at first.

        Where ``batches`` are given and less than a round of fits is left to be taken, one worker
        proposes the next batch meanwhile: nobody shall have to wait for it.
        """
        done = {trial.group: self._done(trial.layout) for trial in trials}
        held = {trial.group: self._claims.held(trial.group, done[trial.group]) for trial in trials}
        taken = {group: len(done[group] | held[group] - {_JUDGE}) for group in done}
        left = len(self._plans) * len(trials) - sum(taken.values())
        if batches is not None and 0 < left <= sum(map(len, held.values())):
            self._propose_ahead(batches)
        for trial in sorted(trials, key=lambda each: taken[each.group]):
            if len(done[trial.group]) == len(self._plans):
                if _JUDGE not in held[trial.group] and self._judge(trial):
                    return True
                continue
            for plan in self._plans:
                if plan.name in done[trial.group] or plan.name in held[trial.group]:
                    continue
                claim = self._claims.take(trial.group, plan.name)
                if claim is not None:
                    self._fit(trial, plan, claim)
                    return True
        return False

    def _done(self, layout: TrialLayout) -> set[str]:
        """Names of a trial's finished fits."""
        return {plan.name for plan in self._plans if self._ledger.is_done(layout, plan.name)}

    def _propose_ahead(self, batches: Sequence[TrialBatch]) -> None:
        claim = self._claims.take(_SWEEP, f"batch-{len(batches)}")
        if claim is None:
            return
        try:
            self._propose(batches)
        except BaseException:
            claim.free()
            raise

    def _fit(self, trial: OpenTrial, plan: FitPlan, claim: Claim) -> None:
        if self._ledger.is_done(trial.layout, plan.name):
            return  # finished since it was looked at
        if claim.generation >= MOST_TRIES:
            reason = f"{claim.generation} workers ended while they were at the fit {plan.name}"
            self._fail(trial, reason)
            return
        self._current, self._lost = claim, False
        folder = self._inherited(trial.layout, plan, claim)
        try:
            note = self._shop.fit(trial.experiment(), plan, trial.layout, folder, self._check)
            self._check()
        except Exception as error:
            if claim.is_lost():  # whatever was stumbled over, it was moved away by who took over
                self._say(f"{trial.group} {plan.name}: taken over by another worker")
                shutil.rmtree(folder, ignore_errors=True)
            elif isinstance(error, _TRIAL_FAULTS):
                self._fail(trial, str(error))
            else:
                claim.free()
                raise
            return
        except BaseException:
            claim.free()
            raise
        finally:
            self._current = None
        self._publish(trial, plan, folder, note)

    def _inherited(self, layout: TrialLayout, plan: FitPlan, claim: Claim) -> Path:
        """The folder to work in, with what the dead have left there.

        Moving it takes it from them, should they only have been slow.
        """
        folder = layout.work(plan.name, claim.generation)
        make_folder(folder.parent)
        for generation in reversed(range(claim.generation)):
            with suppress(FileNotFoundError):
                layout.work(plan.name, generation).rename(folder)
                break
        return make_folder(folder)

    def _publish(self, trial: OpenTrial, plan: FitPlan, folder: Path, note: FitNote) -> None:
        path = trial.layout.note(plan.name)
        if not path.exists():  # it does where a worker died between the two
            write_note(path, note)
        make_folder(trial.layout.folds)
        with suppress(OSError):  # a folder in its place: another worker was first
            (folder / plan.name).rename(trial.layout.fit(plan.name))
        shutil.rmtree(folder, ignore_errors=True)
        self._say(f"{trial.group} {plan.name}: {note.seconds:.1f} s")

    def _judge(self, trial: OpenTrial) -> bool:
        claim = self._claims.take(trial.group, _JUDGE)
        if claim is None:
            return False
        notes = [read_note(trial.layout.note(plan.name)) for plan in self._plans]
        try:
            value, heads = self._shop.judge(trial.experiment(), trial.layout)
        except _TRIAL_FAULTS as error:
            self._fail(trial, str(error))
            return True
        except BaseException:
            claim.free()
            raise
        seconds, _, early = self._summary(notes)
        if value is None:
            reason = "its objective is undefined in these patients"
            result = TrialResult("failed", None, len(notes), seconds, heads, early, reason)
        else:
            result = TrialResult("complete", value, len(notes), seconds, heads, early)
        self._end(trial, result)
        return True

    def _finish(self, fresh: Sequence[TrialLayout]) -> bool:
        claim = self._claims.take(_SWEEP, _FINISH)
        if claim is None:
            return False
        try:
            self._shop.finish(self._ledger.all_finished(), fresh)
        except BaseException:
            claim.free()
            raise
        return True

    def _fail(self, trial: OpenTrial, reason: str) -> None:
        if trial.layout.result.exists():
            return
        notes = self._shown(trial)
        self._end(
            trial, TrialResult("failed", None, len(notes), *self._summary(notes), reason=reason)
        )

    def _end(self, trial: OpenTrial, result: TrialResult) -> None:
        write_result(trial.layout.result, result)
        value = "" if result.value is None else f" {result.value:.4f}"
        self._say(f"{trial.group}: {result.state}{value} after {result.fits} fits {result.reason}")
        write_table(self._layout.table, self._sweep, self._ledger.all_finished())

    def _summary(
        self, notes: Sequence[FitNote]
    ) -> tuple[float, dict[str, dict[str, float | None]], tuple[float | None, ...]]:
        early = tuple(value for note in notes for value in note.early)
        return sum(note.seconds for note in notes), {}, early

    # --- is the work still ours?

    def _look_at_claim(self) -> None:
        claim = self._current
        if claim is not None and claim.is_lost():
            self._lost = True

    def _check(self) -> None:
        if self._lost:
            raise ClaimLostError("another worker has taken over this fit")
