"""End a study: whether trials are still dispatched, its last phase and the reason."""

from collections.abc import Callable

from sweep.coordinator.budget import BudgetUsage, BudgetVerdict, check_budget
from sweep.coordinator.buffered_writer import BufferedWriter
from sweep.coordinator.running_trial import RunningTrial
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.usage_tracker import UsageTracker
from sweep.coordinator.worker_pool import Worker, WorkerPool
from sweep.enums import Sampler, StopReason, StudyPhase
from sweep.store.usage import Usage
from sweep.studyfile import StudyFile


class StudyEnd:
    """Ends a study when a budget is used up, on a user's command, or on a signal."""

    def __init__(
        self,
        study_file: StudyFile,
        study_state: StudyState,
        pool: WorkerPool,
        buffered_writer: BufferedWriter,
        usage: Callable[[], Usage] | None,
    ) -> None:
        self._file = study_file
        self._study_state = study_state
        self._pool = pool
        self._buffered_writer = buffered_writer
        self._usage = UsageTracker(usage)
        #: The phase in which the study ends; set once. After that no trial is dispatched.
        self.phase: StudyPhase | None = None
        self._reason = ""
        #: The budget that is used up; set once. After that no trial is dispatched.
        self.verdict: BudgetVerdict | None = None
        self.n_interrupts = 0

    @property
    def has_begun(self) -> bool:
        """Whether running trials were ordered to stop."""
        return self.phase is not None

    @property
    def hands_out(self) -> bool:
        """Whether trials are still dispatched."""
        return self.phase is None and self.verdict is None

    @property
    def is_hurried(self) -> bool:
        """Whether a second signal has arrived: exit without waiting for anything."""
        return self.n_interrupts >= 2

    def check_budget(self) -> None:
        """End the study if a budget is used up."""
        if self.verdict is not None:
            return
        source, best = self._study_state.source, self._study_state.best
        tracked = self._usage.now(may_read=not self._buffered_writer.is_away)
        usage = BudgetUsage(
            n_failed=self._study_state.n_failed,
            n_trained_out=self._study_state.n_trained_out if source.has_more else None,
            wall_seconds=tracked.wall_seconds,
            gpu_seconds=tracked.gpu_seconds,
            best_value=best.value,
            best_number=best.number,
            improvement=best.improvement.latest,
        )
        self.verdict = check_budget(self._file.budget, usage)
        if self.verdict is not None and not self.verdict.lets_finish:
            self.begin(self.verdict.phase, self.verdict.reason)

    def fail(self, trial: RunningTrial, reason: str) -> None:
        """Record a trial that could not be trained, and end the study if these are too many."""
        self._study_state.fail(trial, reason)
        self.check_budget()

    def apply_interrupts(self) -> None:
        """End the study on the first signal; kill the workers on the second."""
        if self.is_hurried:
            for worker in self._pool:
                worker.handle.kill()
                self.take_back(worker)
        if self.n_interrupts:
            self.begin(StudyPhase.INTERRUPTED, "Ctrl-C or a signal")

    def begin(self, phase: StudyPhase, reason: str) -> None:
        """Stop dispatching trials, and stop running ones at the end of their epoch."""
        if self.has_begun:
            return
        self.phase, self._reason = phase, reason
        for worker in self._pool:
            for trial in [*worker.unsent]:
                self.put_back(worker, trial)
            for trial in worker.trials.values():
                worker.stop(trial, StopReason.INTERRUPTED)

    def put_back(self, worker: Worker, trial: RunningTrial) -> None:
        """Requeue a trial that its worker did not complete."""
        self._study_state.put_back(trial)
        worker.drop(trial)

    def take_back(self, worker: Worker) -> None:
        """Requeue all trials of a worker."""
        for trial in [*worker.trials.values()]:
            self.put_back(worker, trial)

    def outcome(self) -> tuple[StudyPhase, str]:
        """Return the last phase of a study in which nothing runs any more, and the reason.

        A study whose trials are all done is finished, even if time ran out for its last trial or
        its analyses.
        """
        if self.phase is StudyPhase.OUT_OF_TIME and not self._study_state.source.has_more:
            return StudyPhase.FINISHED, self._all_done()
        if self.phase is not None:
            return self.phase, self._reason
        return StudyPhase.FINISHED, self.verdict.reason if self.verdict else self._all_done()

    def _all_done(self) -> str:
        n, trials = self._study_state.source.n_trials, self._file.budget.trials
        of_grid = self._file.sampler.name is Sampler.GRID and (trials is None or n < trials)
        return f"all {n:,} trials are done ({'the whole grid' if of_grid else 'budget.trials'})"
