"""Handle the workers' messages."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from sweep.coordinator.dispatch import Dispatcher
from sweep.coordinator.ending import StudyEnd
from sweep.coordinator.heartbeat_monitor import HeartbeatMonitor
from sweep.coordinator.message_checks import (
    ProtocolError,
    check_epoch,
    check_request,
    check_result,
    check_stopped,
)
from sweep.coordinator.running_trial import RunningTrial
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.worker_pool import Worker, WorkerPool
from sweep.enums import EventKind, StopReason, Trainer, WorkerState
from sweep.errors import DataError, DeviceError, FusedUnavailableError, make_error
from sweep.launch.launcher import Gone, Lost
from sweep.messages import (
    Capacity,
    EpochDone,
    EpochsDone,
    EpochsJudged,
    Event,
    Heartbeat,
    JudgedEpoch,
    NetworkAnalysed,
    PopulationHalved,
    Ready,
    Stop,
    TrialDiverged,
    TrialDone,
    TrialEvent,
    TrialFailed,
    TrialRequest,
    TrialStopped,
    WorkerFailed,
    WorkerStats,
)
from sweep.search.pruning import PruningRule
from sweep.store.writer import StudyWriter
from sweep.studyfile import StudyFile


class ReportedEpoch(NamedTuple):
    """A trial that reported an epoch in this tick."""

    worker: Worker
    trial: RunningTrial
    epoch: int


class MessageHandler:
    """Applies workers' messages to the study's state, and answers them."""

    def __init__(
        self,
        *,
        study_file: StudyFile,
        study_state: StudyState,
        writer: StudyWriter,
        pool: WorkerPool,
        end: StudyEnd,
        dispatcher: Dispatcher,
        rule: PruningRule | None,
        data_sha256: str | None,
        warn: Callable[[str], None],
    ) -> None:
        self._file = study_file
        self._study_state = study_state
        self._events = study_state.events
        self._writer = writer
        self._pool = pool
        self._end = end
        self._dispatcher = dispatcher
        self._rule = rule
        self._data_sha256 = data_sha256
        self._warn = warn
        #: Fallback reasons that users were warned about.
        self._fallback_reasons: set[str] = set()
        self._silence = HeartbeatMonitor(study_file.workers.silence_seconds)
        self._reached: list[ReportedEpoch] = []
        #: When the first worker was ready, on the monotonic clock.
        self._first_ready: float | None = None
        self._n_ended = 0

    @property
    def trials_per_second(self) -> float | None:
        """Trials ended per second since the first worker was ready; None until one has ended."""
        if self._first_ready is None or not self._n_ended:
            return None
        return self._n_ended / (time.monotonic() - self._first_ready)

    def handle(self, name: str, event: Event | Gone) -> None:
        """Handle a message of the worker of this name."""
        if isinstance(event, Lost):
            self._handle_lost(event.reason)
            return
        worker = self._pool.get(name)
        if worker is None:
            self._pool.keep_early(name, event)
            return
        early, worker.early_messages = worker.early_messages, []
        for message in (*early, event):
            self._handle_in_order(name, message)

    def _handle_in_order(self, name: str, event: Event | Gone) -> None:
        worker = self._pool.get(name)
        if worker is None:
            return  # the previous message was its last
        self._silence.record(name)
        try:
            self._handle_event(worker, event)
        except ProtocolError as error:  # its other messages are not trustworthy either
            worker.handle.kill()
            self._handle_gone(worker, f"killed: it sent {error}")

    def _handle_event(self, worker: Worker, event: Event | Gone) -> None:
        match event:
            case Heartbeat():
                self._dispatcher.note_worker(worker)
            case Ready():
                self._handle_ready(worker, event)
            case WorkerStats():
                worker.stats = event
                self._dispatcher.note_worker(worker)
            case WorkerFailed(error="FusedUnavailableError", message=message):
                self._handle_fused_unavailable(worker, message)
            case WorkerFailed(error="DeviceError", message=message):
                worker.failure = message  # it exits next; other devices may work
            case WorkerFailed(error=error, message=message):
                raise make_error(error, message)
            case Gone(reason=reason, was_left_alone=alone):
                blameless = alone or worker.falls_back  # none of its trials killed it
                self._handle_gone(worker, worker.failure or reason, was_left_alone=blameless)
            case PopulationHalved():
                self._handle_halved(worker, event)
            case TrialRequest():
                self._handle_request(worker, event)
            case EpochsDone(epochs=epochs):
                for epoch in epochs:
                    self._handle_trial(worker, epoch)
            case NetworkAnalysed():
                raise ProtocolError("an analysis, which workers do not send")
            case _:
                self._handle_trial(worker, event)

    def _handle_trial(self, worker: Worker, event: TrialEvent) -> None:
        trial = worker.find(event.number, event.attempt)
        if trial is None:
            self._refuse(worker, event)
            return
        match event:
            case EpochDone():
                check_epoch(trial, event)
                trial.report(event)
                self._study_state.report(trial)
                self._reached.append(ReportedEpoch(worker, trial, event.epoch))
                # As with pruning: a trial whose next epoch is its last may finish.
                ends_anyway = trial.epoch + 1 >= trial.spec.config.epochs
                if trial.just_exceeded(self._file.budget.max_trial_seconds) and not ends_anyway:
                    worker.stop(trial, StopReason.TIMED_OUT)
            case TrialDone():
                check_result(trial, event)
                self._study_state.complete(trial, event)
                self._finish(worker, trial)
            case TrialDiverged():
                self._study_state.diverge(trial, event.reason)
                self._finish(worker, trial)
            case TrialFailed():
                self._end.fail(trial, event.reason)
                self._finish(worker, trial)
            case TrialStopped():
                check_stopped(trial, event)
                self._handle_stopped(worker, trial)

    def _handle_stopped(self, worker: Worker, trial: RunningTrial) -> None:
        match trial.stop_reason:
            case StopReason.TIMED_OUT:
                self._study_state.time_out(trial, trial.epoch)
                self._finish(worker, trial)
            case StopReason.PRUNED:
                self._study_state.prune(trial, trial.epoch)
                self._finish(worker, trial)
            case _:
                self._end.put_back(worker, trial)

    def _handle_request(self, worker: Worker, event: TrialRequest) -> None:
        check_request(worker.capacity, event)
        for number, attempt in event.began:
            if (trial := worker.find(number, attempt)) is not None:
                trial.has_begun = True
        worker.n_requested += event.n
        self._dispatcher.fill(worker)

    def _refuse(self, worker: Worker, event: TrialEvent) -> None:
        self._events.add(
            EventKind.LATE_RESULT_REFUSED,
            f"{type(event).__name__} of attempt {event.attempt}, which is not current",
            number=event.number,
            attempt=event.attempt,
            worker=worker.name,
        )
        if isinstance(event, EpochDone):
            worker.handle.send(
                Stop(number=event.number, attempt=event.attempt, reason=StopReason.SUPERSEDED)
            )

    def _finish(self, worker: Worker, trial: RunningTrial) -> None:
        """Release a trial that has ended, and give its worker the next one at once."""
        worker.drop(trial)
        worker.n_finished += 1
        self._n_ended += 1
        self._dispatcher.fill(worker)
        self._dispatcher.note_worker(worker)

    def _handle_ready(self, worker: Worker, event: Ready) -> None:
        if self._data_sha256 not in (None, event.data.sha256):
            raise DataError(
                f"the data set {self._file.data.name} is not the one this study began with: "
                f"SHA-256 {event.data.sha256[:12]}… instead of {str(self._data_sha256)[:12]}…. "
                "Restore the old files, or start a study with another name."
            )
        if self._data_sha256 is None:
            self._data_sha256 = event.data.sha256
            self._writer.note_data(event.data, event.originals_png, event.spectrum)
        worker.introduce(event)
        if event.fallback_reason is not None:
            self._report_fallback(worker, event.fallback_reason)
        self._study_state.source.share_fits(event.capacity.n_trials)
        self._first_ready = self._first_ready or time.monotonic()
        self._dispatcher.note_worker(worker)
        self._dispatcher.fill(worker)

    def _handle_fused_unavailable(self, worker: Worker, reason: str) -> None:
        """Prepare for the worker's end: its check failed (even after Ready), or CUDA stopped.

        With ``AUTO`` the device gets another worker, with the reference trainer. Raises
        FusedUnavailableError if the fused trainer was requested by name and has trained already: no
        trial is to blame.
        """
        worker.failure = reason
        if self._pool.setup.trainer is not Trainer.AUTO:
            if worker.ready:
                raise FusedUnavailableError(reason)
            self._pool.leave_out(worker.device)
        else:
            worker.failure = "ended: its device cannot use the fused trainer"
            worker.falls_back = True
            self._pool.fall_back(worker.device, reason)
            self._report_fallback(worker, reason)

    def _report_fallback(self, worker: Worker, reason: str) -> None:
        self._events.add(
            EventKind.FALLBACK, f"{_describe_device(worker)}: {reason}", worker=worker.name
        )
        if reason not in self._fallback_reasons:  # GPUs of the same model fail for the same reason
            self._fallback_reasons.add(reason)
            self._warn(
                f"WARNING: {_describe_device(worker)} trains with the reference trainer, one trial "
                f"at a time (`--per-gpu N`: N trials): {reason}"
            )

    def _handle_halved(self, worker: Worker, event: PopulationHalved) -> None:
        smaller, n = _describe_smaller(event.before, event.capacity), len(event.put_back)
        message = f"{smaller}; {n:,} trials start again: {event.reason}"
        self._events.add(EventKind.POPULATION_HALVED, message, worker=worker.name)
        worker.capacity = event.capacity
        for number, attempt in event.put_back:
            if (trial := worker.find(number, attempt)) is not None:
                self._end.put_back(worker, trial)
        self._dispatcher.note_worker(worker)
        self._dispatcher.fill(worker)

    def _handle_gone(self, worker: Worker, reason: str, *, was_left_alone: bool = False) -> None:
        self._dispatcher.note_worker(worker, state=WorkerState.GONE)
        self._events.add(EventKind.WORKER_GONE, f"{worker.device}: {reason}", worker=worker.name)
        suspects = [] if was_left_alone else worker.suspects
        for trial in [*worker.trials.values()]:
            if worker.trials.get(trial.number) is not trial:
                continue  # requeued, because an earlier one's failure has ended the study
            trial.n_deaths += trial in suspects
            if trial.n_deaths > self._file.workers.retries:
                died = f"its worker died {trial.n_deaths} times, at last: {reason}"
                self._end.fail(trial, died)
            else:
                self._study_state.put_back(trial)
        may_restart = self._pool.forget_lost(worker, was_left_alone=was_left_alone)
        worker.trials.clear()
        if not self._end.hands_out:
            return
        if self._dispatcher.is_idle:
            self._dispatcher.idle_devices.append(worker.device)
        elif may_restart:
            self._dispatcher.start_worker(worker.device)
        elif len(self._pool) == 0:
            raise DeviceError(
                f"no worker starts on {worker.device}: {reason}{self._way_out(worker)}"
            )
        else:
            self._events.add(EventKind.DEVICE_LEFT_OUT, f"{worker.device}: {reason}")

    def _way_out(self, worker: Worker) -> str:
        """Suggest what to try if a GPU's worker died silently: a compiler may have crashed."""
        fused = self._pool.setup.trainer in (Trainer.AUTO, Trainer.FUSED)
        if not fused or worker.ready or worker.failure is not None or worker.device == "cpu":
            return ""
        return ". `--trainer reference` trains without the fused trainer and its compiler."

    def _handle_lost(self, reason: str) -> None:
        """Requeue all trials if the study ends anyway; raise DeviceError otherwise."""
        self._end.apply_interrupts()  # the lost workers may have received a signal to end, too
        if not self._end.has_begun:
            raise DeviceError(reason)
        for worker in self._pool:
            self._end.take_back(worker)

    def end_silent_workers(self) -> None:
        """Kill workers without a heartbeat, before they can resume; their trials go to others."""
        for name in self._silence.find_silent([worker.name for worker in self._pool]):
            worker = self._pool.get(name)
            assert worker is not None
            worker.handle.kill()
            seconds = self._file.workers.silence_seconds
            # Its earlier messages may still arrive; they are ignored, because its name is unknown
            # then.
            self._handle_gone(worker, f"killed: no heartbeat for {seconds:.0f} s")

    def judge(self) -> None:
        """Let the pruner decide about all epochs reported since the last call.

        It decides about all of them together, so that the order of the reports does not matter.
        """
        reached, self._reached = self._reached, []
        if self._rule is None:
            return
        judged = defaultdict[str, list[JudgedEpoch]](list)
        for step in sorted({epoch for _, _, epoch in reached}):
            pruned = self._rule.decide(self._study_state.curves.at(step))
            at_step = (one for one in reached if one.epoch == step)
            for worker, trial, _ in sorted(at_step, key=lambda one: one.trial.number):
                number, attempt = trial.number, trial.spec.attempt
                if worker.find(number, attempt) is not trial:
                    continue  # ended, or requeued meanwhile
                # A stop takes effect one epoch later; a trial that has then reached its end may
                # finish.
                if step + 1 >= trial.spec.config.epochs:
                    continue
                if number in pruned:
                    worker.stop(trial, StopReason.PRUNED, last_epoch=step + 1)
                else:
                    judged[worker.name].append(JudgedEpoch(number, attempt, step))
        for worker in self._pool:
            if epochs := judged[worker.name]:
                worker.handle.send(EpochsJudged(epochs=tuple(epochs)))


def _describe_smaller(before: Capacity, after: Capacity) -> str:
    """Describe how many trials a worker trains at the same time from now on."""
    if after == before:
        return "one trial at a time from now on"
    if after.n_populations != before.n_populations:
        return f"from {before.n_populations} batch sizes at the same time to {after.n_populations}"
    return (
        f"from {before.slots:,} slots and {before.hidden_units:,} hidden units to "
        f"{after.slots:,} and {after.hidden_units:,}"
    )


def _describe_device(worker: Worker) -> str:
    """Name the device as users know it."""
    named = f" ({worker.device_name})" if worker.device_name else ""
    return "the CPU" if worker.device == "cpu" else f"GPU {worker.device}{named}"
