"""Draw trials as marks: one each, or for many only the best of each group, with a band."""

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.figures import style, words
from sweep.figures.groups import Groups, group
from sweep.store.table import Mask, Numbers, TrialTable

#: Trial numbers are integers.
Places = Numbers | NDArray[np.int64]

_BAND_COLOUR = "rgba(86, 180, 233, 0.25)"  # style.SKY


class Marks(NamedTuple):
    """n trials, each at its position."""

    numbers: NDArray[np.int64]  # (n,)
    x: Places  # (n,)
    y: Numbers  # (n,)
    #: A text for each; None if there are too many.
    hover: list[str] | None

    @property
    def n(self) -> int:
        """Return the number of marks."""
        return self.numbers.size

    def take(self, rows: NDArray[np.intp]) -> "Marks":
        """Select some of the marks, in this order."""
        hover = None if self.hover is None else [self.hover[row] for row in rows]
        return Marks(self.numbers[rows], self.x[rows], self.y[rows], hover)


class TrialBand(NamedTuple):
    """Trials in groups along x, from left to right, none of them empty."""

    x: Numbers  # (G,) mean of the group
    groups: Groups


def marks_of(
    table: TrialTable, x: Places, y: Numbers, *, n_marks: int, error: str = "val_mse"
) -> Marks:
    """Build marks of the table's trials, for a chart that has ``n_marks`` marks in total."""
    hover = words.hovers(table, error=error) if n_marks <= style.HOVER_MARKS else None
    return Marks(table.numbers, x, y, hover)


def within(x: Places, between: tuple[float, float] | None) -> Mask:
    """Select what is in a range, both ends included; everything without a range."""
    if between is None:
        return np.ones(len(x), dtype=bool)
    mask: Mask = (x >= between[0]) & (x <= between[1])
    return mask


def sample(n: int, n_wanted: int) -> Mask:
    """Select at random ``n_wanted`` of n trials to draw; the selection is deterministic."""
    mask = np.zeros(n, dtype=bool)
    mask[np.random.default_rng(0).permutation(n)[:n_wanted]] = True
    return mask


def band_of(
    x: Places,  # (n,)
    y: Numbers,  # (n,)
    numbers: NDArray[np.int64],  # (n,)
    edges: NDArray[np.float64],  # (B + 1,) ascending, of the groups
) -> TrialBand:
    """Summarise the trials between neighbouring edges."""
    places = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    _, filled = np.unique(places, return_inverse=True)
    groups = group(filled, y, numbers, int(filled.max()) + 1)
    return TrialBand(np.bincount(filled, weights=x) / groups.counts, groups)


def draw_marks(drawn: go.Figure, marks: Marks, *, n_marks: int, **options: Any) -> None:
    """Draw marks that describe and link to their trial, in a chart of ``n_marks`` marks."""
    hovering = style.hover_options(marks.numbers, marks.hover)
    scatter = style.scatter(n_marks)
    drawn.add_trace(scatter(x=marks.x, y=marks.y, **({"mode": "markers"} | hovering | options)))


def draw_band(drawn: go.Figure, band: TrialBand) -> None:
    """Draw the middle 80 % of each group as a band, and a line of the medians."""
    groups = band.groups
    drawn.add_scatter(
        x=np.concatenate([band.x, band.x[::-1]]),
        y=np.concatenate([groups.high, groups.low[::-1]]),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=_BAND_COLOUR,
        hoverinfo="skip",
        name="middle 80 %",
    )
    drawn.add_scatter(
        x=band.x,
        y=groups.median,
        mode="lines",
        line={"color": style.SKY, "width": 2},
        text=[f"{n:,}" for n in groups.counts],
        hovertemplate="median of %{text} trials<br>%{y:.4g}<extra></extra>",
        name="median",
    )
