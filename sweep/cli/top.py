"""top: everything that runs, full-screen in the terminal."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.cli import words
from sweep.cli.options import Storage
from sweep.cli.output import make_table
from sweep.cli.records import study_state
from sweep.errors import NotFoundError, StoreError, UsageError

if TYPE_CHECKING:
    from sweep.store.engine import Engine
    from sweep.store.records import EventRow, StudySummary, WorkerRow

_SECONDS = 1.0
_N_EVENTS = 6
_BAR_COLUMNS = 20


def top(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One study; else all that run.")
    ] = None,
    storage: Storage = None,
) -> None:
    """Watch studies and their workers, full-screen, until Ctrl-C.

    It reads the database once a second, so it shows studies that other hosts run too.
    """
    from sweep.store import read
    from sweep.store.migrate import open_store

    engine = open_store(storage)
    if name is not None:
        read.revision(engine, name)  # raises NotFoundError with the names that come near
    if not sys.stdout.isatty():
        raise UsageError("top needs a terminal. `sweep list` and `sweep status NAME` print once.")
    console = Console(markup=False, highlight=False, emoji=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_now(engine, name), refresh=True)
            time.sleep(_SECONDS)


def _now(engine: "Engine", name: str | None) -> RenderableType:
    try:
        return picture(engine, name)
    except (StoreError, NotFoundError) as error:  # away, or deleted: it may come back
        return Text(words.clean(f"{error} Trying again …"), style="yellow")


def picture(engine: "Engine", name: str | None = None) -> RenderableType:
    """The screen as of now: studies that run (or the one named), workers, what happened lately."""
    from sweep.store import read

    if name is not None:
        shown = [read.study(engine, name)]
    else:
        shown = [study for study in read.studies(engine) if study.running]
    if not shown:
        return Text("No study runs now. `sweep list` shows all of them; Ctrl-C leaves.")
    workers = [
        (study, worker)
        for study in shown
        if study.running
        for worker in read.workers(engine, study.name)
        if worker.state != "gone"
    ]
    events = [
        (study, event)
        for study in shown
        for event in read.events(engine, study.name, newest=_N_EVENTS)
    ]
    lately = sorted(events, key=lambda pair: pair[1].at)[-_N_EVENTS:]
    parts: list[RenderableType] = [_studies(shown)]
    if workers:
        parts += [Text(), make_table(_WORKERS, [_worker_cells(*pair) for pair in workers], left=5)]
    if lately:
        parts += [Text(), make_table(_EVENTS, [_event_cells(*pair) for pair in lately], left=5)]
    return Group(*parts)


def _studies(studies: Sequence["StudySummary"]) -> Table:
    table = make_table((), ())
    for header in ("study", "state", "", "trials"):
        table.add_column(header)
    for header in ("running", "failed", "best", "trial", "trials/s", "left"):
        table.add_column(header, justify="right")
    for study in studies:
        table.add_row(*_study_cells(study))
    return table


def _study_cells(study: "StudySummary") -> Sequence[RenderableType]:
    wanted, done = study.n_trials, study.n_finished
    rate = study.trials_per_second
    left = (wanted - done) / rate if wanted is not None and rate and study.running else None
    cells = (
        f"{done:,} of {words.text(wanted)}",
        f"{study.counts['RUNNING']:,}",
        f"{study.n_failed:,}",
        words.number(study.best_value),
        words.text(study.best_number),
        words.number(rate, 3),
        words.seconds(left),
    )
    bar = ProgressBar(total=max(wanted or done, 1), completed=done, width=_BAR_COLUMNS)
    named = (words.clean(study.name), study_state(study))
    return (*map(Text, named), bar, *map(Text, cells))


_WORKERS = (
    *("study", "worker", "state", "device", "host"),
    *("training", "busy", "gpu-util", "memory", "finished", "heard"),
)


def _worker_cells(study: "StudySummary", worker: "WorkerRow") -> Sequence[str]:
    used, total = worker.memory_used_bytes, worker.memory_total_bytes
    return (
        study.name,
        worker.name,
        worker.state,
        f"{worker.device} {worker.device_name or ''}".strip(),
        worker.host,
        f"{worker.n_training:,}" + ("" if worker.slots is None else f" of {worker.slots:,}"),
        words.percent(worker.busy),
        words.percent(worker.utilisation),
        words.NOTHING if used is None or not total else words.percent(used / total),
        f"{worker.n_finished:,}",
        f"{worker.seen_at.astimezone():%H:%M:%S}",
    )


_EVENTS = ("when", "study", "event", "worker", "what")


def _event_cells(study: "StudySummary", event: "EventRow") -> Sequence[str]:
    about = "" if event.number is None else f"trial {event.number}: "
    said = words.shortened(words.unrolled(event.message), 100)
    return (
        f"{event.at.astimezone():%H:%M:%S}",
        study.name,
        event.kind,
        event.worker or words.NOTHING,
        about + said,
    )
