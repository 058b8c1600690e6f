"""Chart the value of each trial in the order of their numbers, and the best so far."""

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.study_reader import StudyReader
from sweep.analysis.verdict import baseline_number
from sweep.catalogue.formats import count
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, ReportSection, Side, Span, Tab, stack
from sweep.figures.marks import (
    Marks,
    TrialBand,
    band_of,
    draw_band,
    draw_marks,
    marks_of,
    sample,
    within,
)
from sweep.store.table import Numbers, TrialTable

TITLE = "Value of each trial, and the best so far"
_N_GROUPS = 150
#: Maximum number of drawn pruned trials: enough to see where pruning happened, and few enough to
#: see the others.
_N_PRUNED = 500
#: A line with more steps looks the same.
_MAX_STEPS = 5_000


class History(NamedTuple):
    """A study's history, without values that a logarithmic axis cannot show."""

    objective: str
    #: With a band, the best of each of its groups.
    finished: Marks
    #: At their last value.
    pruned: Marks
    baseline: Marks
    #: The finished trials, if they are too many for a mark each.
    band: TrialBand | None
    #: The lowest value up to each number at which it fell; ends at the last trial.
    best_x: NDArray[np.int64]
    best_y: Numbers
    #: What a mark represents if not a single trial, in words.
    about: str


def gather_history(table: TrialTable, between: tuple[float, float] | None = None) -> History:
    """Gather the history of the first objective, without invalid trials.

    ``between`` keeps the marks of a range of trial numbers; the best so far covers all.
    """
    shown = table.where(within(table.numbers, between) & (table.value > 0))
    finished = shown.where(shown.counting)
    pruned = shown.where(shown.states.is_("PRUNED") & ~shown.invalid & np.isfinite(shown.value))
    baseline = finished.where(finished.numbers == baseline_number(table))
    n_finished, n_pruned = len(finished), len(pruned)
    band = None
    if n_finished + n_pruned > style.MAX_MARKS:
        pruned = pruned.where(sample(n_pruned, _N_PRUNED))
        if n_finished > style.HOVER_MARKS:
            band = _band(finished)
            finished = finished.where(np.isin(finished.numbers, band.groups.best_numbers))
    n_marks = len(finished) + len(pruned)
    best_x, best_y = _best_so_far(table)
    return History(
        objective=table.objectives[0],
        finished=_marks(finished, n_marks),
        pruned=_marks(pruned, n_marks),
        baseline=_marks(baseline, n_marks),
        band=band,
        best_x=best_x,
        best_y=best_y,
        about=_about(n_finished, band, n_pruned, len(pruned)),
    )


def _marks(table: TrialTable, n_marks: int) -> Marks:
    return marks_of(table, table.numbers, table.value, n_marks=n_marks)


def _band(finished: TrialTable) -> TrialBand:
    numbers = finished.numbers
    edges = np.linspace(numbers[0], numbers[-1] + 1, _N_GROUPS + 1)
    return band_of(numbers, finished.value, numbers, edges)


def _about(n_finished: int, band: TrialBand | None, n_pruned: int, n_pruned_shown: int) -> str:
    said = []
    if band is not None:
        said.append(
            f"{n_finished:,} finished trials in {len(band.x)} groups by number: a mark is the best "
            "of its group."
        )
    if n_pruned_shown < n_pruned:
        said.append(f"Of {n_pruned:,} pruned trials, {n_pruned_shown:,} drawn at random.")
    return " ".join(said)


def _best_so_far(table: TrialTable) -> tuple[NDArray[np.int64], Numbers]:
    finished = table.where(table.counting & (table.value > 0))
    if not len(finished):
        return finished.numbers, finished.value
    lowest = np.minimum.accumulate(finished.value)
    falls = np.flatnonzero(np.diff(lowest, prepend=np.inf) < 0)
    if len(falls) > _MAX_STEPS:
        falls = falls[np.linspace(0, len(falls) - 1, _MAX_STEPS).astype(np.intp)]
    last = table.numbers[table.outcomes.codes >= 0].max()
    ends = [last] if finished.numbers[falls[-1]] < last else []
    return (
        np.append(finished.numbers[falls], ends).astype(np.int64),
        np.append(lowest[falls], lowest[falls[-1:]][: len(ends)]),
    )


def draw_history(history: History) -> go.Figure:
    """Draw trials as marks and the best so far as steps, on a logarithmic scale."""
    drawn = style.figure("number", history.objective)
    n_marks = history.finished.n + history.pruned.n
    if not n_marks:
        return style.say(drawn, "No trial has finished yet.")
    if history.band is not None:
        draw_band(drawn, history.band)
    for marks, name, marker in _kinds(history):
        if marks.n:
            draw_marks(drawn, marks, n_marks=n_marks, marker=marker, name=name)
    drawn.add_trace(
        style.scatter(n_marks)(
            x=history.best_x,
            y=history.best_y,
            mode="lines",
            line={"color": style.BLUE, "width": 2.5, "shape": "hv"},
            name="best so far",
            hoverinfo="skip",
        )
    )
    return drawn.update_yaxes(style.log_axis(_heights(history)))


def _kinds(history: History) -> list[tuple[Marks, str, dict[str, Any]]]:
    finished = "finished" if history.band is None else "best of its group"
    mark = style.among(history.finished.n, {"color": style.SKY, "size": 7, "opacity": 0.85})
    return [
        (history.pruned, "pruned", {"color": style.FAINT, "symbol": "x-thin-open", "size": 7}),
        (history.finished, finished, mark),
        (history.baseline, "baseline", _STAR),
    ]


_STAR = {"color": style.VERMILLION, "symbol": "star", "size": 15}


def _heights(history: History) -> Numbers:
    heights = [history.finished.y, history.pruned.y, history.baseline.y]
    if history.band is not None:
        heights.append(history.band.groups.high)
    return np.concatenate(heights)


def _gather(reader: StudyReader, between: Span | None = None) -> History | None:
    """Value of each trial, and the best so far; ``between``: numbers of trials, LOW..HIGH."""
    found = gather_history(reader.table, between)
    is_enough = found.finished.n + found.pruned.n > 1
    return found if between or is_enough else None


def _rows(history: History) -> Columns:
    value = history.objective
    return stack(
        *(
            {"mark": name, "trial": marks.numbers, value: marks.y}
            for marks, name, _ in _kinds(history)
        ),
        {"mark": "best so far", "trial": history.best_x, value: history.best_y},
    )


def _describe(history: History) -> str:
    """Say how long ago the best trial was found."""
    if not len(history.best_y):
        return ""
    first = int(history.best_x[np.argmin(history.best_y)])
    n_since = int(history.best_x[-1]) - first
    if not n_since:
        return f"The search still improves: trial {first}, the last, is the best"
    return f"Trial {first} is the best; {count(n_since, 'trial')} since then found none better"


FIGURE = Figure(
    name="history",
    question="How did the search proceed?",
    label="History",
    title=TITLE,
    needs="two trials with a value",
    gather=_gather,
    draw=draw_history,
    note=lambda history: history.about,
    sides=lambda _: (Side("number"), Side("value")),
    rows=_rows,
    finding=_describe,
    section=ReportSection.SEARCH,
    pages=(Tab.OVERVIEW, Tab.EXPLORE),
)
