"""Render studies for the terminal: ``top``, ``status`` and the progress of ``start``.

The commands differ in the source of a ``StudyView`` (the database, or the coordinator itself) and
in how often it is redrawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.cli import words
from sweep.cli.output import make_table
from sweep.findings.progress import seconds_left, study_status, tally, trial_counts
from sweep.findings.tables import FindingTable

if TYPE_CHECKING:
    from sweep.store.records import StudySummary

_BAR_COLUMNS = 20


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
    #: Tables of workers and events; those without a row are left out.
    tables: Sequence[FindingTable] = ()
    #: Why no trials are dispatched.
    notice: str | None = None


def stored_view(study: "StudySummary", tables: Sequence[FindingTable] = ()) -> StudyView:
    """Make a study's view from the database."""
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
        tables=tables,
        notice=words.in_terminal(status.detail) if status.lacks_coordinator else None,
    )


def render(views: Sequence[StudyView]) -> RenderableType:
    """Draw studies with their workers and events, for a screen that is redrawn repeatedly."""
    names = max((len(view.name) for view in views), default=0)
    states = max((len(view.state) for view in views), default=0)
    parts: list[RenderableType] = []
    for view in views:
        parts += [_lay_out_heading(view, names, states), Text(words.clean(f"  {outcome(view)}"))]
        for table in filter(None, view.tables):
            parts += [Text(), make_table(table)]
        if view.notice:
            parts.append(Text(words.clean(view.notice), style="yellow"))
    return Group(*parts)


def _lay_out_heading(view: StudyView, names: int, states: int) -> Table:
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
    best = f"best {words.number(view.best_value)} (trial {view.best_number})"
    found = "" if view.best_value is None else best
    return ", ".join(filter(None, (tally(view.counts), found)))


def pace(view: StudyView) -> str:
    """Format speed and remaining time: ``2.00 trials/s, 3.0 s left``; empty if unknown."""
    parts = []
    if view.trials_per_second is not None:
        parts.append(f"{words.number(view.trials_per_second, 3)} trials/s")
    if view.seconds_left:
        parts.append(f"{words.seconds(view.seconds_left)} left")
    return ", ".join(parts)
