"""Analyse kept networks in a separate process of the coordinator.

Training never waits for it: the process loads torch while the last trials train, receives one
network at a time while cores are free, and the rest when nothing trains any more. Nothing is lost
with the process or the coordinator, because the weights are kept until their network is analysed;
see ``store.kept_weights``.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from sweep.coordinator.heartbeat_monitor import HeartbeatMonitor
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.trial_results import add_analysis
from sweep.enums import EventKind
from sweep.errors import DeviceError
from sweep.launch.launcher import Gone, WorkerHandle
from sweep.messages import (
    AnalyseNetwork,
    Event,
    NetworkAnalysed,
    WorkerFailed,
    WorkerSetup,
)
from sweep.store.kept_weights import NOT_FINITE, KeptWeights
from sweep.store.writer import StudyWriter

#: Prefix of the names of its processes; workers are named w0, w1, …
ANALYSIS = "analysis"
#: Time limit of one network, for a process that does send heartbeats. The widest takes minutes,
#: more on busy cores.
LIMIT_SECONDS = 3_600.0
#: A network whose analysis has killed its process this often is left to `sweep analyse`.
MOST_DEATHS = 2
#: After this many deaths in a row no further process is started.
MOST_STARTS = 3


class AnalysisJob:
    """Analyses the networks that are due, one after another."""

    def __init__(
        self,
        *,
        study_state: StudyState,
        writer: StudyWriter,
        setup: WorkerSetup,
        start: Callable[[str], WorkerHandle] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``start`` starts a process of this name; without it nothing is analysed."""
        self._study_state = study_state
        self._events = study_state.events
        self._writer = writer
        self._setup = setup
        self._start = start
        #: Those that the next process need not compute.
        self._baselines = list(study_state.probe_baselines)
        self._silence = HeartbeatMonitor(setup.silence_seconds or math.inf, clock)
        #: Counts from the moment a network is sent.
        self._slowness = HeartbeatMonitor(LIMIT_SECONDS, clock)
        self._process: WorkerHandle | None = None
        self._n_started = 0
        self._current: KeptWeights | None = None
        #: Numbers of networks that are not retried in this run.
        self._left_out: set[int] = set()
        self._deaths = Counter[int]()
        self._n_deaths_in_a_row = 0
        #: Networks completed in this run.
        self.n_done = 0

    @property
    def n_left(self) -> int:
        """Number of networks that are still to be analysed in this run."""
        return len(self._due())

    @property
    def n_not_analysed(self) -> int:
        """Number of networks that `sweep analyse` or another run has to analyse."""
        return 0 if self._start is None else len(self._study_state.weights.due)

    def _due(self) -> list[KeptWeights]:
        if self._start is None or self._n_deaths_in_a_row >= MOST_STARTS:
            return []
        due = self._study_state.weights.due
        return [one for one in due if one.number not in self._left_out]

    def advance(self, n_threads: int) -> None:
        """Send the process the next network, unless it is busy; start it if needed."""
        due = self._due()
        if self._current is not None or not due:
            return
        self.start_process()
        if self._process is None:
            return
        self._current = due[0]
        self._slowness.record(self._process.name)
        path = self._study_state.weights.folder / self._current.artifact_id
        self._process.send(
            AnalyseNetwork(number=self._current.number, weights=str(path), n_threads=n_threads)
        )

    def start_process(self) -> None:
        """Start the process, which takes seconds to load, unless it runs or has nothing to do."""
        if self._process is not None or self._start is None or not self._due():
            return
        try:
            self._process = self._start(f"{ANALYSIS}-{self._n_started}")
        except DeviceError as error:
            self._handle_gone(str(error))
            return
        self._n_started += 1
        self._process.send(replace(self._setup, baselines=tuple(self._baselines)))

    def end_stalled(self) -> None:
        """Kill a process that is silent during an analysis, or takes too long for it.

        Call it at least once a second. As for workers, only time in which the coordinator listened
        counts.
        """
        process = None if self._current is None else self._process
        names = [] if process is None else [process.name]
        is_silent = self._silence.find_silent(names)
        is_slow = self._slowness.find_silent(names)
        if process is None or not (is_silent or is_slow):
            return
        process.kill()
        if is_silent:
            seconds = self._setup.silence_seconds
            self._handle_gone(f"killed: no heartbeat for {seconds:.0f} s")
        else:
            self._handle_gone(f"killed: it took more than {LIMIT_SECONDS:.0f} s")

    def handle(self, name: str, event: Event | Gone) -> None:
        """Handle a message of a process of this name."""
        if self._process is None or self._process.name != name:
            return  # no longer expected
        self._silence.record(name)
        match event:
            case NetworkAnalysed():
                self._handle_analysed(event)
            case WorkerFailed(message=message):  # it exits, and another would fail again
                self._process = self._current = None
                self._n_deaths_in_a_row = MOST_STARTS
                self._note_failure(message)
            case Gone(reason=reason):
                self._handle_gone(reason)
            case _:  # a heartbeat
                pass

    def _handle_analysed(self, event: NetworkAnalysed) -> None:
        self._current = None
        self._n_deaths_in_a_row = 0
        self.n_done += 1
        analysis = event.analysis
        if analysis is None:
            self._leave_out(event.number, event.failure or "no reason given")
            return
        if analysis.is_empty:
            self._events.add(EventKind.CODE_NOT_FINITE, NOT_FINITE, number=event.number)
        self._baselines += analysis.baselines
        add_analysis(self._writer.rows, event.number, analysis)
        self._study_state.weights.mark_analysed(event.number)

    def _handle_gone(self, reason: str) -> None:
        self._process = None
        self._n_deaths_in_a_row += 1
        current, self._current = self._current, None
        if current is None:
            self._note_failure(reason)
            return
        self._deaths[current.number] += 1
        self._note_failure(reason, current.number)
        if self._deaths[current.number] >= MOST_DEATHS:
            self._left_out.add(current.number)

    def _leave_out(self, number: int, reason: str) -> None:
        if any(one.number == number for one in self._due()):  # else its file was dropped
            self._left_out.add(number)
            self._note_failure(reason, number)

    def _note_failure(self, reason: str, number: int | None = None) -> None:
        self._events.add(EventKind.NOT_ANALYSED, reason, number=number)

    def stop(self) -> None:
        """End the process; what it has not finished is done later."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(1.0)
            self._process = None
