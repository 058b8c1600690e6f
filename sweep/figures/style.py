"""Style all charts alike: colours for colour-blind people, unobtrusive axes.

Backgrounds are transparent and greys are medium, so that a chart suits a light and a dark page.
"""

import html
import math
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.catalogue.columns import COLUMNS
from sweep.enums import Activation, Loss
from sweep.store.table import Numbers

# Okabe and Ito, "Color Universal Design", 2008; grey replaces black.
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8A8F98"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, YELLOW, GREY)

FAINT = "rgba(138, 143, 152, 0.55)"
_GRID = "rgba(138, 143, 152, 0.25)"
_INK = "#6B7078"

#: For every graph and to_html: no button that uploads the chart, no logo.
CONFIG: Mapping[str, Any] = {
    "showSendToCloud": False,
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
}

#: From this number of points on, WebGL draws faster than SVG.
WEBGL_POINTS = 1000
#: Up to this number of marks, hovering shows all details of a trial; beyond, its number.
HOVER_MARKS = 2_000
#: Beyond this number of marks, a figure shows statistics of groups of trials.
MAX_MARKS = 20_000

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"

_AXIS = {
    "gridcolor": _GRID,
    "zeroline": False,
    "showline": True,
    "linecolor": FAINT,
    "ticks": "outside",
    "tickcolor": FAINT,
    "ticklen": 4,
    "automargin": True,
    "exponentformat": "power",
    # 20,000 trials rather than 2·10⁴; powers of ten from a million on.
    "separatethousands": True,
    "minexponent": 5,
    "title": {"standoff": 12, "font": {"size": 13}},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": _INK},
        "title": {"x": 0, "xref": "paper", "xanchor": "left", "font": {"size": 16}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(PALETTE),
        "margin": {"l": 12, "r": 12, "t": 16, "b": 12},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": FAINT, "activecolor": BLUE},
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "font": {"family": FONT, "size": 12}},
        "legend": {
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
            "traceorder": "normal",
            "itemsizing": "constant",
            "maxheight": 1,  # takes room from the chart rather than scroll on a phone
        },
    }
)


def escape(text: str) -> str:
    """Escape a plain text for an attribute in which Plotly expects pseudo-HTML or a template.

    These are names of traces, titles, ticks, categories, hovers and annotations. A worker called
    ``<a href="…">`` would be a link there.
    """
    return html.escape(text, quote=False).replace("%{", "%&#123;")


def figure(x: str = "", y: str = "", **layout: Any) -> go.Figure:
    """Create an empty chart that keeps its zoom when it is updated.

    ``x`` and ``y`` are names of columns, or plain titles of axes.
    """
    drawn = go.Figure(layout={"template": TEMPLATE, "height": 440, "uirevision": "keep"})
    return drawn.update_layout(
        xaxis_title=escape(_axis_title(x)), yaxis_title=escape(_axis_title(y)), **layout
    )


def _axis_title(of: str) -> str:
    return COLUMNS[of].axis_title if of in COLUMNS else of


#: A longer note has no room below a title.
_SUBTITLE = 110


def add_title(drawn: go.Figure, title: str, note: str = "") -> go.Figure:
    """Write a title, and a note that is short enough, above a chart; both are plain."""
    note = note if len(note) <= _SUBTITLE else ""
    # A chart with a margin of its own has names there, which stay below the title.
    drawn.update_layout(margin={"t": (drawn.layout.margin.t or 0) + (72 if note else 48)})
    subtitle = {"text": escape(note), "font": {"size": 12}} if note else {}
    at_top = {"y": 1, "yanchor": "top", "pad": {"t": 10}}
    return drawn.update_layout(title={"text": escape(title), "subtitle": subtitle, **at_top})


_LINE = 42


def say(drawn: go.Figure, text: str) -> go.Figure:
    """Write on a chart without marks why it is empty, in lines that fit a phone."""
    drawn.add_annotation(
        text="<br>".join(map(escape, wrap(text, _LINE))),
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        showarrow=False,
        font={"size": 14},
    )
    return drawn.update_xaxes(visible=False).update_yaxes(visible=False)


def scatter(n_marks: int) -> Any:
    """Return Plotly's trace type for a figure of ``n_marks`` marks.

    It applies to lines over marks too: WebGL is drawn on top of all SVG.
    """
    return go.Scattergl if n_marks >= WEBGL_POINTS else go.Scatter


def among(n_marks: int, marker: Mapping[str, Any]) -> dict[str, Any]:
    """Adapt a marker to the number of marks.

    Very many marks are small and faint, so that those drawn last do not hide the others.
    """
    if n_marks < WEBGL_POINTS:
        return dict(marker)
    return {**marker, "size": 5, "opacity": 0.6, "line": {"width": 0}}


def hover_options(
    numbers: NDArray[np.int64] | Sequence[int],
    texts: Sequence[str] | None,
) -> dict[str, Any]:
    """Return what a trace of trials shows on hover, and the trial numbers that a page links to.

    Without texts of ``words.hovers``, it shows the number and the position.
    """
    customdata = np.asarray(numbers)
    if texts is None:
        template = "<b>Trial %{customdata}</b><br>%{y:.4g}<extra></extra>"
        return {"customdata": customdata, "hovertemplate": template}
    return {
        "customdata": customdata,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
    }


#: Minimum span of a logarithmic axis, also for a single value.
_LEAST_DECADES = 0.6
#: Powers of ten from this one on are written out.
_LEAST_PLAIN = -5
#: Within this span, 1, 2 and 5 may leave a single tick or two; these factors leave more.
FEW_DECADES = 1.2
FEW_TICKS = (1, 1.5, 2, 3, 5, 7)


def log_axis(values: Sequence[float] | Numbers, pad: float = 0.06) -> dict[str, Any]:
    """Return a logarithmic axis over the values; the less it spans, the more ticks per decade."""
    low, high = math.log10(np.min(values)), math.log10(np.max(values))
    room = max(pad * (high - low), (_LEAST_DECADES - (high - low)) / 2)
    span = high - low + 2 * room
    return {
        "type": "log",
        "range": [low - room, high + room],
        **(_few_ticks(low - room, high + room) if span < FEW_DECADES else {}),
        # 1, 2 and 5; powers of ten.
        "dtick": "D2" if high - low < 2.2 else 1,
        # Below it, "0.000001" and "1e-7" would be mixed.
        "tickformat": "~g" if low - room > _LEAST_PLAIN else "",
        "minor": {"dtick": "D1", "ticks": "outside", "ticklen": 2, "tickcolor": FAINT},
    }


def _few_ticks(low: float, high: float) -> dict[str, Any]:
    """Return ticks between powers of ten: at least two, with room for their labels on a phone.

    An axis without a visible tick makes Plotly put its title at minus infinity.
    """
    decades = range(math.floor(low), math.ceil(high) + 1)
    values = [of * 10.0**decade for decade in decades for of in FEW_TICKS]
    return {"tickmode": "array", "tickvals": [float(f"{value:.2g}") for value in values]}


def width_axis(widths: Sequence[float] | Numbers) -> dict[str, Any]:
    """Return a logarithmic axis of hidden widths, with ticks at the powers of two."""
    low, high = math.log2(np.min(widths)), math.log2(np.max(widths))
    if high - low < 1:  # so that there are two ticks
        low, high = math.floor(low), math.ceil(high + 1e-9)
    ticks = [2**power for power in range(math.floor(low), math.ceil(high) + 1)]
    room = max(0.15, 0.04 * (high - low))
    return {
        "type": "log",
        "range": [(low - room) * math.log10(2), (high + room) * math.log10(2)],
        "tickvals": ticks,
        "ticktext": [f"{tick:,}" for tick in ticks],
    }


#: In the order of the names; the last two are for future activations.
_OF_ACTIVATIONS = (
    *(GREY, BLUE, SKY, GREEN, ORANGE, YELLOW, PURPLE, VERMILLION),
    *("#7A4B1E", "#4B3F8F", "#1F1F1F"),
)
ACTIVATION_COLOURS: Mapping[str, str] = dict(zip(Activation, _OF_ACTIVATIONS, strict=False))

LOSS_SYMBOLS: Mapping[str, str] = {
    Loss.BCE: "circle",
    Loss.MSE: "square",
    Loss.L1: "diamond",
    Loss.HUBER: "triangle-up",
}


def trial_colours(numbers: Sequence[int], baseline: int | None = None) -> dict[int, str]:
    """Return the colour of each trial, the same in every chart of these trials in this order.

    A chart passes all of its trials, also those of which it has nothing to draw. The baseline has a
    separate colour.
    """
    others = iter(colour for colour in PALETTE if colour != VERMILLION)
    return {n: VERMILLION if n == baseline else next(others, GREY) for n in numbers}
