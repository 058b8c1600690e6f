"""Chart every finished trial as a line through its settings, coloured by its error."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.filters import Filter
from sweep.analysis.study_reader import StudyReader
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.figures import axes, style
from sweep.figures.figure import Columns, Figure, Names, Tab
from sweep.figures.marks import sample
from sweep.store.table import Choices, Column, Mask, Numbers, TrialTable, varies

#: More lines hide each other.
MAX_LINES = 3_000
_N_BEST = 1_000
_MAX_DIMENSIONS = 9
_MAX_TICKS = 7
#: Ticks of an axis of many values, most of them unseen.
_N_TICKS = 100
_UNSEEN = str.maketrans("01", "\u200b\u200c")
#: How far a brush extends to both sides of a word.
_AROUND = 0.25
#: In the order of the axes.
_SETTINGS = (
    "hidden_width",
    "activation",
    "output_activation",
    "loss",
    "epochs",
    "optimizer",
    "learning_rate",
    "batch_size",
    "lr_schedule",
    "weight_init",
    "weight_decay",
    "momentum",
    "warmup_epochs",
    "huber_delta",
    "beta1",
    "beta2",
    "rmsprop_alpha",
    "eps",
    "nesterov",
)


class Dimension(NamedTuple):
    """An axis: numbers unchanged or as logarithms, words by their index."""

    #: Name of the table's column.
    name: str
    label: str
    values: Numbers  # (n,)
    tick_values: list[float]
    tick_texts: list[str]
    #: Base of the logarithms; None for unchanged numbers and for words.
    base: int | None = None
    #: The words by index, as in the column; None for numbers.
    choices: tuple[str, ...] | None = None


class Lines(NamedTuple):
    """n trials, the best first."""

    numbers: NDArray[np.int64]  # (n,)
    dimensions: list[Dimension]
    #: -log10 of the validation error: Plotly draws lines of larger numbers on top.
    colours: Numbers  # (n,)
    #: The filter, whose ranges stand on the axes, and which of the trials pass it.
    where: Filter
    passes: Mask  # (n,)
    #: How many trials are drawn if not all; in words.
    about: str


def gather_lines(table: TrialTable) -> Lines:
    """Gather up to nine searched settings that differ between finished trials, and the error."""
    # Searched, and different not only because another setting determines it.
    searched = [name for name in _SETTINGS if name in table.searched]
    usable = table.where(table.counting & (table.value > 0) & _is_known(table, searched))
    n_trials = len(usable)
    if n_trials > MAX_LINES:
        usable = usable.where(_best_and_some(usable.value))
    order = np.argsort(usable.value, kind="stable")
    varied = [name for name in searched if varies(usable.settings[name])]
    dimensions = [
        _dimension(name, usable.settings[name], order) for name in varied[:_MAX_DIMENSIONS]
    ]
    errors = usable.value[order]
    if dimensions:
        dimensions.append(_log_dimension("value", "validation error", errors, 10))
    return Lines(
        numbers=usable.numbers[order],
        dimensions=dimensions,
        colours=-np.log10(errors),
        where=Filter(),
        passes=np.ones(len(usable), dtype=bool),
        about=_about(n_trials),
    )


def gather_brushed(table: TrialTable, where: Filter, order: Sequence[str] = ()) -> Lines:
    """Gather the trials that pass, and faintly those outside the axes' brushes if there is room.

    ``order`` are the first axes, by their columns.
    """
    own = {*table.searched, "value"}
    around = where.only({*where.columns} - own).apply(table)
    around = around.where(around.counting)
    if len(around) > MAX_LINES and where:
        around = around.where(_passing_first(where.mask(around)))
    lines = gather_lines(around)
    # If the remaining trials do not differ in a setting, no axis shows its condition.
    held = where.only(own - {dimension.name for dimension in lines.dimensions})
    if held:
        lines = gather_lines(held.apply(around))
    place = {name: at for at, name in enumerate(order)}
    return lines._replace(
        dimensions=sorted(lines.dimensions, key=lambda of: place.get(of.name, len(place))),
        where=where,
        passes=np.isin(lines.numbers, where.apply(around).numbers),
    )


def _passing_first(passes: Mask) -> Mask:
    """Select all trials that pass and, if there is room, some of the others."""
    room = MAX_LINES - int(passes.sum())
    kept = passes.copy()
    if room > 0:
        others = np.flatnonzero(~passes)
        kept[others[sample(len(others), room)]] = True
    return kept


def _is_known(table: TrialTable, names: Sequence[str]) -> Mask:
    known = np.ones(len(table), dtype=bool)
    for name in names:
        column = table.settings[name]
        known &= column.codes >= 0 if isinstance(column, Choices) else np.isfinite(column)
    return known


def _best_and_some(values: Numbers) -> Mask:
    mask = np.zeros(len(values), dtype=bool)
    order = np.argsort(values, kind="stable")
    mask[order[:_N_BEST]] = True
    mask[order[_N_BEST:]] = sample(len(values) - _N_BEST, MAX_LINES - _N_BEST)
    return mask


def _about(n_trials: int) -> str:
    if n_trials <= MAX_LINES:
        return ""
    return (
        f"The {_N_BEST:,} best of {n_trials:,} trials, and {MAX_LINES - _N_BEST:,} of the others "
        "at random."
    )


def _dimension(name: str, column: Column, order: NDArray[np.intp]) -> Dimension:
    label = column_named(name).title
    if isinstance(column, Choices):
        return _words_dimension(name, column, order)
    values = column[order]
    axis = axes.number_axis(name, values)
    if axis.kind == "log":
        return _log_dimension(name, label, values, axis.base)
    ticks = np.unique(values)
    if len(ticks) > _MAX_TICKS:
        whole = bool(np.all(ticks == np.round(ticks)))
        ticks = np.linspace(ticks[0], ticks[-1], _MAX_TICKS)
        ticks = np.round(ticks) if whole else ticks
    texts = [formats.value(tick) for tick in ticks.tolist()]
    return Dimension(name, label, values, ticks.tolist(), texts)


def _log_dimension(name: str, label: str, values: Numbers, base: int) -> Dimension:
    ticks = _log_ticks(float(values.min()), float(values.max()), base)
    return Dimension(
        name=name,
        label=label,
        values=np.log(values) / math.log(base),
        tick_values=[math.log(tick, base) for tick in ticks],
        tick_texts=[f"{tick:.2g}" if tick < 1 else f"{tick:,.0f}" for tick in ticks],
        base=base,
    )


def _log_ticks(low: float, high: float, base: int) -> list[float]:
    """Return powers of the base between low and high; with 2 and 5 times them if there are few."""
    powers = range(math.floor(math.log(low, base)), math.ceil(math.log(high, base)) + 1)
    for factors in ((1,), (1, 2, 5)):
        ticks = [factor * float(base) ** power for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) > 2:
            return inside
    return [low, high]


def _words_dimension(name: str, column: Choices, order: NDArray[np.intp]) -> Dimension:
    """Build a dimension of the words that occur, in alphabetical order."""
    codes = column.codes[order]
    present = sorted(np.unique(codes), key=lambda code: formats.value(column.names[code]))
    places = np.zeros(len(column.names))
    places[present] = np.arange(len(present))
    return Dimension(
        name=name,
        label=column_named(name).title,
        values=places[codes],
        tick_values=[float(place) for place in range(len(present))],
        tick_texts=[formats.value(column.names[code]) for code in present],
        choices=tuple(str(column.names[code]) for code in present),
    )


def draw_lines(lines: Lines) -> go.Figure:
    """Draw parallel coordinates; dragging along an axis keeps only the trials that pass there."""
    drawn = style.figure(height=460)
    lowest, highest = float(lines.colours.min()), float(lines.colours.max())
    ticks = [lowest, (lowest + highest) / 2, highest]
    drawn.add_parcoords(
        dimensions=[_axis(dimension, lines.where) for dimension in lines.dimensions],
        customdata=lines.numbers,
        line={
            "color": lines.colours,
            "colorscale": axes.ERROR_SCALE[::-1],
            "cmin": lowest,
            "cmax": highest,
            "showscale": True,
            "colorbar": axes.colour_bar(
                "error", {tick: formats.number(10**-tick, 2) for tick in ticks}
            ),
        },
        unselected={"line": {"color": style.GREY, "opacity": 0.06}},
        labelfont={"size": 13},
        tickfont={"size": 11},
    )
    return drawn.update_layout(margin={"l": 60, "r": 20, "t": 56, "b": 24})


def _axis(dimension: Dimension, where: Filter) -> dict[str, Any]:
    brush, ticks = brush_of(where, dimension), fine_ticks(dimension)
    return {
        "label": style.escape(dimension.label),
        "name": dimension.name,
        "values": dimension.values.astype(np.float32),
        "tickvals": list(ticks),
        "ticktext": [*map(style.escape, ticks.values())],
        "multiselect": dimension.choices is not None,
        "constraintrange": brush if len(brush) > 1 else brush[0] if brush else None,
    }


def brush_of(where: Filter, dimension: Dimension) -> list[list[float]]:
    """Return the filter's brushes on an axis, as drawn; empty without a condition."""
    if dimension.choices is not None:
        wanted = where.choices.get(dimension.name, ())
        places = [place for place, word in enumerate(dimension.choices) if word in wanted]
        return [[place - _AROUND, place + _AROUND] for place in places]
    if dimension.name not in where.ranges:
        return []
    low, high = (_as_drawn(dimension, end) for end in where.ranges[dimension.name])
    ends = float(dimension.values.min()), float(dimension.values.max())
    return [[max(low, ends[0]), min(high, ends[1])]]


def _as_drawn(dimension: Dimension, value: float) -> float:
    if dimension.base is None or not np.isfinite(value):
        return value
    return float(np.log(value) / np.log(dimension.base)) if value > 0 else -np.inf


def fine_ticks(dimension: Dimension) -> dict[float, str]:
    """Return an axis's ticks and unlabelled ones between them: brushes snap to ticks."""
    named = dict(zip(dimension.tick_values, dimension.tick_texts, strict=True))
    if dimension.choices is not None or len(np.unique(dimension.values)) <= len(named):
        return named
    ends = float(dimension.values.min()), float(dimension.values.max())
    # Plotly identifies ticks by their texts: each gets a different invisible text.
    between = {
        float(value): f"{place:07b}".translate(_UNSEEN)
        for place, value in enumerate(np.linspace(*ends, _N_TICKS))
    }
    return dict(sorted((between | named).items()))


def _gather(reader: StudyReader, order: Names = ()) -> Lines | None:
    """One line a trial through all settings and the value; ``order``: the first axes, A,B."""
    lines = gather_brushed(reader.whole, reader.where, order)
    return lines if lines.dimensions else None


def _rows(lines: Lines) -> Columns:
    rows = np.flatnonzero(lines.passes)
    return {"trial": lines.numbers[rows], **{of.name: _plain(of, rows) for of in lines.dimensions}}


def _plain(of: Dimension, rows: NDArray[np.intp]) -> Sequence[Any]:
    """Convert drawn values of these rows back to the original ones."""
    drawn = of.values[rows]
    if of.choices is not None:
        return [of.choices[int(place)] for place in drawn]
    values: list[float] = (drawn if of.base is None else of.base**drawn).tolist()
    return [float(f"{value:.12g}") for value in values]


FIGURE = Figure(
    name="parallel",
    question="Which combinations of settings do well?",
    title="Settings of every trial, and its error",
    needs="finished trials that differ in a setting",
    gather=_gather,
    draw=draw_lines,
    note=lambda lines: lines.about,
    rows=_rows,
    pages=(Tab.EXPLORE,),
)
