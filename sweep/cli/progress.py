"""Show a running study's progress on stderr.

It is a live display in a terminal, one rewritten line below a notebook's cell, else a line every
few seconds.
"""

import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shlex import quote

from rich.console import Console
from rich.live import Live

from sweep.catalogue import formats
from sweep.cli import words
from sweep.cli.output import say
from sweep.cli.study_view import StudyView, outcome, pace, render
from sweep.coordinator.progress import Observer, Progress, WorkerProgress
from sweep.enums import StudyPhase
from sweep.findings.tables import Cell, FindingTable, TableColumn

#: Interval between plain lines, unless there is a new best.
PLAIN_SECONDS = 5.0
_REFRESHES_A_SECOND = 4


@contextmanager
def progress() -> Iterator[Observer]:
    """Show a coordinator's progress while the block runs; yields the observer to give it."""
    if _is_below_a_cell():
        with _moving_line() as observe:
            yield observe
    elif sys.stderr.isatty():
        with _live() as observe:
            yield observe
    else:
        yield PlainLines()


def _is_below_a_cell() -> bool:
    """Return whether a notebook's cell shows stderr: ``!sweep start``, or a subprocess of a kernel.

    IPython gives ``!`` commands a terminal, whose output JupyterLab appends: it supports a carriage
    return, but not the cursor movements of a live display. A kernel has its parent's process id in
    the environment; commands in a JupyterLab terminal do not.
    """
    if "JPY_PARENT_PID" not in os.environ:
        return False
    try:
        mode = os.fstat(sys.stderr.fileno()).st_mode
    except (OSError, ValueError):  # captured by a test or a script
        return False
    return not stat.S_ISREG(mode)


@contextmanager
def _moving_line() -> Iterator[Observer]:
    shown = MovingLine()
    try:
        yield shown
    finally:
        shown.end()


@contextmanager
def _live() -> Iterator[Observer]:
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    with Live(
        console=console, refresh_per_second=_REFRESHES_A_SECOND, redirect_stdout=False
    ) as live:
        yield lambda state: live.update(render([view_of(state)]))


def view_of(state: Progress) -> StudyView:
    """Make a study's view from its coordinator's state."""
    n_training = sum(worker.n_training for worker in state.workers)
    return StudyView(
        name=state.name,
        state=state.phase,
        n_trials=state.n_trials,
        n_finished=state.n_finished,
        counts={
            "in training": n_training,
            # Dispatched early, so that the worker need not wait.
            "queued by workers": state.n_running - n_training,
            "pruned": state.n_pruned,
            "failed": state.n_failed,
            "diverged": state.n_diverged,
        },
        best_value=state.best_value,
        best_number=state.best_number,
        trials_per_second=state.trials_per_second,
        seconds_left=state.seconds_left,
        tables=[FindingTable(title="Workers", columns=_COLUMNS, rows=[*map(_row, state.workers)])],
        notice=state.message or _notice_of_phase(state),
    )


_COLUMNS = (
    *(TableColumn(of.lower(), of) for of in ("Worker", "State", "Device")),
    *(
        TableColumn(of.lower(), of, is_number=True)
        for of in ("In training", "Trial", "Epoch", "Busy", "Finished")
    ),
)


def _row(worker: WorkerProgress) -> Sequence[Cell]:
    trains, is_one = worker.number is not None, worker.n_training <= 1
    return (
        Cell(worker.name),
        Cell(worker.state),
        Cell(formats.device(worker.device)),
        Cell(f"{worker.n_training:,}"),
        Cell(words.text(worker.number if is_one else None)),
        Cell(f"{worker.epoch}/{worker.epochs}" if trains else words.NOTHING),
        Cell(words.percent(worker.busy)),
        Cell(f"{worker.n_finished:,}"),
    )


class MovingLine:
    """Observer that rewrites one line; lasting messages get their own lines."""

    def __init__(self) -> None:
        self._shown = ""
        self._notice: str | None = None

    def __call__(self, state: Progress) -> None:
        """Rewrite the line; a new notice gets its own line."""
        notice = state.message or _notice_of_phase(state)
        if notice != self._notice:
            self._notice = notice
            if notice:
                self.end()
                say(notice)
        text = words.clean(f"{state.name}: {line(state)}")
        if text != self._shown:
            # Spaces overwrite the rest of a longer line.
            sys.stderr.write(f"\r{text:<{len(self._shown)}}")
            sys.stderr.flush()
            self._shown = text

    def end(self) -> None:
        """End the line, so that further output starts on a new one."""
        if self._shown:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._shown = ""


class PlainLines:
    """Observer that prints a line every few seconds, and at each new best."""

    def __init__(self) -> None:
        self._next = 0.0
        self._best: float | None = None
        self._phase = ""
        self._away = False

    def __call__(self, state: Progress) -> None:
        """Print a line after news, or else every ``PLAIN_SECONDS``."""
        now = time.monotonic()
        if self._away and state.message is None:
            say("the database is back.")
        ended = state.phase != self._phase
        changed = ended or state.best_value != self._best or self._away != bool(state.message)
        if not changed and now < self._next:
            return
        self._best, self._phase, self._away = state.best_value, state.phase, bool(state.message)
        self._next = now + PLAIN_SECONDS
        if notice := state.message or (_notice_of_phase(state) if ended else None):
            say(notice)
        say(f"{state.name}: {line(state)}")


def line(state: Progress) -> str:
    """Format the study's present state as one line."""
    done = f"{state.n_finished:,}/{state.n_trials:,} trials"
    view = view_of(state)
    analysing = _describe_analysing(state) if state.phase == StudyPhase.ANALYSING else ""
    parts = (done, outcome(view), pace(view), _describe_training(state), analysing)
    return ", ".join(part for part in parts if part)


def _describe_training(state: Progress) -> str:
    """Describe the progress of a single worker: what changes while a long trial trains."""
    if len(state.workers) != 1 or state.workers[0].n_training != 1:
        return ""
    worker = state.workers[0]
    return f"trial {worker.number} at epoch {worker.epoch}/{worker.epochs}"


def _describe_analysing(state: Progress) -> str:
    return f"analysing networks: {state.n_analysed} of {state.n_to_analyse}"


def _notice_of_phase(state: Progress) -> str | None:
    if state.phase == StudyPhase.ANALYSING:
        return (
            f"training is complete; {_describe_analysing(state)}; after Ctrl-C `sweep analyse "
            f"{quote(state.name)}` continues"
        )
    if state.phase == StudyPhase.ENDING:
        others = "; running trials continue to their end" if state.n_running else ""
        return f"no more trials begin{others}: {state.because}"
    return _NOTICES.get(state.phase)


_NOTICES = {
    StudyPhase.PAUSED: "paused: running trials finish; `sweep resume` starts more",
    StudyPhase.STOPPED: "stopping: running trials stop at the end of their epoch",
    StudyPhase.INTERRUPTED: (
        "interrupted: finishing the epoch; Ctrl-C again stops now, without losing results"
    ),
    StudyPhase.OUT_OF_TIME: "out of time: running trials stop at the end of their epoch",
    StudyPhase.FAILED: "too many trials failed: ending",
}
