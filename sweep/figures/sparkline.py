"""Draw charts as plain SVG: small ones in tables, and a placeholder until Plotly has loaded.

Pages embed them as images, which cannot use the page's colours: theirs are legible on a light and
on a dark page.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.figures import style
from sweep.figures.history import TITLE, History
from sweep.figures.marks import Marks, TrialBand
from sweep.store.table import Numbers

#: Maximum marks of a kind; more hide each other.
MAX_MARKS = 1_500
_MAX_STEPS = 300
_INK = style.TEMPLATE.layout.font.color
_GRID = style.TEMPLATE.layout.xaxis.gridcolor

Steps = Sequence[tuple[int, float]]


class Frame(NamedTuple):
    """A rectangle of the picture, in pixels, and the numbers at its sides."""

    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    #: log10.
    y: tuple[float, float]

    def across(self, x: Numbers) -> Numbers:
        """Convert from values of x to pixels."""
        low, high = self.x
        return self.left + (x - low) * (self.right - self.left) / ((high - low) or 1)

    def up(self, y: Numbers) -> Numbers:
        """Convert positive numbers to pixels, on a logarithmic scale."""
        low, high = self.y
        return self.bottom - (np.log10(y) - low) * (self.bottom - self.top) / ((high - low) or 1)


def sparkline_svg(steps: Steps, last: int, width: int = 120, height: int = 28) -> str:
    """Draw the best so far: (trial number, value) where it fell, continued to trial ``last``."""
    x, y = _columns(steps)
    if not len(x):
        middle = f'<path d="M2 {height / 2}H{width - 2}" stroke="{style.FAINT}"/>'
        return _svg(width, height, "Best so far", "No trial has finished yet.", [middle])
    ends = (0.0, float(max(last, x[-1], 1)))
    heights = (math.log10(y.min()), math.log10(y.max()))
    if heights[0] == heights[1]:
        heights = (heights[0] - 0.5, heights[1] + 0.5)
    frame = Frame(2, width - 4, 3, height - 4, ends, heights)
    about = (
        f"Fell from {formats.number(float(y[0]))} to {formats.number(float(y[-1]))} "
        f"by trial {int(x[-1]):,}, of trials up to {max(last, int(x[-1])):,}."
    )
    line = _path(_staircase(frame, x, y, ends[1]), stroke=style.BLUE, width=1.75)
    tip = _dots(frame, np.array([ends[1]]), y[-1:], colour=style.BLUE, size=5)
    return _svg(width, height, "Best so far", about, [line, tip])


def poster_svg(history: History, width: int = 900, height: int = 440) -> str:
    """Draw the history chart as a static image with the layout and colours of ``draw_history``.

    It is worthwhile: at 10,000 trials it is on the page after 2.3 s (1.5 s warm) and the
    interactive chart after 5.5 s (4.6 s), although its points are binary arrays.
    """
    heights = _heights(history)
    if not len(heights):
        nothing = "No trial has finished yet."
        said = _text(width / 2, height / 2, nothing, anchor="middle", size=14)
        return _svg(width, height, TITLE, nothing, [said])
    frame = _frame(history, heights, width, height)
    best = float(history.best_y[-1]) if len(history.best_y) else None
    about = (
        f"{history.finished.n:,} finished trials drawn; the best value is {formats.number(best)}."
    )
    return _svg(
        width,
        height,
        TITLE,
        about,
        [
            *_axes(frame, history),
            *_marks(frame, history),
            *_legend(history, height - 18),
        ],
    )


def _columns(steps: Steps) -> tuple[Numbers, Numbers]:
    known = [(x, y) for x, y in steps if y > 0 and math.isfinite(y)]
    pairs = np.array(known, dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _heights(history: History) -> Numbers:
    """Return all values that the chart's axis covers."""
    heights = [history.finished.y, history.pruned.y, history.baseline.y]
    if history.band is not None:
        heights.append(history.band.groups.high)
    return np.concatenate(heights)


def _frame(history: History, heights: Numbers, width: int, height: int) -> Frame:
    """Return the frame of the axes, where Plotly draws them."""
    marks = np.concatenate([history.finished.x, history.pruned.x, history.best_x])
    low, high = float(marks.min()), float(marks.max())
    room = 0.05 * (high - low) or 1.0
    low_y, high_y = style.log_axis(heights)["range"]
    return Frame(76, width - 14, 16, height - 86, (low - room, high + room), (low_y, high_y))


def _axes(frame: Frame, history: History) -> Iterator[str]:
    """Draw grid, ticks and titles."""
    middle = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
    for tick in _value_ticks(*frame.y):
        y = float(frame.up(np.array(tick)))
        yield f'<path d="M{frame.left - 4} {y:.1f}H{frame.right}" stroke="{_GRID}"/>'
        label = np.format_float_positional(tick, trim="-")
        yield _text(frame.left - 8, y + 4, label, anchor="end", size=12)
    numbers = _number_ticks(*frame.x)
    for number in numbers:
        x = float(frame.across(np.array(number)))
        yield f'<path d="M{x:.1f} {frame.top}V{frame.bottom + 4}" stroke="{_GRID}"/>'
        label = f"{number / 1000:g}k" if number and numbers[-1] >= 10_000 else f"{number:g}"
        yield _text(x, frame.bottom + 19, label, anchor="middle", size=12)
    sides = f"M{frame.left} {frame.top}V{frame.bottom}H{frame.right}"
    yield f'<path d="{sides}" fill="none" stroke="{style.FAINT}"/>'
    yield _text(middle[0], frame.bottom + 42, column_named("number").axis_title, anchor="middle")
    turned = f' transform="rotate(-90 18 {middle[1]:g})"'
    yield _text(
        18, middle[1], column_named(history.objective).axis_title, anchor="middle", more=turned
    )


def _value_ticks(low: float, high: float) -> list[float]:
    """Return ticks at 1, 2 and 5, or for many decades only at 1, like ``style.log_axis``."""
    factors: Sequence[float] = (1, 2, 5) if high - low < 2.5 else (1,)
    if high - low < style.FEW_DECADES:
        factors = style.FEW_TICKS
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    return [tick for tick in ticks if tick and low <= math.log10(tick) <= high]  # 1e-324 is 0


def _number_ticks(low: float, high: float) -> list[float]:
    """Return about eight round integers."""
    least = max((high - low) / 9, 1.0)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    first = math.ceil(low / step)
    return [step * place for place in range(first, math.floor(high / step) + 1) if place >= 0]


def _marks(frame: Frame, history: History) -> Iterator[str]:
    """Draw a band if trials are too many, marks, and the best so far, like ``draw_history``."""
    share = min(1.0, MAX_MARKS / max(history.finished.n + history.pruned.n, 1))
    if history.band is not None:
        yield from _band(frame, history.band)
    x, y = _thin(history.pruned, share)
    yield _crosses(frame, x, y)
    x, y = _thin(history.finished, share)
    yield _dots(frame, x, y, colour=style.SKY, size=7, opacity=0.85)
    for x, y in zip(history.baseline.x, history.baseline.y, strict=True):
        yield _star(float(frame.across(x)), float(frame.up(y)))
    if len(history.best_x):
        rows = _even_rows(len(history.best_x), _MAX_STEPS)
        x, y = history.best_x[rows].astype(np.float64), history.best_y[rows]
        yield _path(_staircase(frame, x, y, float(x[-1])), stroke=style.BLUE, width=2.5)


def _thin(marks: Marks, share: float) -> tuple[Numbers, Numbers]:
    rows = _even_rows(marks.n, math.floor(share * marks.n))
    return marks.x[rows].astype(np.float64), marks.y[rows]


def _even_rows(n: int, n_wanted: int) -> NDArray[np.intp]:
    """Choose ``n_wanted`` of n rows evenly, including the first and the last."""
    return np.linspace(0, n - 1, min(n, n_wanted)).round().astype(np.intp)


def _staircase(frame: Frame, x: Numbers, y: Numbers, last: float) -> str:
    """Draw steps first along, then down, like Plotly's "hv"."""
    across, up = frame.across(x), frame.up(y)
    first, *steps = zip(across.tolist(), up.tolist(), strict=True)
    drawn = "".join(f"H{right:.1f}V{below:.1f}" for right, below in steps)
    end = float(frame.across(np.array(last)))
    return f"M{first[0]:.1f} {first[1]:.1f}{drawn}H{end:.1f}"


def _path(drawn: str, *, stroke: str, width: float) -> str:
    look = f'fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"'
    return f'<path d="{drawn}" {look}/>'


def _dots(
    frame: Frame, x: Numbers, y: Numbers, *, colour: str, size: float, opacity: float = 1.0
) -> str:
    """Draw lines of zero length with round ends: the shortest way to write a circle."""
    places = zip(frame.across(x).tolist(), frame.up(y).tolist(), strict=True)
    drawn = "".join(f"M{across:.1f} {up:.1f}h0" for across, up in places)
    look = f'stroke="{colour}" stroke-width="{size}" stroke-opacity="{opacity}"'
    return f'<path d="{drawn}" {look} stroke-linecap="round"/>'


def _crosses(frame: Frame, x: Numbers, y: Numbers) -> str:
    places = zip(frame.across(x).tolist(), frame.up(y).tolist(), strict=True)
    drawn = "".join(f"M{across - 3:.1f} {up - 3:.1f}l6 6m0-6l-6 6" for across, up in places)
    return f'<path d="{drawn}" stroke="{style.FAINT}"/>'


def _band(frame: Frame, band: TrialBand) -> Iterator[str]:
    across = frame.across(band.x).tolist()
    high, low, median = (
        frame.up(of).tolist() for of in (band.groups.high, band.groups.low, band.groups.median)
    )
    around = _join([*across, *across[::-1]], [*high, *low[::-1]])
    yield f'<path d="{around}Z" fill="{style.SKY}" fill-opacity="0.25"/>'
    yield _path(_join(across, median), stroke=style.SKY, width=2)


def _join(across: Sequence[float], up: Sequence[float]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(across, up, strict=True))


def _star(x: float, y: float) -> str:
    """Draw five points, 9 pixels from the middle to each."""
    turns = [(math.pi * (place / 5 - 0.5), 9 if place % 2 == 0 else 3.6) for place in range(10)]
    drawn = _join(
        [x + far * math.cos(turn) for turn, far in turns],
        [y + far * math.sin(turn) for turn, far in turns],
    )
    return f'<path d="{drawn}Z" fill="{style.VERMILLION}"/>'


def _legend(history: History, y: float) -> Iterator[str]:
    """Draw the legend of the marks, from left to right as in ``draw_history``."""
    dot, line = 'stroke-width="7" stroke-linecap="round"', 'stroke-width="2.5"'
    entries = (
        (history.pruned.n, "pruned", f'd="M-3 -3l6 6m0-6l-6 6" stroke="{style.FAINT}"'),
        (history.finished.n, "finished", f'd="M0 0h0" stroke="{style.SKY}" {dot}'),
        (history.baseline.n, "baseline", f'd="M0 0h0" stroke="{style.VERMILLION}" {dot}'),
        (len(history.best_x), "best so far", f'd="M-9 0h18" stroke="{style.BLUE}" {line}'),
    )
    x = 98.0
    for n, name, look in entries:
        if n:
            yield f'<path {look} transform="translate({x:g} {y:g})"/>'
            yield _text(x + 17, y + 4, name)
            x += 52 + 6.6 * len(name)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 13, more: str = ""
) -> str:
    place = f'x="{x:g}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}'
    return f'<text {place} fill="{_INK}">{escape(text)}</text>'


def _svg(width: float, height: float, title: str, about: str, parts: Sequence[str]) -> str:
    """Wrap the parts in an SVG image whose title and text describe it to screen readers."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" font-family="{escape(style.FONT)}">'
        f"<title>{escape(title)}</title><desc>{escape(about)}</desc>{''.join(parts)}</svg>"
    )
