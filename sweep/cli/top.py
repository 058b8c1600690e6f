"""Command top: all running studies, full-screen in the terminal."""

import sys
import time
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from sweep.cli import words
from sweep.cli.options import Storage
from sweep.cli.study_view import StudyView, render, stored_view
from sweep.enums import WorkerState
from sweep.errors import NotFoundError, StoreError, UsageError
from sweep.findings.activity import event_table, worker_table
from sweep.store.handle import DatabaseHandle, StudyHandle
from sweep.store.migrate import open_store
from sweep.store.records import StudySummary

_SECONDS = 1.0
_N_EVENTS = 6
_LONGEST_MESSAGE = 100


def top(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One study; by default all running ones.")
    ] = None,
    storage: Storage = None,
) -> None:
    """Watch studies and their workers, full-screen, until Ctrl-C.

    It reads the database once a second, so it also shows studies that run on other hosts.
    """
    database = DatabaseHandle(open_store(storage))
    if name is not None:
        database.study(name)  # raises NotFoundError that suggests similar names
    if not sys.stdout.isatty():
        raise UsageError("top needs a terminal. `sweep list` and `sweep status NAME` print once.")
    console = Console(markup=False, highlight=False, emoji=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_now(database, name), refresh=True)
            time.sleep(_SECONDS)


def _now(database: DatabaseHandle, name: str | None) -> RenderableType:
    try:
        return picture(database, name)
    except (StoreError, NotFoundError) as error:  # unavailable, or deleted: it may come back
        return Text(words.clean(f"{error} Trying again …"), style="yellow")


def picture(database: DatabaseHandle, name: str | None = None) -> RenderableType:
    """Draw the running studies (or the named one), their workers and their latest events."""
    if name is not None:
        study = database.study(name)
        return render([_view(study, study.summary())])
    shown = [summary for summary in database.studies() if summary.running]
    if not shown:
        return Text("No study is running now. `sweep list` shows all of them; Ctrl-C leaves.")
    return render([_view(database.study(summary.name), summary) for summary in shown])


def _view(study: StudyHandle, summary: StudySummary) -> StudyView:
    workers = study.workers() if summary.running else []
    alive = [of for of in workers if of.state != WorkerState.GONE]
    events = [
        replace(of, message=words.shorten(words.unroll(of.message), _LONGEST_MESSAGE))
        for of in study.events(newest=_N_EVENTS)
    ]
    return stored_view(summary, [worker_table(alive, running=True), event_table(events)])
