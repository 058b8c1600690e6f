"""Run the coordinator's loop. A tick handles messages, decides, writes once, then sends orders.

Rows are written before the orders that depend on them are sent, so a running trial has a row; while
the database is away, orders are sent first, up to the limit of pending rows. Each ask follows its
tells in order, regardless of how messages are grouped into ticks: with one worker, a seed
determines the whole study.
"""

from collections.abc import Callable
from queue import Empty
from shlex import quote

from optuna.trial import TrialState

from sweep.coordinator.analysis import ANALYSIS, AnalysisJob
from sweep.coordinator.buffered_writer import BufferedWriter
from sweep.coordinator.dispatch import Dispatcher
from sweep.coordinator.ending import StudyEnd
from sweep.coordinator.handlers import MessageHandler
from sweep.coordinator.progress import Observer, Progress, WorkerProgress
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.user_requests import CommandHandler, UserRequests
from sweep.coordinator.worker_pool import Worker, WorkerPool
from sweep.enums import EventKind, StudyPhase, WorkerState
from sweep.launch.launcher import Gone, Inbox, WorkerHandle
from sweep.search.pruning import PruningRule
from sweep.store.usage import Usage
from sweep.store.writer import StudyWriter
from sweep.studyfile import StudyFile

TICK_SECONDS = 0.25

#: Sender of a message that a signal handler puts into the inbox to wake the loop.
WAKE = ""


class Coordinator:
    """Coordinator that runs one study to its end or interruption."""

    def __init__(
        self,
        *,
        study_file: StudyFile,
        study_state: StudyState,
        writer: StudyWriter,
        pool: WorkerPool,
        start_analysis: Callable[[str], WorkerHandle] | None,
        n_cores: int,
        inbox: Inbox,
        devices: list[str],
        rule: PruningRule | None,
        requests: Callable[[], UserRequests],
        usage: Callable[[], Usage] | None,
        data_sha256: str | None,
        observer: Observer,
        warn: Callable[[str], None],
    ) -> None:
        self._study_state = study_state
        self._pool = pool
        self._inbox = inbox
        self._observer = observer
        self._warn = warn
        self._buffered_writer = BufferedWriter(
            writer, max_away_seconds=study_file.budget.max_away_seconds
        )
        self._end = StudyEnd(study_file, study_state, pool, self._buffered_writer, usage)
        self._dispatcher = Dispatcher(
            study_state=study_state,
            writer=writer,
            buffered_writer=self._buffered_writer,
            pool=pool,
            end=self._end,
            devices=devices,
        )
        self._analysis = AnalysisJob(
            study_state=study_state, writer=writer, setup=pool.setup, start=start_analysis
        )
        self._n_cores = n_cores
        #: Whether the study waits for nothing but analyses.
        self._only_analyses = False
        self._messages = MessageHandler(
            study_file=study_file,
            study_state=study_state,
            writer=writer,
            pool=pool,
            end=self._end,
            dispatcher=self._dispatcher,
            rule=rule,
            data_sha256=data_sha256,
            warn=warn,
        )
        self._commands = CommandHandler(
            requests,
            study_state=study_state,
            writer=writer,
            buffered_writer=self._buffered_writer,
            end=self._end,
            dispatcher=self._dispatcher,
        )

    def interrupt(self) -> None:
        """Stop at the end of the epoch; on a second call, stop now. Safe in a signal handler."""
        self._end.n_interrupts += 1
        self._inbox.put((WAKE, Gone(reason="interrupted")))

    def run(self) -> StudyPhase:
        """Run the study to its end; return its last phase.

        Raises a SweepError when it cannot continue; `sweep resume` then continues from what was
        written.
        """
        self._study_state.source.enqueue_first_configurations()
        self._study_state.set_phase(StudyPhase.RUNNING)
        self._commands.apply_new()  # waiting configurations come before new ones
        self._end.check_budget()
        try:
            self._dispatcher.start_idle()
            self._loop()
        except BaseException:
            self._give_up()
            raise
        self._analysis.stop()
        self._dispatcher.release_workers()
        return self._close()

    def _loop(self) -> None:
        while True:
            self._handle_messages()
            self._messages.end_silent_workers()
            self._analysis.end_stalled()
            self._commands.apply_new()
            self._end.apply_interrupts()
            self._end.check_budget()
            self._dispatcher.start_idle()
            self._dispatcher.fill_all()
            is_awaited = self._dispatcher.is_awaited or self._dispatcher.is_idle
            landed = self._buffered_writer.flush(at_once=is_awaited)
            if landed or (self._buffered_writer.is_away and self._buffered_writer.has_room):
                self._dispatcher.send()
            self._analyse(landed)
            self._observer(self._progress())
            landed = self._buffered_writer.is_empty or self._end.is_hurried
            if self._dispatcher.is_idle and landed and not self._only_analyses:
                return

    def _handle_messages(self) -> None:
        """Handle all messages that have arrived, then let the pruner decide."""
        try:
            name, event = self._inbox.get(timeout=TICK_SECONDS)
            while True:
                if name.startswith(ANALYSIS):
                    self._analysis.handle(name, event)
                elif name != WAKE:
                    self._messages.handle(name, event)
                name, event = self._inbox.get_nowait()
        except Empty:
            pass
        self._messages.judge()

    def _analyse(self, landed: bool) -> None:
        """Let networks be analysed on the cores that training leaves, and on all cores at the end.

        A study that was told to end does not wait for it.
        """
        is_over = self._dispatcher.is_idle and self._analysis.n_left > 0
        if self._end.has_begun or not is_over:
            if self._only_analyses and not self._dispatcher.is_idle:  # there is more to train
                self._study_state.set_phase(self._active_phase)
            self._only_analyses = False
        elif landed and not self._only_analyses:  # all results are written
            self._only_analyses = True
            self._study_state.set_phase(StudyPhase.ANALYSING)
            self._dispatcher.release_workers()
            n_left = self._analysis.n_left
            message = (
                f"training is complete; {n_left} network{'s' * (n_left > 1)} still to be analysed"
            )
            self._study_state.events.add(EventKind.ANALYSING, message)
        if self._only_analyses:
            self._analysis.advance(self._n_cores)
        elif self._end.has_begun:
            return
        elif self._n_free_cores > 0:
            self._analysis.advance(1)
        elif not self._study_state.source.has_more:
            self._analysis.start_process()

    @property
    def _n_free_cores(self) -> int:
        """Number of this host's cores that no training uses."""
        n_threads = self._pool.setup.n_threads
        if n_threads is None:  # a GPU worker uses one core, and the coordinator another
            return self._n_cores - len(self._pool) - 1
        return self._n_cores - n_threads * self._dispatcher.n_busy

    def _give_up(self) -> None:
        """Kill all workers after an error, and requeue their trials."""
        self._analysis.stop()
        for worker in self._pool:
            self._dispatcher.note_worker(worker, state=WorkerState.GONE)
            self._end.take_back(worker)
        self._pool.kill()

    def _close(self) -> StudyPhase:
        phase, reason = self._end.outcome()
        self._study_state.note_end(phase, reason)
        self._buffered_writer.close(hurry=lambda: self._end.is_hurried)
        if n := self._analysis.n_not_analysed:
            networks = "1 network is" if n == 1 else f"{n} networks are"
            command = f"sweep analyse {quote(self._study_state.name)}"
            self._warn(f"{networks} not analysed yet: run `{command}`.")
        return phase

    def _progress(self) -> Progress:
        study_state, end = self._study_state, self._end
        counts = study_state.counts
        n_trials = study_state.source.n_trials
        n_left = n_trials - sum(n for s, n in counts.items() if s.is_finished())
        rate = self._messages.trials_per_second
        return Progress(
            name=study_state.name,
            phase=self._phase(),
            n_trials=n_trials,
            n_complete=counts[TrialState.COMPLETE],
            n_pruned=counts[TrialState.PRUNED],
            n_failed=study_state.n_failed,
            n_diverged=study_state.n_diverged,
            n_running=counts[TrialState.RUNNING],
            best_value=study_state.best.value,
            best_number=study_state.best.number,
            trials_per_second=rate,
            seconds_left=n_left / rate if rate and end.hands_out else None,
            workers=tuple(_worker_progress(worker) for worker in self._pool),
            because=end.verdict.reason if end.verdict else None,
            message=self._buffered_writer.message(),
            n_analysed=self._analysis.n_done,
            n_to_analyse=self._analysis.n_done + self._analysis.n_left,
        )

    def _phase(self) -> StudyPhase:
        if self._only_analyses:
            return StudyPhase.ANALYSING
        if self._end.phase is not None:
            return self._end.phase
        if self._end.verdict is not None:
            return StudyPhase.ENDING
        return self._active_phase

    @property
    def _active_phase(self) -> StudyPhase:
        return StudyPhase.PAUSED if self._dispatcher.is_paused else StudyPhase.RUNNING


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
        n_training=worker.n_training,
        busy=worker.stats.busy if worker.stats else None,
        n_finished=worker.n_finished,
    )
