"""Style a figure for paper: black on white, of a given size, with fonts that are legible at it.

Lengths are CSS pixels, 96 per inch.
"""

import math
from typing import Any

import plotly.graph_objects as go

#: Default width.
_WIDTH = 1000
#: A chart of the default height looks best at this width; other heights are in proportion.
_USUAL_WIDTH = 620
#: 8 points, the minimum that journals require in figures.
_FONT = 8 * 96 / 72
#: 7 points, for names in a legend.
_SMALL_FONT = 7 * 96 / 72
#: Font size on a page, for which charts are drawn.
_USUAL_FONT = 13
#: Dots per pixel of a PNG: at a given width, 300 per inch.
_PRINT_SCALE = 300 / 96

#: Width of the mark and height of a legend entry; and the width of a letter, in font sizes.
_LEGEND_MARK, _LEGEND_LINE = 42.0, 19.0
_LETTER = 0.5
#: Left and right of the plot.
_MARGINS = 60.0
_GRID = "#DDDDDD"


def style_for_print(drawn: go.Figure, width: float | None, height: float | None) -> go.Figure:
    """Style black text on white; at a given width, with fonts of 8 points and narrow margins."""
    axis: dict[str, Any] = {"linecolor": "black", "tickcolor": "black", "gridcolor": _GRID}
    usual_height = drawn.layout.height
    drawn.update_layout(
        width=width or _WIDTH,
        height=height or usual_height,
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"color": "black"},
    )
    drawn.update_xaxes(axis).update_yaxes(axis)
    if width is None:
        return drawn
    # Rows of words need their lines of text; other charts may be as low as they are narrow.
    needs_rows = drawn.layout.yaxis.autorange == "reversed"
    shrink = _FONT / _USUAL_FONT if needs_rows else width / _USUAL_WIDTH
    drawn.for_each_yaxis(_in_two_lines)
    return _with_small_marks(
        _with_small_fonts(drawn), min(1.0, width / _USUAL_WIDTH)
    ).update_layout(
        height=height or shrink * usual_height + _legend_height(drawn, width),
        # A chart with margins of its own has names there.
        margin={"l": 4, "r": 4, "t": 6, "b": 4} | drawn.layout.margin.to_plotly_json(),
    )


def print_scale(kind: str, width: float | None) -> float:
    """Return the dots per pixel of a picture."""
    return _PRINT_SCALE if kind == "png" and width is not None else 1.0


def _in_two_lines(axis: Any) -> None:
    """Break the title before its unit: it is next to a low chart."""
    axis.title.text = (axis.title.text or "").replace(" (", "<br>(")


def _legend_height(drawn: go.Figure, width: float) -> float:
    """Return the height of the legend's lines except the first; entries are in equal columns."""
    names = [trace.name for trace in drawn.data if trace.name and trace.showlegend is not False]
    if len(names) < 2 and not drawn.layout.showlegend:
        return 0.0
    column = _LEGEND_MARK + _LETTER * _SMALL_FONT * max(map(len, names), default=0)
    n_columns = max(1, int((width - _MARGINS) / column))
    return (math.ceil(len(names) / n_columns) - 1) * _LEGEND_LINE


def _with_small_fonts(drawn: go.Figure) -> go.Figure:
    font = {"size": _FONT}
    axis = {"title": {"font": font, "standoff": 6}, "tickfont": font, "ticklen": 3}
    legend = {"font": {"size": _SMALL_FONT}, "xref": "container", "x": 0}
    drawn.update_layout(font=font, legend=legend)
    drawn.update_annotations(font=font)
    drawn.for_each_trace(_with_small_colour_bar)
    drawn.update_traces(labelfont=font, tickfont=font, selector={"type": "parcoords"})
    return drawn.update_xaxes(axis).update_yaxes(axis)


def _with_small_colour_bar(trace: Any) -> None:
    for holder in (trace, getattr(trace, "marker", None), getattr(trace, "line", None)):
        if holder is not None and "colorbar" in holder and holder.colorbar.to_plotly_json():
            font = {"size": _FONT}
            holder.colorbar.update(title={"font": font}, tickfont=font, thickness=6)


def _with_small_marks(drawn: go.Figure, by: float) -> go.Figure:
    for trace in drawn.data:
        for part, name in (("marker", "size"), ("line", "width")):
            of = getattr(trace, part, None)
            if isinstance(size := getattr(of, name, None), int | float):
                setattr(of, name, max(size * by, min(size, 1.0)))
    return drawn
