"""Chart the validation error by epoch of many trials: how soon the good ones stand out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.study_reader import StudyReader
from sweep.figures import axes, style
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Tab, stack
from sweep.store.records import CurvePoint
from sweep.store.table import Mask, TrialTable

#: Maximum number of curves that are read.
_LIMIT = 200
#: Number of those that are guaranteed to be the best trials.
_BEST = 20
#: Number of curves that are coloured and named.
_NAMED = 5
_COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.PURPLE)


class TrialLine(NamedTuple):
    """One trial's validation error by epoch; epochs without a finite error are left out."""

    number: int
    epochs: list[int]
    val_mse: list[float]
    pruned: bool


class Intermediate(NamedTuple):
    """The curves that are shown."""

    #: The best trials of all, the best first.
    named: list[TrialLine]
    others: list[TrialLine]
    #: Trials that were dispatched and are not invalid, shown or not.
    n_total: int

    @property
    def about(self) -> str:
        """Say which trials are drawn."""
        n_lines = len(self.lines)
        if n_lines >= self.n_total:
            return f"All {n_lines:,} trials" if n_lines > 1 else "One trial"
        which = (
            "the best, and an even sample of the rest"
            if self.n_total > _LIMIT
            else "those that finished an epoch"
        )
        return f"{n_lines:,} of {self.n_total:,} trials: {which}"

    @property
    def lines(self) -> list[TrialLine]:
        """Return all lines, those with a name first."""
        return [*self.named, *self.others]


def choose_curves(table: TrialTable) -> list[int]:
    """Choose whose curves to read: the best 20 trials, and an even sample of the rest.

    A trial stays chosen while the study grows, unless enough new ones displace it.
    """
    trained = np.flatnonzero(_is_trained(table))
    best = _rank(table)[:_BEST]
    rest = np.setdiff1d(trained, best)
    sample = rest[np.argsort(axes.even(table.numbers[rest]), kind="stable")]
    chosen = np.concatenate([best, sample[: _LIMIT - len(best)]])
    return [int(number) for number in np.sort(table.numbers[chosen])]


def _is_trained(table: TrialTable) -> Mask:
    trained: Mask = ~table.states.is_("WAITING") & ~table.invalid
    return trained


def _rank(table: TrialTable) -> NDArray[np.intp]:
    """Return the rows of the trials that count, the best first."""
    rows = np.flatnonzero(table.counting)
    return rows[np.argsort(table.value[rows], kind="stable")]


def gather_intermediate(
    curves: Mapping[int, Sequence[CurvePoint]], table: TrialTable
) -> Intermediate:
    """Gather the curves that were read, by trial number, for the choice of ``choose_curves``."""
    pruned = set(table.numbers[table.states.is_("PRUNED")].tolist())
    lines = {number: _line(number, points, pruned) for number, points in curves.items()}
    lines = {number: line for number, line in lines.items() if line.epochs}
    ranked = (int(number) for number in table.numbers[_rank(table)])
    named = [number for number in ranked if number in lines][:_NAMED]
    return Intermediate(
        named=[lines[number] for number in named],
        others=[line for number, line in lines.items() if number not in named],
        n_total=int(_is_trained(table).sum()),
    )


def _line(number: int, points: Sequence[CurvePoint], pruned: set[int]) -> TrialLine:
    known = [(p.epoch, p.val_mse) for p in points if p.val_mse is not None and p.val_mse > 0]
    return TrialLine(
        number=number,
        epochs=[epoch for epoch, _ in known],
        val_mse=[error for _, error in known],
        pruned=number in pruned,
    )


def draw_intermediate(shown: Intermediate) -> go.Figure:
    """Draw the best few in colour, the others as one faint trace, and a cross for each pruning."""
    drawn = style.figure("epoch", "val_mse")
    _draw_others(drawn, shown.others)
    _draw_pruned(drawn, [line for line in shown.lines if line.pruned])
    for place, line in reversed(list(enumerate(shown.named))):
        _draw_named(drawn, line, place)
    drawn.update_layout(showlegend=True)
    errors = np.concatenate([line.val_mse for line in shown.lines])
    drawn.update_yaxes(style.log_axis(errors))
    return drawn.update_xaxes(axes.epoch_axis(max(line.epochs[-1] for line in shown.lines)))


def _draw_others(drawn: go.Figure, lines: Sequence[TrialLine]) -> None:
    """Draw one trace, with a gap after each trial: browsers draw that at once."""
    if not lines:
        return
    gap = [np.nan]
    drawn.add_scatter(
        x=np.concatenate([[*line.epochs, *gap] for line in lines]),
        y=np.concatenate([[*line.val_mse, *gap] for line in lines]),
        customdata=np.repeat(
            [line.number for line in lines], [len(line.epochs) + 1 for line in lines]
        ),
        mode="lines+markers",
        connectgaps=False,
        line={"color": "rgba(138, 143, 152, 0.35)", "width": 1},
        marker={"size": 2.5},
        hovertemplate=_HOVER,
        name="other trials",
    )


_HOVER = "<b>Trial %{customdata}</b><br>epoch %{x}: %{y:.4g}<extra></extra>"


def _draw_pruned(drawn: go.Figure, lines: Sequence[TrialLine]) -> None:
    if not lines:
        return
    drawn.add_scatter(
        x=[line.epochs[-1] for line in lines],
        y=[line.val_mse[-1] for line in lines],
        customdata=[line.number for line in lines],
        mode="markers",
        marker={"symbol": "x-thin", "size": 6, "line": {"color": style.GREY, "width": 1.5}},
        hovertemplate=_HOVER.replace("<br>", " (pruned)<br>", 1),
        name="pruned",
    )


def _draw_named(drawn: go.Figure, line: TrialLine, place: int) -> None:
    drawn.add_scatter(
        x=line.epochs,
        y=line.val_mse,
        customdata=[line.number] * len(line.epochs),
        mode="lines+markers",
        line={"color": _COLOURS[place], "width": 3 if place == 0 else 2},
        marker={"size": 5},
        hovertemplate=_HOVER,
        name=f"trial {line.number}",
        legendrank=place,
    )


def _gather(reader: StudyReader) -> Intermediate | None:
    """Learning curves of many trials, and where pruning ended them."""
    begun = reader.table.where(~reader.table.states.is_("WAITING"))
    numbers = choose_curves(begun)
    shown = gather_intermediate(reader.study.curves(numbers) if numbers else {}, begun)
    return shown if any(len(line.epochs) > 1 for line in shown.lines) else None


def _rows(shown: Intermediate) -> Columns:
    return stack(
        *(
            {
                "trial": line.number,
                "epoch": line.epochs,
                "val_mse": line.val_mse,
                "pruned": line.pruned,
            }
            for line in shown.lines
        )
    )


FIGURE = Figure(
    name="intermediate",
    question="Where were trials pruned?",
    label="Epoch by epoch",
    title="Validation error by epoch, trial by trial",
    needs="a trial that trained for two epochs",
    gather=_gather,
    draw=draw_intermediate,
    note=lambda shown: shown.about,
    rows=_rows,
    finding=lambda shown: (
        f"{sum(line.pruned for line in shown.lines)} of {len(shown.lines)} curves end by pruning"
    ),
    section=ReportSection.SEARCH,
    # Without pruning the learning curves of the best are enough.
    panels=lambda reader: [Panel()] if reader.table.states.is_("PRUNED").any() else [],
    pages=(Tab.EXPLORE,),
)
