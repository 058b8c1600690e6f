"""Every finished trial as a line through its settings, coloured by its error."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from sweep.analysis.verdict import counts
from sweep.figures import style, words
from sweep.store.records import TrialRow

_MAX_DIMENSIONS = 9
_MAX_TICKS = 7
#: In the order of the axes.
_SETTINGS = (
    "hidden_width",
    "activation",
    "output",
    "loss",
    "epochs",
    "optimizer",
    "learning_rate",
    "batch_size",
    "schedule",
    "weight_init",
    "weight_decay",
    "momentum",
    "warmup_epochs",
    "delta",
    "beta1",
    "beta2",
    "alpha",
    "eps",
    "nesterov",
)
_LOGARITHMIC = {"hidden_width": 2, "batch_size": 2, "learning_rate": 10}


class Dimension(NamedTuple):
    """One axis: numbers as they are or as logarithms, words by their place."""

    label: str
    values: list[float]
    tick_values: list[float]
    tick_texts: list[str]


class Lines(NamedTuple):
    """The trials, the worst first, so that the best are drawn last and lie on top."""

    numbers: list[int]
    dimensions: list[Dimension]
    #: log10 of the validation error.
    colours: list[float]


def gather_lines(rows: Sequence[TrialRow]) -> Lines:
    """The searched settings that differ between finished trials, up to nine, and the error."""
    usable = [row for row in rows if counts(row) and row.config and (row.value or 0) > 0]
    usable.sort(key=lambda row: -(row.value or 0))
    # Searched, and not only different because another setting brings it along.
    searched = {name.split(".")[-1] for row in usable for name in row.params}
    varied = [
        name
        for name in _SETTINGS
        if name in searched and len({row.config.get(name) for row in usable}) > 1
    ]
    errors = [row.value for row in usable if row.value is not None]
    dimensions = [
        _dimension(name, [row.config[name] for row in usable]) for name in varied[:_MAX_DIMENSIONS]
    ]
    if dimensions:
        dimensions.append(_log_dimension("validation error", errors, 10))
    return Lines(
        numbers=[row.number for row in usable],
        dimensions=dimensions,
        colours=[math.log10(error) for error in errors],
    )


def _dimension(name: str, values: list[Any]) -> Dimension:
    label = words.setting(name)
    if name in _LOGARITHMIC and min(values) > 0:
        return _log_dimension(label, values, _LOGARITHMIC[name])
    if isinstance(values[0], bool | str):
        return _words_dimension(label, values)
    ticks = sorted(set(values))
    if len(ticks) > _MAX_TICKS:
        steps = range(_MAX_TICKS)
        ticks = [ticks[0] + (ticks[-1] - ticks[0]) * step / (_MAX_TICKS - 1) for step in steps]
        ticks = [round(tick) for tick in ticks] if isinstance(values[0], int) else ticks
    return Dimension(label, values, ticks, [words.value(tick) for tick in ticks])


def _log_dimension(label: str, values: list[float], base: int) -> Dimension:
    ticks = _log_ticks(min(values), max(values), base)
    return Dimension(
        label=label,
        values=[math.log(value, base) for value in values],
        tick_values=[math.log(tick, base) for tick in ticks],
        tick_texts=[f"{tick:.2g}" if tick < 1 else f"{tick:,.0f}" for tick in ticks],
    )


def _log_ticks(low: float, high: float, base: int) -> list[float]:
    """Powers of the base between low and high; with 2 and 5 times them where those are few."""
    powers = range(math.floor(math.log(low, base)), math.ceil(math.log(high, base)) + 1)
    for factors in ((1,), (1, 2, 5)):
        ticks = [factor * float(base) ** power for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) > 2:
            return inside
    return [low, high]


def _words_dimension(label: str, values: list[Any]) -> Dimension:
    known = sorted({words.value(value) for value in values})
    return Dimension(
        label=label,
        values=[known.index(words.value(value)) for value in values],
        tick_values=list(map(float, range(len(known)))),
        tick_texts=known,
    )


def draw_lines(lines: Lines) -> go.Figure:
    """Parallel coordinates; drag along an axis to keep only the trials that pass there."""
    drawn = style.figure("Settings of every trial, and its error", "", "", height=460)
    if not lines.dimensions:
        return style.say(drawn, "Needs finished trials that differ in a setting.")
    lowest, highest = min(lines.colours), max(lines.colours)
    ticks = [lowest, (lowest + highest) / 2, highest]
    drawn.add_trace(
        go.Parcoords(
            dimensions=[_axis(dimension) for dimension in lines.dimensions],
            line={
                "color": lines.colours,
                "colorscale": [(0, style.BLUE), (0.5, "#9AA0A8"), (1, style.ORANGE)],
                "cmin": lowest,
                "cmax": highest,
                "showscale": True,
                "colorbar": {
                    "title": {"text": "error", "side": "top", "font": {"size": 13}},
                    "tickfont": {"size": 11},
                    "thickness": 10,
                    "len": 0.9,
                    "outlinewidth": 0,
                    "tickvals": ticks,
                    "ticktext": [words.number(10**tick, 2) for tick in ticks],
                },
            },
            unselected={"line": {"color": style.GREY, "opacity": 0.06}},
            labelfont={"size": 13},
            tickfont={"size": 11},
        )
    )
    return drawn.update_layout(margin={"l": 60, "r": 20, "t": 80, "b": 24})


def _axis(dimension: Dimension) -> dict[str, Any]:
    return {
        "label": dimension.label,
        "values": dimension.values,
        "tickvals": dimension.tick_values,
        "ticktext": dimension.tick_texts,
    }
