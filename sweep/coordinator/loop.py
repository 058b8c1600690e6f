"""The coordinator's loop. A tick hears the workers, decides, writes once, then sends orders.

What is sent was written before, so a trial that trains has a row; while the database is away it
is sent before it is written, as far as there is room to wait. Asks follow
their tells one by one, never by how events fell into ticks: with one worker, a seed fixes the
whole study.
"""

import time
from collections import Counter
from collections.abc import Callable
from queue import Empty
from typing import NamedTuple

from optuna.trial import TrialState

import sweep.errors
from sweep.coordinator import budget
from sweep.coordinator.book import Book
from sweep.coordinator.crew import Crew, Worker
from sweep.coordinator.log import tell
from sweep.coordinator.looks import LOOK_SECONDS, Looks
from sweep.coordinator.nonsense import NonsenseError, check_epoch, check_result
from sweep.coordinator.outbox import Outbox
from sweep.coordinator.progress import Observer, Progress, WorkerProgress
from sweep.coordinator.question import Question
from sweep.coordinator.running_trial import RunningTrial
from sweep.coordinator.silence import Silence
from sweep.coordinator.spending import Spending
from sweep.errors import (
    DataError,
    DeviceError,
    FusedUnavailableError,
    StoreError,
    SweepError,
)
from sweep.launch.launcher import Gone, Inbox, Lost
from sweep.names import CommandKind, Sampler, Trainer
from sweep.search.pruning import PruningRule
from sweep.store.commands import Command
from sweep.store.usage import Usage
from sweep.store.writer import StudyWriter
from sweep.studyfile import StudyFile
from sweep.trial import (
    EpochDone,
    EpochsDone,
    Event,
    Heartbeat,
    Leave,
    OfTrial,
    PopulationHalved,
    Ready,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialLeft,
    TrialLookedInto,
    Verdict,
    Vitals,
    WorkerFailed,
)


class Wishes(NamedTuple):
    """What users have written for the coordinator to read."""

    commands: list[Command]
    #: Trials that are marked so.
    invalid: frozenset[int]


class Reached(NamedTuple):
    """A trial that reported an epoch in this tick."""

    worker: Worker
    trial: RunningTrial
    epoch: int


TICK_SECONDS = 0.25
COMMAND_SECONDS = 0.5
#: Trials in a row whose value is reused before the loop hears and writes again.
MOST_REUSED = 64

#: The kind of event: a worker trains with the reference trainer although fused was preferred.
FALLBACK = "reference trainer instead"

#: Put into the inbox by a signal handler, to wake the loop.
WAKE = ""


class Coordinator:
    """Runs one study to its end, or to its interruption."""

    def __init__(
        self,
        *,
        study_file: StudyFile,
        book: Book,
        writer: StudyWriter,
        crew: Crew,
        inbox: Inbox,
        devices: list[str],
        rule: PruningRule | None,
        wishes: Callable[[], Wishes],
        usage: Callable[[], Usage] | None,
        data_sha256: str | None,
        observer: Observer,
        warn: Callable[[str], None],
    ) -> None:
        self._file = study_file
        self._book = book
        self._writer = writer
        self._outbox = Outbox(writer, max_away_seconds=study_file.budget.max_away_seconds)
        self._crew = crew
        self._inbox = inbox
        #: Without a worker, as there was nothing to train; one more trial, and they get one.
        self._idle_devices = [*devices]
        self._rule = rule
        self._wishes = Question(wishes)
        self._data_sha256 = data_sha256
        self._observer = observer
        self._warn = warn
        #: Those that users were warned of.
        self._fallback_reasons: set[str] = set()
        self._silence = Silence(study_file.workers.silence_seconds)
        #: How often each trial may have killed its worker, over all its attempts.
        self._deaths = Counter[int]()
        self._looks = Looks()
        self._has_told_of_looks = False
        self._paused = False
        #: Set once: the phase the study ends in. No more trials are handed out from then on.
        self._ending: str | None = None
        self._because = ""
        self._spending = Spending(usage)
        #: Set once: the budget that is used up. No more trials are handed out from then on.
        self._verdict: budget.Verdict | None = None
        self._interrupts = 0
        #: `sweep stop` when it ended already: it waits for no look.
        self._stopped_again = False
        self._next_look = 0.0
        self._first_ready: float | None = None
        self._n_done_here = 0

    # --- from outside -----------------------------------------------------------------------

    def interrupt(self) -> None:
        """Once: finish the epoch and stop. Twice: stop now. Safe in a signal handler."""
        self._interrupts += 1
        self._inbox.put((WAKE, Gone(reason="interrupted")))

    def run(self) -> str:
        """Run until the study is finished or ended otherwise; returns its last phase.

        Raises a SweepError when it cannot go on. What was written stays; `sweep resume` goes on.
        """
        self._book.enqueue_first_configurations()
        self._set_phase("running")
        self._look_for_commands()  # a configuration that waited here goes before new ones
        self._check_budget()
        try:
            self._start_idle()
            self._loop()
        except BaseException:
            self._give_up()
            raise
        for worker in self._crew:
            self._note_worker(worker, state="gone")
        self._crew.shut_down()
        return self._close()

    def _give_up(self) -> None:
        """After an error: no worker stays, and what they were training waits again."""
        for worker in self._crew:
            self._note_worker(worker, state="gone")
            self._lose_looks(worker.name, "the study ended with an error")
            self._take_back(worker)
        self._crew.kill()

    # --- the loop ---------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            self._hear_all()
            self._end_silent_workers()
            self._look_for_commands()
            self._apply_interrupts()
            self._check_budget()
            self._start_idle()
            self._fill_all()
            self._tell_of_looks()
            landed = self._outbox.flush(at_once=self._is_awaited())
            if landed or (self._outbox.is_away and self._outbox.has_room):
                self._deliver()
            self._observer(self._progress())
            if self._is_over() and (self._outbox.is_empty or self._interrupts >= 2):
                return

    def _hear_all(self) -> None:
        """Everything the workers have said; judged as a whole, so that no order matters."""
        reached: list[Reached] = []
        try:
            name, event = self._inbox.get(timeout=TICK_SECONDS)
            while True:
                if name != WAKE:
                    self._hear(name, event, reached)
                name, event = self._inbox.get_nowait()
        except Empty:
            pass
        if self._rule is not None:
            self._judge(self._rule, reached)

    def _hear(self, name: str, event: Event | Gone, reached: list[Reached]) -> None:
        if isinstance(event, Lost):
            self._hear_lost(event.reason)
            return
        worker = self._crew.get(name)
        if worker is None:
            return
        self._silence.heard(name)
        try:
            self._hear_worker(worker, event, reached)
        except NonsenseError as error:  # whatever else it says is worth no more
            worker.handle.kill()
            self._hear_gone(worker, f"ended, for it sent {error}")

    def _hear_worker(self, worker: Worker, event: Event | Gone, reached: list[Reached]) -> None:
        match event:
            case Heartbeat():
                self._note_worker(worker)
            case Ready():
                self._hear_ready(worker, event)
            case Vitals():
                worker.vitals = event
                self._note_worker(worker)
            case WorkerFailed(error="FusedUnavailableError", message=message):
                self._hear_fused_unavailable(worker, message)
            case WorkerFailed(error="DeviceError", message=message):
                worker.failure = message  # its end follows; other devices may do
            case WorkerFailed(error=error, message=message):
                raise getattr(sweep.errors, error, SweepError)(message)
            case Gone(reason=reason, was_left_alone=alone):
                blameless = alone or worker.falls_back  # no trial of its has ended it
                self._hear_gone(worker, worker.failure or reason, was_left_alone=blameless)
            case PopulationHalved():
                self._hear_halved(worker, event)
            case EpochsDone(epochs=epochs):
                for epoch in epochs:
                    self._hear_of_trial(worker, epoch, reached)
            case TrialLookedInto():
                self._hear_look(worker, event)
            case _:
                self._hear_of_trial(worker, event, reached)

    def _hear_of_trial(self, worker: Worker, event: OfTrial, reached: list[Reached]) -> None:
        trial = worker.find(event.number, event.attempt)
        if trial is None:
            self._refuse(worker, event)
            return
        match event:
            case EpochDone():
                check_epoch(trial, event)
                trial.report(event)
                self._book.report(trial)
                reached.append(Reached(worker, trial, event.epoch))
                self._check_trial_time(worker, trial)
            case TrialDone():
                check_result(trial, event)
                self._book.complete(trial, event)
                if event.look_follows:
                    self._looks.begin(worker.name, event)
                self._ended(worker, trial)
            case TrialDiverged():
                self._book.diverge(event.number, event.reason)
                self._ended(worker, trial)
            case TrialFailed():
                self._fail(event.number, event.reason)
                self._ended(worker, trial)
            case TrialLeft():
                self._hear_left(worker, trial, event.epoch)

    def _hear_left(self, worker: Worker, trial: RunningTrial, epoch: int) -> None:
        if trial.exceeds(self._file.budget.max_trial_seconds):
            self._book.time_out(trial.number, epoch)
            self._ended(worker, trial)
        elif trial.is_pruned:
            self._book.prune(trial.number, epoch)
            self._ended(worker, trial)
        else:
            self._put_back(worker, trial)

    def _hear_look(self, worker: Worker, found: TrialLookedInto) -> None:
        if not self._looks.end(worker.name, found):
            self._refuse(worker, found)
        elif found.failure is not None:
            self._book.event(
                "network not looked into", found.failure, number=found.number, worker=worker.name
            )
        else:
            self._book.note_inside(found)

    def _refuse(self, worker: Worker, event: OfTrial | TrialLookedInto) -> None:
        self._book.event(
            "late result refused",
            f"{type(event).__name__} of attempt {event.attempt}, which is not current",
            number=event.number,
            worker=worker.name,
        )

    def _lose_looks(self, name: str, because: str) -> None:
        """What a worker would still have found in networks is not waited for."""
        if numbers := self._looks.lose(name):
            trials = ", ".join(map(str, numbers))
            self._book.event("networks not looked into", f"trials {trials}: {because}", worker=name)

    def _ended(self, worker: Worker, trial: RunningTrial) -> None:
        """A trial is over: the worker's next one is asked for at once."""
        self._book.tell_of_end(trial.spec, worker.name)
        worker.drop(trial)
        worker.n_finished += 1
        self._n_done_here += 1
        self._fill(worker)
        self._note_worker(worker)

    def _put_back(self, worker: Worker, trial: RunningTrial) -> None:
        """Queue a trial again that its worker did not train to its end."""
        self._book.put_back(trial.number)
        worker.drop(trial)

    def _hear_ready(self, worker: Worker, event: Ready) -> None:
        if self._data_sha256 not in (None, event.data_sha256):
            raise DataError(
                f"the data set {self._file.data.name} is not the one this study began with: "
                f"SHA-256 {event.data_sha256[:12]}… instead of {str(self._data_sha256)[:12]}…. "
                "Put the old files back, or start a study of another name."
            )
        if self._data_sha256 is None:
            self._data_sha256 = event.data_sha256
            self._writer.note_data(event.data_sha256, event.originals_png)
        worker.introduce(event)
        if event.fallback_reason is not None:
            self._tell_of_fallback(worker, event.fallback_reason)
        self._book.train_together((event.room.slots or 1) // self._file.study.repeat)
        self._first_ready = self._first_ready or time.monotonic()
        self._note_worker(worker)
        self._fill(worker)

    def _hear_fused_unavailable(self, worker: Worker, reason: str) -> None:
        """The worker ends: its check failed (even after Ready), or CUDA stopped in its process.

        With ``AUTO`` the device gets another worker, with the reference trainer. Raises
        FusedUnavailableError where the fused trainer was asked for by name and trained already: no
        trial is to blame.
        """
        worker.failure = reason
        if self._crew.setup.trainer is not Trainer.AUTO:
            if worker.ready:
                raise FusedUnavailableError(reason)
            self._crew.leave_out(worker.device)
        else:
            worker.failure = "ended, for its device cannot use the fused trainer"
            worker.falls_back = True
            self._crew.fall_back(worker.device, reason)
            self._tell_of_fallback(worker, reason)

    def _tell_of_fallback(self, worker: Worker, reason: str) -> None:
        self._book.event(FALLBACK, f"{_device(worker)}: {reason}", worker=worker.name)
        if reason not in self._fallback_reasons:  # GPUs of a kind fail for one reason
            self._fallback_reasons.add(reason)
            self._warn(
                f"WARNING: {_device(worker)} trains with the reference trainer, one trial at a "
                f"time (`--per-gpu N`: N trials): {reason}"
            )

    def _hear_halved(self, worker: Worker, event: PopulationHalved) -> None:
        before, room = event.before, event.room
        self._book.event(
            "population halved",
            f"from {before.slots:,} slots and {before.rows:,} rows to {room.slots:,} and "
            f"{room.rows:,}; {len(event.put_back):,} trials begin anew: {event.reason}",
            worker=worker.name,
        )
        worker.take_room(room)
        for number, attempt in event.put_back:
            if (trial := worker.find(number, attempt)) is not None:
                self._put_back(worker, trial)
        self._note_worker(worker)
        self._fill(worker)

    def _hear_gone(self, worker: Worker, reason: str, *, was_left_alone: bool = False) -> None:
        self._note_worker(worker, state="gone")
        self._book.event("worker gone", f"{worker.device}: {reason}", worker=worker.name)
        self._lose_looks(worker.name, "their worker is gone")
        for trial in [*worker.trials.values()]:
            # Only a trial in training can have killed its worker.
            if trial.is_placed and trial not in worker.unsent and not was_left_alone:
                self._deaths[trial.number] += 1
            deaths = self._deaths[trial.number]
            if deaths > self._file.workers.retries:
                self._fail(trial.number, f"its worker died {deaths} times, at last: {reason}")
            else:
                self._book.put_back(trial.number)
        may_restart = self._crew.lost(worker, was_left_alone=was_left_alone)
        worker.trials.clear()
        if self._ending is not None or self._verdict is not None:
            return
        if self._is_trained():
            self._idle_devices.append(worker.device)
        elif may_restart:
            self._start_worker(worker.device)
        elif len(self._crew) == 0:
            raise DeviceError(f"no worker comes up on {worker.device}: {reason}")
        else:
            self._book.event("device left out", f"{worker.device}: {reason}")

    def _hear_lost(self, reason: str) -> None:
        """No worker is left: an error, unless the study ends anyway."""
        self._apply_interrupts()  # a signal to end may have been sent to those who were lost, too
        if self._ending is None:
            raise DeviceError(reason)
        for worker in self._crew:
            self._take_back(worker)
            self._lose_looks(worker.name, reason)

    def _end_silent_workers(self) -> None:
        """One that stands still is ended, before it can wake; its trials go to another."""
        for name in self._silence.too_long([worker.name for worker in self._crew]):
            worker = self._crew.get(name)
            assert worker is not None
            worker.handle.kill()
            seconds = self._file.workers.silence_seconds
            # What it sent before may still come, from nobody of the crew.
            self._hear_gone(worker, f"ended after {seconds:.0f} s without a sign of life")

    def _judge(self, rule: PruningRule, reached: list[Reached]) -> None:
        for step in sorted({epoch for _, _, epoch in reached}):
            pruned = rule.decide(self._book.curves.at(step))
            at_step = (one for one in reached if one.epoch == step)
            for worker, trial, _ in sorted(at_step, key=lambda one: one.trial.number):
                number, attempt = trial.number, trial.spec.attempt
                if worker.find(number, attempt) is not trial:
                    continue  # over, or put back meanwhile
                # It acts one epoch later; a trial that has then reached its end is let finish.
                leave = number in pruned and step + 1 < trial.spec.config.epochs
                trial.is_pruned |= leave
                order = Verdict(number=number, attempt=attempt, epoch=step, leave=leave)
                worker.handle.send(order)

    def _fail(self, number: int, reason: str) -> None:
        self._book.fail(number, reason)
        self._check_budget()

    # --- handing out ------------------------------------------------------------------------

    def _fill_all(self) -> None:
        for worker in self._crew:
            self._fill(worker)

    def _fill(self, worker: Worker) -> None:
        self._check_budget()  # after whatever has ended, and before anything is handed out
        n_reused = 0
        while (
            worker.ready
            and self._ending is None
            and self._verdict is None
            and not self._paused
            and n_reused < MOST_REUSED
            and worker.wants_more
            and self._book.has_more
            and not self._book.is_taken_up
            and (not self._outbox.is_away or self._outbox.has_room)
        ):
            spec = self._book.ask(worker.name)
            if spec is None:
                n_reused += 1
                self._check_budget()
                continue
            worker.hand(spec)
            tell(
                "trial handed out",
                f"trial {spec.number} to {worker.name}",
                study=self._book.name,
                trial=spec.number,
                attempt=spec.attempt,
                worker=worker.name,
            )

    def _deliver(self) -> None:
        for worker in self._crew:
            if worker.unsent:
                worker.handle.send(Train(specs=tuple(trial.spec for trial in worker.unsent)))
                worker.unsent.clear()

    def _start_idle(self) -> None:
        """One that asks for more trials, of a study that had none left, finds all devices."""
        if self._book.has_more and self._ending is None and self._verdict is None:
            while self._idle_devices:
                self._start_worker(self._idle_devices.pop(0))

    def _start_worker(self, device: str) -> None:
        self._note_worker(self._crew.start(device))

    # --- commands, budget, ending -----------------------------------------------------------

    def _look_for_commands(self) -> None:
        if time.monotonic() < self._next_look or self._outbox.is_away:
            return
        if self._writer.rows.commands:
            return  # what was applied is not written yet, and would be found again
        self._next_look = time.monotonic() + COMMAND_SECONDS
        try:
            wishes = self._wishes.put()
        except StoreError:
            return  # the next flush will tell
        if wishes is None:
            return
        for command in wishes.commands:
            try:
                outcome = self._apply(command)
            except SweepError as error:
                outcome = f"refused: {error}"
            except (KeyError, TypeError, ValueError) as error:  # not a row that we write
                outcome = f"refused: it cannot be read ({type(error).__name__}: {error})"
            self._writer.rows.commands[command.command_id] = outcome
        if wishes.invalid != self._book.invalid:
            self._book.leave_out(wishes.invalid)

    def _apply(self, command: Command) -> str:
        match command.kind:
            case CommandKind.PAUSE:
                self._paused = True
                self._set_phase("paused")
            case CommandKind.CONTINUE:
                self._paused = False
                self._set_phase("running")
            case CommandKind.STOP:
                self._stopped_again = self._ending is not None
                self._end("stopped", "as asked, by sweep stop")
            case CommandKind.EXTEND:
                self._book.extend(int(command.payload["n_trials"]))
            case CommandKind.ENQUEUE:
                number = self._book.enqueue(command.payload["configuration"])
                return f"applied: trial {number}"
            case other:
                return f"refused: this version of sweep knows no command {other!r}"
        return "applied"

    def _apply_interrupts(self) -> None:
        if self._interrupts >= 2:
            for worker in self._crew:
                worker.handle.kill()
                self._take_back(worker)
        if self._interrupts:
            self._end("interrupted", "Ctrl-C, or a signal to end")

    def _take_back(self, worker: Worker) -> None:
        """What it was handed waits again."""
        for trial in [*worker.trials.values()]:
            self._put_back(worker, trial)

    def _check_budget(self) -> None:
        if self._verdict is not None:
            return
        usage = self._spending.now(may_read=not self._outbox.is_away)
        spent = budget.Spent(
            n_failed=self._book.n_failed,
            trained_out=self._book.trained_out if self._book.has_more else None,
            wall_seconds=usage.wall_seconds,
            gpu_seconds=usage.gpu_seconds,
            best_value=self._book.best_value,
            best_number=self._book.best_number,
            improvement=self._book.improvement.latest,
        )
        self._verdict = budget.verdict(self._file.budget, spent)
        if self._verdict is not None and not self._verdict.lets_finish:
            self._end(self._verdict.phase, self._verdict.reason)

    def _check_trial_time(self, worker: Worker, trial: RunningTrial) -> None:
        # As with pruning: a trial whose next epoch is its last is let finish.
        ends_anyway = trial.epoch + 1 >= trial.spec.config.epochs
        if trial.just_exceeded(self._file.budget.max_trial_seconds) and not ends_anyway:
            worker.handle.send(Leave(number=trial.number, attempt=trial.spec.attempt))

    def _end(self, phase: str, because: str) -> None:
        """Hand out no more, and let what trains leave at the end of its epoch."""
        if self._ending is not None:
            return
        self._ending, self._because = phase, because
        self._looks.bound()
        for worker in self._crew:
            for trial in [*worker.unsent]:
                self._put_back(worker, trial)
            for trial in worker.trials.values():
                worker.handle.send(Leave(number=trial.number, attempt=trial.spec.attempt))

    def _is_over(self) -> bool:
        return self._is_trained() and not self._awaits_looks()

    def _is_trained(self) -> bool:
        """Whether nothing trains, and nothing is to be trained."""
        if any(worker.trials for worker in self._crew):
            return False
        if self._ending is not None or self._verdict is not None:
            return True
        return not (self._book.has_more or self._paused)

    def _awaits_looks(self) -> bool:
        """Whether what is found in networks may still come, now that nothing trains."""
        ends = self._ending is not None
        slow = "the study's end waited" if ends else "nothing was found for"
        for name in self._looks.too_slow():
            self._lose_looks(name, f"{slow} {LOOK_SECONDS:.0f} s")
        return bool(self._looks.awaited) and self._interrupts < 2 and not self._stopped_again

    def _close(self) -> str:
        for name in self._looks.awaited:
            hurry = "interrupted twice" if self._interrupts >= 2 else "stopped again as it ended"
            self._lose_looks(name, hurry)
        phase, because = self._ending or budget.FINISHED, self._because
        if self._ending is None:
            because = self._verdict.reason if self._verdict else self._all_done()
        self._set_phase(phase, because)
        self._book.event("ended", f"{phase}: {because}")
        self._outbox.close(hurry=lambda: self._interrupts >= 2)
        return phase

    def _all_done(self) -> str:
        n, trials = self._book.n_trials, self._file.budget.trials
        of_grid = self._file.sampler.name is Sampler.GRID and (trials is None or n < trials)
        return f"all {n:,} trials are done ({'the whole grid' if of_grid else 'budget.trials'})"

    def _set_phase(self, phase: str, because: str | None = None) -> None:
        self._writer.rows.study.update(phase=phase, ended_because=because)

    # --- writing ----------------------------------------------------------------------------

    def _is_awaited(self) -> bool:
        """Whether somebody waits for what gathers: the user, or a worker that has less left to
        begin with than half of what shall wait in it."""
        return self._ending is not None or any(
            2 * len(worker.unsent) > worker.n_reserve for worker in self._crew
        )

    def _note_worker(self, worker: Worker, state: str | None = None) -> None:
        self._writer.rows.workers[worker.name] = {
            "host": worker.handle.host,
            "pid": worker.handle.pid,
            "device": worker.handle.device,
            "device_name": worker.device_name,
            "driver_version": worker.driver_version,
            "trainer": worker.trainer,
            "fallback_reason": worker.fallback_reason,
            "triton_version": worker.triton_version,
            "ptxas_version": worker.ptxas_version,
            "state": state or self._state_of(worker),
            "n_finished": worker.n_finished,
            "slots": worker.room.slots,
            "rows": worker.room.rows if worker.room.slots else None,
            "n_threads": self._crew.setup.n_threads,
            **(vars(worker.vitals) if worker.vitals else {}),
        }

    def _state_of(self, worker: Worker) -> str:
        looks = not worker.trials and worker.name in self._looks.awaited
        return "looking" if looks else worker.state

    def _tell_of_looks(self) -> None:
        """Once: that all that the study still waits for is what is found in networks."""
        if self._has_told_of_looks or not (self._looks.awaited and self._is_trained()):
            return
        self._has_told_of_looks = True
        trials = ", ".join(map(str, self._looks.numbers))
        self._book.event("looking into networks", f"all is trained; still to come: trials {trials}")
        for worker in self._crew:
            self._note_worker(worker)

    # --- showing ----------------------------------------------------------------------------

    def _progress(self) -> Progress:
        book = self._book
        counts = book.counts()
        n_left = book.n_trials - sum(n for s, n in counts.items() if s.is_finished())
        rate = self._rate()
        ends = self._ending is not None or self._verdict is not None
        return Progress(
            name=self._file.study.name,
            phase=self._phase(),
            n_trials=book.n_trials,
            n_complete=counts[TrialState.COMPLETE],
            n_pruned=counts[TrialState.PRUNED],
            n_failed=book.n_failed,
            n_diverged=book.n_diverged,
            n_running=counts[TrialState.RUNNING],
            best_value=book.best_value,
            best_number=book.best_number,
            trials_per_second=rate,
            seconds_left=n_left / rate if rate and not ends else None,
            workers=tuple(_worker_progress(worker) for worker in self._crew),
            because=self._verdict.reason if self._verdict else None,
            message=self._outbox.message(),
        )

    def _phase(self) -> str:
        if self._looks.awaited and self._is_trained():
            return "looking"
        if self._ending is not None:
            return self._ending
        return "ending" if self._verdict else "paused" if self._paused else "running"

    def _rate(self) -> float | None:
        if self._first_ready is None or not self._n_done_here:
            return None
        return self._n_done_here / (time.monotonic() - self._first_ready)


def _device(worker: Worker) -> str:
    """The device as users know it."""
    named = f" ({worker.device_name})" if worker.device_name else ""
    return "the CPU" if worker.device == "cpu" else f"GPU {worker.device}{named}"


def _worker_progress(worker: Worker) -> WorkerProgress:
    training = worker.training
    first = training[0] if training else None
    return WorkerProgress(
        name=worker.name,
        device=worker.device,
        state=worker.state,
        number=first.number if first else None,
        epoch=first.epoch if first else 0,
        epochs=first.spec.config.epochs if first else 0,
        n_training=len(training),
        busy=worker.vitals.busy if worker.vitals else None,
        n_finished=worker.n_finished,
    )
