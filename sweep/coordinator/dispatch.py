"""Start workers and dispatch trials to them."""

from sweep.coordinator.buffered_writer import BufferedWriter
from sweep.coordinator.ending import StudyEnd
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.worker_pool import Worker, WorkerPool
from sweep.enums import EventKind, WorkerState
from sweep.messages import Train
from sweep.store.writer import StudyWriter

#: Trials in a row whose value is reused before the loop reads messages and writes again.
MOST_REUSED = 64


class Dispatcher:
    """Keeps every device of a study busy while there are trials to train."""

    def __init__(
        self,
        *,
        study_state: StudyState,
        writer: StudyWriter,
        buffered_writer: BufferedWriter,
        pool: WorkerPool,
        end: StudyEnd,
        devices: list[str],
    ) -> None:
        self._study_state = study_state
        self._writer = writer
        self._buffered_writer = buffered_writer
        self._pool = pool
        self._end = end
        #: Devices without a worker, because there was nothing to train; with one more trial they
        #: get one.
        self.idle_devices = [*devices]
        self.is_paused = False

    def start_idle(self) -> None:
        """Start workers on all idle devices, if there is anything to train."""
        if self._study_state.source.has_more and self._end.hands_out:
            while self.idle_devices:
                self.start_worker(self.idle_devices.pop(0))

    def start_worker(self, device: str) -> None:
        """Start a worker on a device."""
        self.note_worker(self._pool.start(device))

    def fill_all(self) -> None:
        """Give every worker the trials that it has requested."""
        for worker in self._pool:
            self.fill(worker)

    def fill(self, worker: Worker) -> None:
        """Give a worker the trials that it has requested."""
        self._end.check_budget()  # after all results, before the next dispatch
        n_reused = 0
        while (
            worker.ready
            and self._end.hands_out
            and not self.is_paused
            and n_reused < MOST_REUSED
            and worker.n_requested > 0
            and self._study_state.source.has_more
            and not (worker.is_fully_busy and self._are_last_trials)
            and not self._study_state.is_space_taken
            and (not self._buffered_writer.is_away or self._buffered_writer.has_room)
        ):
            trial = self._study_state.ask(worker.name)
            if trial is None:
                n_reused += 1
                self._end.check_budget()
                continue
            worker.hand(trial)
            self._study_state.events.log(
                EventKind.TRIAL_HANDED_OUT,
                f"trial {trial.number} to {worker.name}",
                trial=trial.number,
                attempt=trial.spec.attempt,
                worker=worker.name,
            )

    @property
    def _are_last_trials(self) -> bool:
        """Whether the remaining trials go to whichever workers are free first.

        A trial queued at a worker that trains a long one would delay the end of the study.
        """
        return len(self._pool) > 1 and self._study_state.source.n_left <= len(self._pool)

    def send(self) -> None:
        """Send workers the trials that were assigned since the last call."""
        for worker in self._pool:
            if worker.unsent:
                worker.handle.send(Train(specs=tuple(trial.spec for trial in worker.unsent)))
                worker.unsent.clear()

    @property
    def is_awaited(self) -> bool:
        """Whether waiting rows should be written at once.

        A user waits for them, or a worker whose queue lacks more than half of its trials.
        """
        return self._end.has_begun or any(
            2 * len(worker.unsent) > worker.capacity.n_queued for worker in self._pool
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing is running and nothing is left to train."""
        if any(worker.trials for worker in self._pool):
            return False
        return not self._end.hands_out or not (self._study_state.source.has_more or self.is_paused)

    def release_workers(self) -> None:
        """Shut all workers down; their devices get new ones once there is more to train."""
        for worker in self._pool:
            self.note_worker(worker, state=WorkerState.GONE)
            self.idle_devices.append(worker.device)
        self._pool.shut_down()

    @property
    def n_busy(self) -> int:
        """Number of workers that train or are about to."""
        has_more = self._end.hands_out and self._study_state.source.has_more
        gets_more = has_more and not self.is_paused
        return sum(gets_more or not worker.ready or bool(worker.trials) for worker in self._pool)

    def note_worker(self, worker: Worker, state: WorkerState | None = None) -> None:
        """Record a worker's state."""
        self._writer.rows.workers[worker.name] = {
            "state": state or worker.state,
            "n_threads": self._pool.setup.n_threads,
            **worker.columns(),
        }
