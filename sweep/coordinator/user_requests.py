"""Apply users' requests to a running study: commands and invalid marks in the database."""

import time
from collections.abc import Callable
from typing import NamedTuple

from sweep.coordinator.background_query import BackgroundQuery
from sweep.coordinator.buffered_writer import BufferedWriter
from sweep.coordinator.dispatch import Dispatcher
from sweep.coordinator.ending import StudyEnd
from sweep.coordinator.study_state import StudyState
from sweep.enums import CommandKind, EventKind, StudyPhase
from sweep.errors import StoreError, SweepError
from sweep.store.commands import Command
from sweep.store.study import InvalidTrials
from sweep.store.writer import StudyWriter

COMMAND_SECONDS = 0.5


class UserRequests(NamedTuple):
    """Rows that users have written for the coordinator to read."""

    commands: list[Command]
    invalid: InvalidTrials


class CommandHandler:
    """Reads commands and invalid marks twice a second, and applies them."""

    def __init__(
        self,
        read: Callable[[], UserRequests],
        *,
        study_state: StudyState,
        writer: StudyWriter,
        buffered_writer: BufferedWriter,
        end: StudyEnd,
        dispatcher: Dispatcher,
    ) -> None:
        self._requests = BackgroundQuery(read)
        self._study_state = study_state
        self._writer = writer
        self._buffered_writer = buffered_writer
        self._end = end
        self._dispatcher = dispatcher
        #: Problems of marks that were reported already.
        self._unreadable_marks: set[str] = set()
        self._next_read = 0.0

    def apply_new(self) -> None:
        """Apply new requests, at most twice a second."""
        if time.monotonic() < self._next_read or self._buffered_writer.is_away:
            return
        if self._writer.rows.commands:
            return  # applied commands are not written yet, and would be read again
        self._next_read = time.monotonic() + COMMAND_SECONDS
        try:
            requests = self._requests.poll()
        except StoreError:
            return  # the next flush reports it
        if requests is None:
            return
        for command in requests.commands:
            self._writer.rows.commands[command.command_id] = self._outcome(command)
        self._apply_marks(requests.invalid)

    def _apply_marks(self, marks: InvalidTrials) -> None:
        for problem in marks.problems:
            if problem not in self._unreadable_marks:
                self._unreadable_marks.add(problem)
                self._study_state.events.add(
                    EventKind.MARK_REFUSED, f"it cannot be read ({problem})"
                )
        if marks.numbers != self._study_state.best.invalid:
            self._study_state.leave_out(marks.numbers)

    def _outcome(self, command: Command) -> str:
        if command.problem is not None:
            return f"refused: it cannot be read ({command.problem})"
        try:
            return self._apply(command)
        except SweepError as error:
            return f"refused: {error}"
        except (KeyError, TypeError, ValueError) as error:  # not a row that we write
            return f"refused: it cannot be read ({type(error).__name__}: {error})"

    def _apply(self, command: Command) -> str:
        match command.kind:
            case CommandKind.PAUSE:
                self._dispatcher.is_paused = True
                self._study_state.set_phase(StudyPhase.PAUSED)
            case CommandKind.CONTINUE:
                self._dispatcher.is_paused = False
                self._study_state.set_phase(StudyPhase.RUNNING)
            case CommandKind.STOP:
                self._end.begin(StudyPhase.STOPPED, "by sweep stop")
            case CommandKind.EXTEND:
                self._study_state.source.extend(int(command.payload["n_trials"]))
            case CommandKind.ENQUEUE:
                number = self._study_state.source.enqueue(command.payload["configuration"])
                return f"applied: trial {number}"
            case other:
                return f"refused: this version of sweep has no command {other!r}"
        return "applied"
