"""Hold the study in memory: Optuna's trials and our rows, changed together.

This module does not use the database; the writer does.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.study._tell import _tell_with_warning
from optuna.trial import TrialState

from sweep.coordinator.best_results import BestResults
from sweep.coordinator.duplicates import DuplicateFinder
from sweep.coordinator.event_log import EventLog
from sweep.coordinator.running_trial import RunningTrial, searched_configuration
from sweep.coordinator.study_weights import StudyWeights
from sweep.coordinator.trial_results import add_results
from sweep.coordinator.trial_source import TrialSource
from sweep.coordinator.warm_start import WarmStart
from sweep.enums import Duplicates, EventKind, Outcome, StudyPhase
from sweep.messages import TrialDone, TrialSpec
from sweep.search.configurations import trial_seeds
from sweep.search.curves import Curves
from sweep.search.samplers import make_sampler
from sweep.store.optuna_rows import REUSED_FROM, objective_values
from sweep.store.study import OpenStudy
from sweep.store.trial_records import mean_results
from sweep.store.writer import Row
from sweep.studyfile import StudyFile


class PastAttempts(NamedTuple):
    """Earlier attempts of a trial that waits for its next dispatch."""

    n_attempts: int = 0
    #: Number of workers that died while training it.
    n_deaths: int = 0
    #: Empty if none are recorded.
    seeds: tuple[int, ...] = ()


class StudyState:
    """Trials of one study: which is next, what each reported, how each ended."""

    def __init__(
        self,
        opened: OpenStudy,
        study_file: StudyFile,
        artifacts: Path,
        warm_start: WarmStart,
    ) -> None:
        self.name = opened.name
        self._file = study_file
        self._storage = opened.storage
        self._writer = opened.writer
        self._study = optuna.load_study(
            study_name=opened.name,
            storage=opened.storage,
            sampler=make_sampler(study_file, opened.storage.n_trials, warm_start.history),
        )
        self.source = TrialSource(self._study, opened, study_file, warm_start.first)
        self.best = BestResults(study_file)
        self.weights = StudyWeights(opened, artifacts, until_analysed=study_file.study.probe)
        self.probe_baselines = opened.probe_baselines
        self.events = EventLog(opened.name, opened.writer)
        #: Mean validation errors, which pruning compares.
        self.curves = Curves.of(opened.curves)
        self._reuses = study_file.study.duplicates is Duplicates.REUSE
        self._duplicates = DuplicateFinder(study_file.space if self._reuses else None)
        #: By number, for waiting trials.
        self._past_attempts = {
            number: PastAttempts(opened.attempts[number], seeds=opened.seeds.get(number, ()))
            for number in opened.storage.waiting
            if number in opened.attempts
        }
        self.n_diverged = opened.n_diverged
        self._last_end, self._n_ended_before = opened.last_end, self._n_ended
        self.leave_out(opened.invalid)

    def set_phase(self, phase: StudyPhase, reason: str | None = None) -> None:
        """Record the study's phase, and why it ended in it."""
        self._writer.rows.study.update(phase=phase, ended_because=reason)

    def note_end(self, phase: StudyPhase, reason: str) -> None:
        """Record how the study ended, with an event if anything has changed."""
        self.set_phase(phase, reason)
        note = self.events.log if self._has_ended_as(phase, reason) else self.events.add
        note(EventKind.ENDED, f"{phase}: {reason}")

    def _has_ended_as(self, phase: StudyPhase, reason: str) -> bool:
        """Return whether it had ended in this way before, and no trial has ended since."""
        return (phase, reason) == self._last_end and self._n_ended == self._n_ended_before

    @property
    def _n_ended(self) -> int:
        return sum(n for state, n in self.counts.items() if state.is_finished())

    @property
    def counts(self) -> Counter[TrialState]:
        """Number of trials in each of Optuna's states."""
        return self._storage.n_by_state

    @property
    def n_failed(self) -> int:
        """Number of trials that could not be trained, over all runs of the study."""
        return self.counts[TrialState.FAIL] - self.n_diverged

    @property
    def n_trained_out(self) -> int | None:
        """Number of configurations in the space once all have results; None until then.

        None also while trials wait: trials that a user enqueued are dispatched anyway.
        """
        return None if self.source.n_waiting else self._duplicates.n_trained_out

    @property
    def is_space_taken(self) -> bool:
        """Whether the next trial would have a twin, trained or in training.

        It would use up the budget, although a trial in training may still end without a result.
        """
        return not self.source.n_waiting and self._duplicates.is_space_taken

    # --- a trial's start --------------------------------------------------------------------

    def ask(self, worker: str) -> RunningTrial | None:
        """Take the next trial, to be trained by this worker.

        Return None if it need not be trained because its configuration was, or is being trained.
        """
        number, config, seed = self.source.propose()
        past = self._past_attempts.get(number, PastAttempts())
        configuration = searched_configuration(self._storage.get_trial(number).params)
        if self._reuses and (twin := self._duplicates.find_twin(number, configuration)):
            row = {"attempt": past.n_attempts, "config": dict(vars(config)), "seeds": []}
            self._row(number).update(row)
            if twin.finished:
                self._reuse(number, twin.number)
            return None
        spec = TrialSpec(
            number=number,
            attempt=past.n_attempts + 1,
            config=config,
            seeds=past.seeds or trial_seeds(self._file, number, seed),
            keep_below=self.best.lowest_error(config.hidden_width),
            keep_always=self._file.study.probe,
        )
        trial = RunningTrial(
            spec=spec, worker=worker, configuration=configuration, n_deaths=past.n_deaths
        )
        if self._reuses:
            self._duplicates.begin(trial)
        self._past_attempts.pop(number, None)
        self._writer.rows.trials[number] = {
            "attempt": spec.attempt,
            "config": dict(vars(config)),
            "seeds": list(spec.seeds),
            "worker": worker,
        }
        return trial

    def report(self, trial: RunningTrial) -> None:
        """Record the trial's last epoch."""
        number, epoch, val_mse = trial.number, trial.epoch, trial.val_mse
        self.curves.report(number, epoch, val_mse, trial.lowest_val_mse)
        if len(self._file.study.objectives) == 1:  # several objectives have no reports
            self._storage.set_trial_intermediate_value(number, epoch, val_mse)
        for seed_index, metrics in enumerate(trial.metrics):
            self._writer.rows.epochs[number, seed_index, epoch] = dict(vars(metrics))

    # --- a trial's end ----------------------------------------------------------------------

    def complete(self, trial: RunningTrial, done: TrialDone) -> None:
        """Record a finished trial: its values, metrics, pictures and perhaps its weights."""
        number, spec, val_mse = trial.number, trial.spec, trial.val_mse
        values = objective_values(
            self._file.study.objectives,
            val_mse=val_mse,
            hidden_width=spec.config.hidden_width,
            train_seconds=done.train_seconds,
        )
        row = mean_results(done.results, [metrics.val_mse for metrics in trial.metrics])
        row["n_parameters"] = done.results[0].n_parameters
        is_best = val_mse < self.best.lowest_error(spec.config.hidden_width)
        if done.weights is not None and (is_best or spec.keep_always):
            row["artifact_id"] = self.weights.keep(trial, done.weights)
        self._tell(number, values)
        self._row(number).update(
            outcome=Outcome.COMPLETE.value, train_seconds=done.train_seconds, **row
        )
        add_results(self._writer.rows, trial, done)
        self._log_end(trial, Outcome.COMPLETE, f"val_mse {val_mse:.6g}", val_mse)
        waiting = self._duplicates.end(trial)
        if number in self.best.invalid:
            self._restart(waiting)
            return
        self._duplicates.add_result(self._storage.get_trial(number))
        for duplicate in waiting:
            self._reuse(duplicate, number)

    def _reuse(self, number: int, twin: int) -> None:
        """Complete a duplicate with its twin's values; the writer copies the metrics."""
        self._storage.set_trial_user_attr(number, REUSED_FROM, twin)
        self._tell(number, self._storage.get_trial(twin).values)
        self._row(number).update(
            outcome=Outcome.REUSED.value, reused_from=twin, reason=f"same settings as trial {twin}"
        )

    def prune(self, trial: RunningTrial, epoch: int) -> None:
        """End a trial early because others did better at the same step."""
        self._end(trial, TrialState.PRUNED, Outcome.PRUNED, f"pruned after epoch {epoch}")

    def time_out(self, trial: RunningTrial, epoch: int) -> None:
        """End a trial early because it exceeds the time limit, as Optuna's PRUNED.

        Not as FAIL: samplers learn from a pruned trial's curve, and would propose a failed one
        again.
        """
        limit = self._file.budget.max_trial_seconds
        reason = f"time limit: over {limit:g} s (budget.max_trial_seconds), ended at epoch {epoch}"
        self._end(trial, TrialState.PRUNED, Outcome.TIMED_OUT, reason)

    def diverge(self, trial: RunningTrial, reason: str) -> None:
        """End a trial whose loss or weights are no longer finite, as Optuna's FAIL."""
        self.n_diverged += 1
        self._end(trial, TrialState.FAIL, Outcome.DIVERGED, reason)

    def fail(self, trial: RunningTrial, reason: str) -> None:
        """End a trial that could not be trained."""
        self._end(trial, TrialState.FAIL, Outcome.FAILED, reason)
        self.events.add(
            EventKind.TRIAL_FAILED, reason, number=trial.number, attempt=trial.spec.attempt
        )

    def put_back(self, trial: RunningTrial) -> None:
        """Requeue a trial, under its own number; what it reported is discarded."""
        number = trial.number
        self._past_attempts[number] = PastAttempts(
            trial.spec.attempt, trial.n_deaths, trial.spec.seeds
        )
        if trial.epoch:
            self.curves.forget(number)
        self._writer.rows.forget_curves(number)
        self._restart([number, *self._duplicates.end(trial)])

    def _end(self, trial: RunningTrial, state: TrialState, outcome: Outcome, reason: str) -> None:
        self._tell(trial.number, state=state)
        self._row(trial.number).update(outcome=outcome.value, reason=reason)
        self._log_end(trial, outcome, reason)
        self._restart(self._duplicates.end(trial))

    def _restart(self, numbers: list[int]) -> None:
        for number in numbers:
            self._storage.restart_trial(number)

    def _tell(
        self, number: int, values: list[float] | None = None, state: TrialState | None = None
    ) -> None:
        # What study.tell calls, before it deep-copies the trial for its caller.
        _tell_with_warning(self._study, number, values, state, suppress_warning=True)
        self.best.add(self._storage.get_trial(number))

    def _row(self, number: int) -> Row:
        return self._writer.rows.trials.setdefault(number, {})

    def _log_end(
        self, trial: RunningTrial, outcome: Outcome, detail: str, val_mse: float | None = None
    ) -> None:
        self.events.log(
            EventKind.TRIAL_ENDED,
            f"trial {trial.number}: {outcome}, {detail}",
            trial=trial.number,
            attempt=trial.spec.attempt,
            worker=trial.worker,
            outcome=outcome,
            val_mse=val_mse,
        )

    # --- marks ------------------------------------------------------------------------------

    def leave_out(self, invalid: frozenset[int]) -> None:
        """Exclude exactly these trials from sampling, pruning and the best results."""
        self._storage.hide(invalid)
        self.curves.leave_out(invalid)
        self.weights.mark_invalid(invalid)
        trials = self._storage.own_trials()
        self.best.recount(trials, invalid)
        if self._reuses:
            self._duplicates.recount(trials, invalid)
