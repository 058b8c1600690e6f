"""Chart the best value so far of studies, over trials or over seconds of work.

Notation: K finished trials of a study, in the order in which they ended.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.study_reader import StudyReader
from sweep.figures import style
from sweep.figures.axes import error_axis
from sweep.figures.figure import Columns, Figure, Names, Tab, stack
from sweep.store.table import Numbers, TrialTable

Over = Literal["trials", "seconds"]

#: A line with more steps looks the same.
_MAX_STEPS = 5_000
_X_TITLES: Mapping[Over, str] = {"trials": "Finished trials", "seconds": "Seconds of work"}
TITLES: Mapping[Over, str] = {
    "trials": "Best so far over trials",
    "seconds": "Best so far over time",
}
NOTES: Mapping[Over, str] = {
    "trials": "",
    "seconds": "Time in which some trial was in training, without pauses and interruptions.",
}


class BestSteps(NamedTuple):
    """A study's best value: where it fell and to what, and where its trials end."""

    study: str
    #: Finished trials or seconds, ascending.
    x: Numbers
    best: Numbers
    #: Number of the trial that was the best from that point on.
    numbers: NDArray[np.int64]


class BestSoFar(NamedTuple):
    """The best so far of several studies."""

    objective: str
    over: Over
    #: Those with a value, in the requested order.
    studies: Sequence[BestSteps]


def gather_best_so_far(tables: Sequence[tuple[str, TrialTable]], over: Over) -> BestSoFar | None:
    """Gather the best so far of studies by name; None if none has a value."""
    found = [steps for name, table in tables if (steps := _steps(name, table, over)) is not None]
    return BestSoFar(tables[0][1].objectives[0], over, found) if found else None


def _steps(name: str, table: TrialTable, over: Over) -> BestSteps | None:
    table = table.where(table.outcomes.codes >= 0)
    table = table.where(np.lexsort((table.numbers, table.ended)))  # those without a time last
    if over == "seconds":
        table = table.where(np.isfinite(table.ended))
    x = work_seconds(table) if over == "seconds" else np.arange(1.0, len(table) + 1)
    values = np.where(table.counting & (table.value > 0), table.value, np.inf)
    best = np.minimum.accumulate(values)
    falls = np.flatnonzero(best < np.append(np.inf, best[:-1]))
    if not len(falls):
        return None
    if len(falls) > _MAX_STEPS:
        falls = falls[np.linspace(0, len(falls) - 1, _MAX_STEPS).astype(np.intp)]
    places = np.append(falls, len(x) - 1)
    numbers = table.numbers[np.append(falls, falls[-1])]
    return BestSteps(name, x[places], best[places], numbers)


def work_seconds(table: TrialTable) -> Numbers:
    """Return how long the study had worked until each trial's end, in the order of the ends."""
    # A trial without a start adds no time.
    starts = np.where(np.isfinite(table.started), table.started, table.ended)
    order = np.argsort(starts)
    starts, ends = starts[order], table.ended[order]
    reach = np.maximum.accumulate(ends)
    idle = np.maximum(starts[1:] - reach[:-1], 0.0)
    # Idle time before the k-th start, k in the order of starts; an end is within a period of work.
    idle_before = np.concatenate(([0.0], np.cumsum(idle)))
    last_start = np.searchsorted(starts, table.ended, side="right") - 1
    first = starts[0] if len(starts) else 0.0
    seconds: Numbers = table.ended - first - idle_before[last_start]
    return seconds


def draw_best_so_far(found: BestSoFar) -> go.Figure:
    """Draw a step line for each study, with its end marked.

    Logarithmic if values differ by factors.
    """
    drawn = style.figure(_X_TITLES[found.over], found.objective)
    for place, steps in enumerate(found.studies):
        colour = style.PALETTE[place % len(style.PALETTE)]
        name = style.escape(steps.study)
        drawn.add_scatter(
            x=steps.x,
            y=steps.best,
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "shape": "hv"},
            marker={"size": [0] * (len(steps.x) - 1) + [9], "color": colour},
            name=name,
            customdata=steps.numbers,
            hovertemplate=f"<b>{name}</b><br>trial %{{customdata}}: %{{y:.4g}}<extra></extra>",
        )
    drawn.update_layout(showlegend=True, meta={"studies": [of.study for of in found.studies]})
    return drawn.update_yaxes(error_axis(np.concatenate([of.best for of in found.studies])))


# --- in the registry ----------------------------------------------------------------------------


def _gather(reader: StudyReader, beside: Names = (), over: Over = "trials") -> BestSoFar | None:
    """Best so far; ``beside``: other studies, A,B; ``over``: trials, seconds."""
    others = [(name, reader.table_of(name)) for name in beside]
    return gather_best_so_far([(reader.study.name, reader.table), *others], over)


def _rows(found: BestSoFar) -> Columns:
    return stack(
        *(
            {
                "study": of.study,
                found.over: of.x,
                found.objective: of.best,
                "trial": of.numbers,
            }
            for of in found.studies
        )
    )


FIGURE = Figure(
    name="best_so_far",
    question="How fast did each study improve, by trials and seconds?",
    title=lambda found: TITLES[found.over],
    needs="a finished trial with a value",
    gather=_gather,
    draw=draw_best_so_far,
    note=lambda found: NOTES[found.over],
    rows=_rows,
    pages=(Tab.COMPARE_STUDIES,),
)
