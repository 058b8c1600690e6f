"""Chart two objectives, and the trials that no other trial dominates."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sweep.analysis.study_reader import StudyReader
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, ReportSection, Side, Tab, stack
from sweep.figures.marks import Marks, draw_marks, marks_of, sample
from sweep.store.pareto import unbeaten
from sweep.store.table import Mask, TrialTable


class ParetoFront(NamedTuple):
    """The first two objectives of finished trials: the second horizontal, the first vertical."""

    objectives: tuple[str, str]
    #: Trials that another trial dominates.
    beaten: Marks
    #: Trials that none dominates, from left to right.
    front: Marks
    #: How many trials are drawn if not all; in words.
    about: str

    @property
    def title(self) -> str:
        """Return the title with both objectives."""
        error, cost = (column_named(name).title for name in self.objectives)
        return f"Best trade-offs of {error} and {cost}"


def gather_front(table: TrialTable) -> ParetoFront | None:
    """Gather trials and Pareto front; None for a study with one objective."""
    if len(table.objectives) < 2:
        return None
    usable = table.where(table.counting & _drawable(table))
    unbeaten_ones = unbeaten(usable.values)
    beaten, n_beaten, about = usable.where(~unbeaten_ones), int((~unbeaten_ones).sum()), ""
    if n_beaten > style.MAX_MARKS:
        beaten = beaten.where(sample(n_beaten, style.MAX_MARKS // 2))
        about = f"Of {n_beaten:,} trials that another dominates, {len(beaten):,} drawn at random."
    n_marks = len(beaten) + len(usable) - n_beaten
    front = _marks(usable.where(unbeaten_ones), n_marks)
    return ParetoFront(
        objectives=(table.objectives[0], table.objectives[1]),
        beaten=_marks(beaten, n_marks),
        front=front.take(np.argsort(front.x, kind="stable")),
        about=about,
    )


def _drawable(table: TrialTable) -> Mask:
    mask: Mask = np.isfinite(table.values).all(axis=1) & (table.value > 0)
    return mask


def _marks(table: TrialTable, n_marks: int) -> Marks:
    return marks_of(table, table.values[:, 1], table.values[:, 0], n_marks=n_marks)


def draw_front(front: ParetoFront) -> go.Figure:
    """Draw all trials faint, the Pareto set bold and joined by steps."""
    error, cost = front.objectives
    drawn = style.figure(cost, error)
    n_marks = front.beaten.n + front.front.n
    if front.beaten.n:
        faint = {"color": style.FAINT, "size": 7}
        draw_marks(drawn, front.beaten, n_marks=n_marks, marker=faint, name="trial")
    draw_marks(
        drawn,
        front.front,
        n_marks=n_marks,
        mode="lines+markers",
        line={"color": style.BLUE, "width": 2, "shape": "hv"},
        marker={"color": style.BLUE, "size": 10},
        name="Pareto set",
    )
    x = np.concatenate([front.beaten.x, front.front.x])
    y = np.concatenate([front.beaten.y, front.front.y])
    drawn.update_yaxes(style.log_axis(y))
    across = style.width_axis if cost == "hidden_width" else style.log_axis
    return drawn.update_xaxes(across(x) if x.min() > 0 else {})


def _gather(reader: StudyReader) -> ParetoFront | None:
    """Trials by two objectives, and the Pareto front."""
    front = gather_front(reader.table)
    return front if front and front.beaten.n + front.front.n > 1 else None


def _rows(front: ParetoFront) -> Columns:
    error, cost = front.objectives
    return stack(
        *(
            {"trial": of.numbers, error: of.y, cost: of.x, "pareto": is_front}
            for of, is_front in ((front.front, True), (front.beaten, False))
        )
    )


FIGURE = Figure(
    name="pareto",
    question="Which trials does no other dominate in both objectives?",
    label="Trade-offs",
    title=lambda front: front.title,
    needs="two objectives and two finished trials",
    gather=_gather,
    draw=draw_front,
    note=lambda front: front.about,
    sides=lambda front: (Side(front.objectives[1]), Side(front.objectives[0])),
    rows=_rows,
    finding=lambda front: f"{count(front.front.n, 'trial')} that no other dominates",
    section=ReportSection.BEST,
    n_objectives=2,
    pages=(Tab.EXPLORE,),
)
