"""Render studies for the terminal: ``top``, ``status`` and the progress of ``start``.

The commands differ in the source of a ``StudyView`` (the database, or the coordinator itself) and
in how often it is redrawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.cli import words
from sweep.cli.output import make_table
from sweep.enums import WorkerState

if TYPE_CHECKING:
    from sweep.store.records import EventRow, StudySummary, WorkerRow

_BAR_COLUMNS = 20
#: Characters of an event's message if the height of the terminal is limited.
_LONGEST_MESSAGE = 100


#: Columns of the table of workers: words, then numbers.
_WORDS = ("study", "worker", "state", "device", "trainer", "host")
_NUMBERS = (
    *("pid", "training", "trial", "epoch", "busy", "gpu-util", "memory", "finished", "last seen"),
)


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """A study's contents for the terminal."""

    name: str
    state: str
    #: None for a grid, which determines the number.
    n_trials: int | None
    n_finished: int
    #: Numbers of trials by state or outcome; zeros are not shown.
    counts: Mapping[str, int]
    best_value: float | None
    best_number: int | None
    trials_per_second: float | None
    seconds_left: float | None
    #: Cells by column; empty columns are omitted.
    workers: Sequence[Mapping[str, str]] = ()
    #: Oldest first.
    events: Sequence["EventRow"] = ()
    #: Why no trials are dispatched.
    notice: str | None = None


class StudyCells(NamedTuple):
    """Cells of a table."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: Number of leading columns that are text.
    left: int


def stored_view(
    study: "StudySummary", workers: Sequence[Mapping[str, str]], events: Sequence["EventRow"]
) -> StudyView:
    """Make a study's view from the database."""
    from sweep.findings.progress import seconds_left, study_status, trial_counts

    status = study_status(study)
    return StudyView(
        name=study.name,
        state=status.word,
        n_trials=study.n_trials,
        n_finished=study.n_finished,
        counts=trial_counts(study),
        best_value=study.best_value,
        best_number=study.best_number,
        trials_per_second=study.trials_per_second,
        seconds_left=seconds_left(study),
        workers=workers,
        events=events,
        notice=words.in_terminal(status.detail) if status.lacks_coordinator else None,
    )


def stored_worker(worker: "WorkerRow", *, since_first: bool) -> dict[str, str]:
    """Return the cells of a worker: its last report, or means since its first epoch."""
    used, total = worker.memory_used_bytes, worker.memory_total_bytes
    if since_first:
        busy, utilisation = worker.busy_since_first, worker.utilisation_since_first
        memory = words.memory(used, total)
    else:
        busy, utilisation = worker.busy, worker.utilisation
        memory = words.percent(used / total if used is not None and total else None)
    is_gone = worker.state == WorkerState.GONE  # another worker has its device by now
    return {
        "worker": worker.name,
        "state": worker.state,
        "device": _device(worker),
        "trainer": words.text(worker.trainer),
        "host": worker.host,
        **({"pid": str(worker.pid)} if since_first else {}),
        "training": f"{worker.n_training:,}"
        + ("" if worker.slots is None else f" of {worker.slots:,}"),
        "busy": words.percent(busy),
        "gpu-util": words.NOTHING if is_gone else words.percent(utilisation),
        "memory": words.NOTHING if is_gone else memory,
        "finished": f"{worker.n_finished:,}",
        "last seen": words.moment(worker.seen_at),
    }


def _device(worker: "WorkerRow") -> str:
    named = f"{device(worker.device)} {worker.device_name or ''}".strip()
    if worker.n_threads is None:
        return named
    return f"{named}, {words.count(worker.n_threads, 'thread')}"


def device(index: str) -> str:
    """Return the name of a device: ``cpu``, ``GPU 0``."""
    return index if index == "cpu" else f"GPU {index}"


def render(views: Sequence[StudyView]) -> RenderableType:
    """Draw studies with their workers and events, for a screen that is redrawn repeatedly."""
    names = max((len(view.name) for view in views), default=0)
    states = max((len(view.state) for view in views), default=0)
    parts: list[RenderableType] = []
    for view in views:
        parts += [_heading(view, names, states), Text(words.clean(f"  {outcome(view)}"))]
    for cells in (worker_cells(views), event_cells(views, longest=_LONGEST_MESSAGE)):
        if cells.rows:
            parts += [Text(), make_table(cells.header, cells.rows, left=cells.left)]
    parts += [Text(words.clean(view.notice), style="yellow") for view in views if view.notice]
    return Group(*parts)


def _heading(view: StudyView, names: int, states: int) -> Table:
    total = view.n_trials if view.n_trials is not None else view.n_finished
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(
        Text(words.clean(f"{view.name:<{names}}")),
        Text(f"{view.state:<{states}}"),
        ProgressBar(total=max(total, 1), completed=view.n_finished, width=_BAR_COLUMNS),
        Text(f"{view.n_finished:,} of {words.text(view.n_trials)}"),
        Text(pace(view)),
    )
    return grid


def outcome(view: StudyView) -> str:
    """Format counts of trials and the best of them: ``2 running, best 0.25 (trial 1)``."""
    found = "" if view.best_value is None else f"best {best(view)}"
    return ", ".join(part for part in (tally(view), found) if part)


def tally(view: StudyView) -> str:
    """Format counts of trials: ``2 complete, 1 pruned``."""
    return ", ".join(f"{n:,} {word}" for word, n in view.counts.items() if n)


def best(view: StudyView) -> str:
    """Format value and number of the best trial: ``0.25 (trial 1)``."""
    if view.best_value is None:
        return "none yet"
    return f"{words.number(view.best_value)} (trial {view.best_number})"


def pace(view: StudyView) -> str:
    """Format speed and remaining time: ``2.00 trials/s, 3.0 s left``; empty if unknown."""
    parts = []
    if view.trials_per_second is not None:
        parts.append(f"{words.number(view.trials_per_second, 3)} trials/s")
    if view.seconds_left:
        parts.append(f"{words.seconds(view.seconds_left)} left")
    return ", ".join(parts)


def worker_cells(views: Sequence[StudyView]) -> StudyCells:
    """Return the cells of all workers, with the columns that any of them has."""
    named = len(views) > 1
    workers = [
        {**({"study": view.name} if named else {}), **worker}
        for view in views
        for worker in view.workers
    ]
    header = [name for name in (*_WORDS, *_NUMBERS) if any(name in of for of in workers)]
    rows = [[of.get(name, words.NOTHING) for name in header] for of in workers]
    return StudyCells(header, rows, left=sum(name in _WORDS for name in header))


def event_cells(views: Sequence[StudyView], *, longest: int | None = None) -> StudyCells:
    """Return the cells of all events, oldest first; messages cut to ``longest`` characters."""
    events = sorted(
        ((view.name, event) for view in views for event in view.events),
        key=lambda pair: pair[1].at,
    )
    several = len(views) > 1
    rows = [
        (
            words.moment(event.at),
            *([name] if several else []),
            event.kind,
            words.text(event.number),
            event.worker or words.NOTHING,
            words.shortened(message := words.unrolled(event.message), longest or len(message)),
        )
        for name, event in events
    ]
    header = ("when", *(["study"] if several else []), "event", "trial", "worker", "what")
    return StudyCells(header, rows, len(header))
