"""The study in memory: Optuna's side of it and our rows, kept in step.

Every method changes both; nothing here touches the database, the writer does.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from itertools import chain
from pathlib import Path
from shlex import quote
from statistics import fmean, stdev
from typing import Any

import optuna
from optuna.artifacts import ArtifactMeta
from optuna.study._tell import _tell_with_warning
from optuna.trial import FrozenTrial, TrialState

from sweep.config import width_class
from sweep.coordinator.budget import Improvement
from sweep.coordinator.duplicates import REUSED_FROM, Duplicates, Key
from sweep.coordinator.log import tell
from sweep.coordinator.running_trial import RunningTrial
from sweep.enums import Duplicates as OfDuplicates
from sweep.enums import Objective, Outcome
from sweep.errors import NoRoomError, UsageError
from sweep.messages import TestMetrics, TrialDone, TrialLookedInto, TrialSpec
from sweep.search.configurations import (
    enqueue_params,
    suggest_config,
    trial_seeds,
    width_reader,
)
from sweep.search.curves import Curves
from sweep.search.grid import countable_size, index_of
from sweep.search.samplers import make_sampler, share_fits
from sweep.store.artifacts import ATTRIBUTE, write_artifact
from sweep.store.study import OpenStudy
from sweep.studyfile import StudyFile


class StudyState:
    """One study's trials: who is asked, what was reported, how each ended."""

    def __init__(self, opened: OpenStudy, study_file: StudyFile, artifacts: Path) -> None:
        self._opened = opened
        self.name = opened.name
        self._file = study_file
        self._artifacts = artifacts
        self._storage = opened.storage
        self._rows = opened.writer
        self._study = optuna.load_study(
            study_name=opened.name,
            storage=opened.storage,
            sampler=make_sampler(study_file, opened.storage.n_trials),
        )
        self._width_of = width_reader(study_file)
        self._largest_population = 1
        self._attempts = dict(opened.attempts)
        #: Mean validation errors: what pruning compares.
        self.curves = Curves.of(opened.curves)
        self.n_trials = opened.n_trials
        self.best_number: int | None = None
        self.best_value: float | None = None
        self.n_diverged = opened.n_diverged
        #: Of trials that are complete and not invalid; by class of width too.
        self._lowest_error = math.inf
        self._lowest_of_width: dict[int, float] = {}
        self._invalid: frozenset[int] = frozenset()
        self._reuses = study_file.study.duplicates is OfDuplicates.REUSE
        self._duplicates = Duplicates()
        #: How many configurations there are; None where they cannot be counted, or are repeated.
        self._n_configurations = countable_size(study_file.space) if self._reuses else None
        #: Where each is among them, None outside; looked up at every end of a trial, so remembered.
        self._place = cache(lambda key: index_of(study_file.space.nodes, dict(key)))
        #: Of the best value, for a plateau.
        self.improvement = Improvement(study_file.budget.plateau_trials)
        self.leave_out(opened.invalid)

    # --- asking -----------------------------------------------------------------------------

    def enqueue_first_configurations(self) -> None:
        """Queue the study file's own configurations, once, before anything else was asked."""
        if self._storage.n_trials:
            return
        for configuration in self._file.enqueue:
            self._study.enqueue_trial(enqueue_params(self._file, configuration))
        self.n_trials = max(self.n_trials, len(self._file.enqueue))
        self._rows.rows.study["n_trials"] = self.n_trials
        self._write_waiting_rows()

    def enqueue(self, configuration: dict[str, Any]) -> int:
        """Queue one more configuration; the budget grows if it was used up. Returns its number."""
        self._study.enqueue_trial(enqueue_params(self._file, configuration))
        number = self._storage.n_trials - 1
        if number >= self.n_trials:
            self.extend(number + 1)
        self._write_waiting_rows()
        return number

    def extend(self, n_trials: int) -> None:
        """Set the number of trials the study shall reach. Raises UsageError below what it has."""
        if n_trials < (n_there := self._storage.n_trials):
            raise UsageError(
                f"{n_trials} trials: study {self._opened.name!r} has {n_there} already. "
                f"Give {n_there} or more."
            )
        self.n_trials = n_trials
        self._rows.rows.study["n_trials"] = n_trials

    def set_phase(self, phase: str, reason: str | None = None) -> None:
        """Record the study's phase, and why it ended in it."""
        self._rows.rows.study.update(phase=phase, ended_because=reason)

    def train_together(self, n_trials: int) -> None:
        """So many trials train at the same time on a device: the sampler may fit once for several.

        With several devices the largest counts.
        """
        self._largest_population = max(self._largest_population, n_trials)
        share_fits(self._study.sampler, self._largest_population)

    def _write_waiting_rows(self) -> None:
        for number in sorted(self._storage.waiting.difference(self._attempts)):
            self._rows.rows.trials.setdefault(number, {"attempt": 0})

    @property
    def has_more(self) -> bool:
        """Whether another trial may be handed out."""
        return self._storage.n_trials < self.n_trials or self.n_waiting > 0

    @property
    def trained_out(self) -> int | None:
        """How many configurations the space has, once all have results; None until then.

        Nor while trials wait: what was asked for has its turn.
        """
        return self._n_configurations if self._are_all(self._duplicates.trained) else None

    @property
    def is_taken_up(self) -> bool:
        """Whether whoever is asked for next has a twin, trained or in training.

        It would use up the budget, and something may yet come of the space when others end.
        """
        return self._are_all(self._duplicates.trained, self._duplicates.training)

    def _are_all(self, *configurations: Collection[Key]) -> bool:
        """Whether these are all that the space has, and no trial waits."""
        size = self._n_configurations
        if size is None or sum(map(len, configurations)) < size or self.n_waiting:
            return False
        # Some may lie outside: those of another program, which knows no study file.
        places = {self._place(key) for key in chain(*configurations)}
        return len(places - {None}) == size

    @property
    def n_failed(self) -> int:
        """Trials that could not be trained, over all runs of the study."""
        return self.counts()[TrialState.FAIL] - self.n_diverged

    @property
    def n_waiting(self) -> int:
        """Trials that wait to be handed out (again)."""
        return len(self._storage.waiting)

    def ask(self, worker: str) -> TrialSpec | None:
        """The next trial: one that waits, else a new one from the sampler.

        None where it need not be trained: its configuration was, or is being trained.
        """
        trial = self._study.ask()
        config, seed = suggest_config(trial, self._file)
        number = trial.number
        if self._reuses:
            twin = self._duplicates.begin(number, self._storage.get_trial(number).params)
            if twin is not None:
                row = self._rows.rows.trials.setdefault(number, {})
                row.update(
                    attempt=self._attempts.get(number, 0), config=dict(vars(config)), seeds=[]
                )
                if twin.finished:
                    self._reuse(number, twin.number)
                return None
        attempt = self._attempts.get(number, 0) + 1
        self._attempts[number] = attempt
        spec = TrialSpec(
            number=number,
            attempt=attempt,
            config=config,
            seeds=trial_seeds(self._file, number, seed),
            keep_weights_below=self._lowest_error,
            keep_pictures_below=self._lowest_of_width.get(
                width_class(config.hidden_width), math.inf
            ),
            probe=self._file.study.probe,
        )
        self._rows.rows.trials[number] = {
            "attempt": attempt,
            "config": dict(vars(config)),
            "seeds": list(spec.seeds),
            "worker": worker,
        }
        return spec

    # --- hearing ----------------------------------------------------------------------------

    def report(self, trial: RunningTrial) -> None:
        """Record a trial's last epoch; its step is the epoch, its value the mean over seeds."""
        number, epoch = trial.number, trial.epoch
        self.curves.report(number, epoch, trial.val_mse)
        if len(self._file.study.objectives) == 1:  # Optuna takes no reports for several
            self._storage.set_trial_intermediate_value(number, epoch, trial.val_mse)
        for seed_index, m in enumerate(trial.metrics):
            self._rows.rows.epochs[number, seed_index, epoch] = dict(vars(m))

    def complete(self, trial: RunningTrial, done: TrialDone) -> None:
        """Record a finished trial: its values, metrics, pictures and perhaps its weights."""
        number, spec, last, val_mse = trial.number, trial.spec, trial.metrics, trial.val_mse
        values = [
            {
                Objective.VAL_MSE: val_mse,
                Objective.HIDDEN_WIDTH: float(spec.config.hidden_width),
                Objective.TRAIN_SECONDS: done.train_seconds,
            }[objective]
            for objective in self._file.study.objectives
        ]
        row = _means(done.results, [m.val_mse for m in last])
        if val_mse < self._lowest_error and done.weights is not None:
            row["artifact_id"] = self._keep_weights(number, done.weights)
        self._tell(number, values)
        self._has_result(number)
        self._rows.rows.trials.setdefault(number, {}).update(
            outcome=Outcome.COMPLETE.value, train_seconds=done.train_seconds, **row
        )
        for seed_index, (seed, m, r) in enumerate(zip(spec.seeds, last, done.results, strict=True)):
            self._rows.rows.results[number, seed_index] = {
                "seed": seed,
                "val_mse": m.val_mse,
                **_result_row(r),
            }
        if done.reconstructions_png is not None:
            self._rows.rows.reconstructions[number] = {
                "reconstructions_png": done.reconstructions_png,
                "errors_png": done.errors_png,
            }
        self.note_inside(done)

    def note_inside(self, found: TrialDone | TrialLookedInto) -> None:
        """What is in the network of a trial that is complete, as far as it was looked for."""
        rows = self._rows.rows
        if found.decomposition is not None:
            rows.decompositions[found.number] = {"decomposition": asdict(found.decomposition)}
        if found.probe is not None:
            rows.probes[found.number] = {"probe": asdict(found.probe)}

    def _has_result(self, number: int) -> None:
        """A trial is COMPLETE: so are those that waited for it."""
        trial = self._storage.get_trial(number)
        self._consider_best(trial)
        self.improvement.add(self._value_to_compare(trial))
        if number in self._invalid:
            self._release_twins(number)
            return
        self._duplicates.add_result(trial)
        for twin in self._duplicates.end(number):
            self._reuse(twin, number)

    def _reuse(self, number: int, twin: int) -> None:
        """A trial is worth what its twin came to; the writer copies the twin's metrics."""
        self._storage.set_trial_user_attr(number, REUSED_FROM, twin)
        self._tell(number, self._storage.get_trial(twin).values)
        self._rows.rows.trials.setdefault(number, {}).update(
            outcome=Outcome.REUSED.value, reused_from=twin, reason=f"same settings as trial {twin}"
        )
        self._has_result(number)

    def prune(self, number: int, epoch: int) -> None:
        """A trial left early because others did better at the same step."""
        self._end(number, TrialState.PRUNED, Outcome.PRUNED, f"pruned after epoch {epoch}")

    def time_out(self, number: int, epoch: int) -> None:
        """A trial left early because it is over the limit for one: Optuna's PRUNED.

        Not FAIL: samplers learn from a pruned trial's curve, and would propose a failed one again.
        """
        limit = self._file.budget.max_trial_seconds
        reason = f"time limit: over {limit:g} s (budget.max_trial_seconds), ended at epoch {epoch}"
        self._end(number, TrialState.PRUNED, Outcome.TIMED_OUT, reason)

    def diverge(self, number: int, reason: str) -> None:
        """A trial's numbers stopped being numbers: Optuna's FAIL, with the reason kept."""
        self.n_diverged += 1
        self._end(number, TrialState.FAIL, Outcome.DIVERGED, reason)

    def fail(self, number: int, reason: str) -> None:
        """A trial could not be trained."""
        self._end(number, TrialState.FAIL, Outcome.FAILED, reason)
        self.event("trial failed", reason, number=number)

    def _end(self, number: int, state: TrialState, outcome: Outcome, reason: str) -> None:
        self._tell(number, state=state)
        self._rows.rows.trials.setdefault(number, {}).update(outcome=outcome.value, reason=reason)
        self.improvement.add(None)
        self._release_twins(number)

    def _release_twins(self, number: int) -> None:
        """Nothing came of a trial: those that waited for it are handed out after all."""
        for twin in self._duplicates.end(number):
            self._storage.restart_trial(twin)

    def _tell(
        self, number: int, values: list[float] | None = None, state: TrialState | None = None
    ) -> None:
        # What study.tell calls, before it copies the whole trial deeply for its caller.
        _tell_with_warning(self._study, number, values, state, suppress_warning=True)

    def put_back(self, number: int) -> None:
        """A trial handed out comes back untrained: it waits again, under its own number."""
        self.curves.forget(number)
        self._rows.rows.forget_curves(number)
        self._storage.restart_trial(number)
        self._release_twins(number)

    def leave_out(self, invalid: frozenset[int]) -> None:
        """These trials, and no others, are marked invalid: samplers, pruning and best skip them."""
        self._invalid = invalid
        self._storage.hide(invalid)
        self.curves.leave_out(invalid)
        self.best_number = self.best_value = None
        self._lowest_error, self._lowest_of_width = math.inf, {}
        for trial in self._trials():
            self._consider_best(trial)
        if self._reuses:
            self._duplicates.count_anew(self._trials(), invalid)
        if (n := self._file.budget.plateau_trials) is not None:
            values = map(self._value_to_compare, self._in_order())
            self.improvement = Improvement(n, values)

    def _in_order(self) -> list[FrozenTrial]:
        """Finished trials in the order in which they finished."""
        finished = [trial for trial in self._trials() if trial.state.is_finished()]
        return sorted(finished, key=lambda t: (t.datetime_complete or datetime.min, t.number))

    def _value_to_compare(self, trial: FrozenTrial) -> float | None:
        if trial.state != TrialState.COMPLETE or trial.number in self._invalid:
            return None
        return trial.values[0] if math.isfinite(trial.values[0]) else None

    @property
    def invalid(self) -> frozenset[int]:
        return self._invalid

    def event(
        self, kind: str, message: str, *, number: int | None = None, worker: str | None = None
    ) -> None:
        """Note something that a user may want to know later."""
        attempt = None if number is None else self._attempts.get(number)
        tell(kind, message, study=self.name, trial=number, attempt=attempt, worker=worker)
        self._rows.rows.events.append(
            {"kind": kind, "message": message, "number": number, "worker": worker}
        )

    def tell_of_end(self, spec: TrialSpec, worker: str) -> None:
        """Log how a trial ended that has just been heard of."""
        row = self._rows.rows.trials.get(spec.number, {})
        outcome, reason = row.get("outcome"), row.get("reason")
        value = row.get("val_mse")
        detail = reason or (None if value is None else f"val_mse {value:.6g}")
        tell(
            "trial ended",
            f"trial {spec.number}: {outcome}" + (f", {detail}" if detail else ""),
            study=self.name,
            trial=spec.number,
            attempt=spec.attempt,
            worker=worker,
            outcome=outcome,
            val_mse=value,
        )

    def counts(self) -> Counter[TrialState]:
        """How many trials are in each state."""
        return self._storage.n_by_state

    def _trials(self) -> list[FrozenTrial]:
        return self._storage.own_trials()

    def _consider_best(self, trial: FrozenTrial) -> None:
        if trial.state != TrialState.COMPLETE or trial.number in self._invalid:
            return
        self._consider_lowest(trial)
        value = trial.values[0]
        if math.isfinite(value) and (self.best_value is None or value < self.best_value):
            self.best_number, self.best_value = trial.number, value

    def _consider_lowest(self, trial: FrozenTrial) -> None:
        """By validation error, whatever the study's objectives."""
        if (error := self.curves.last(trial.number)) is None:
            return
        width = width_class(self._width_of(trial.params))
        self._lowest_error = min(self._lowest_error, error)
        self._lowest_of_width[width] = min(self._lowest_of_width.get(width, math.inf), error)

    def _keep_weights(self, number: int, weights: bytes) -> str:
        # Before tell: Optuna attaches nothing to a finished trial. What its upload_artifact does,
        # but for the order: a file that finds no room leaves no attribute that names it.
        try:
            artifact_id = write_artifact(self._artifacts, weights)
        except OSError as error:
            where = error.filename or self._artifacts
            raise NoRoomError(
                f"{where}: {error.strerror}, when trial {number}'s weights were to be kept. Free "
                "some room, or name another folder in SWEEP_ARTIFACTS; then "
                f"`sweep resume {quote(self._opened.name)}` goes on."
            ) from error
        about = ArtifactMeta(
            artifact_id=artifact_id,
            filename=f"trial-{number}.safetensors",
            mimetype="application/octet-stream",
            encoding=None,
        )
        self._storage.set_trial_system_attr(
            number, ATTRIBUTE + artifact_id, json.dumps(asdict(about))
        )
        return artifact_id


def _result_row(result: TestMetrics) -> dict[str, Any]:
    diagnostics = result.diagnostics
    row = {
        **vars(result),
        "per_class_mse": list(result.per_class_mse),
        "diagnostics": dict(vars(diagnostics)) if diagnostics else None,
    }
    del row["n_parameters"]
    return row


def _means(results: Sequence[TestMetrics], val_mse: Sequence[float]) -> dict[str, Any]:
    several = len(results) > 1
    test_mse = [r.test_mse for r in results]
    test_bce = [r.test_bce for r in results if r.test_bce is not None]
    return {
        "val_mse": fmean(val_mse),
        "val_mse_std": stdev(val_mse) if several else None,
        "test_mse": fmean(test_mse),
        "test_mse_std": stdev(test_mse) if several else None,
        "test_bce": fmean(test_bce) if test_bce else None,
        "psnr": fmean(r.psnr for r in results),
        "exact_pixels": fmean(r.exact_pixels for r in results),
        "per_class_mse": [fmean(c) for c in zip(*(r.per_class_mse for r in results), strict=True)],
        "n_parameters": results[0].n_parameters,
    }
