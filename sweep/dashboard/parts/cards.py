"""Lay out cards: a figure with its downloads, a number with its label."""

import base64
from collections.abc import Mapping
from typing import Any, cast

import plotly.graph_objects as go
from dash import Patch, dcc, html

from sweep.catalogue.records import capitalise
from sweep.dashboard import links
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.findings import cell_text, sentence
from sweep.figures import style
from sweep.findings.tables import FindingTable

_FORMATS = {"png": "PNG", "svg": "SVG", "csv": "CSV"}


def figure_card(
    graph_id: str,
    drawn: go.Figure | None = None,
    *,
    title: str,
    note: str = "",
    controls: Any = None,
    poster: str | None = None,
    height: int = 440,
    config: Mapping[str, Any] = style.CONFIG,
    later: bool = False,
    hidden: bool = False,
) -> Any:
    """Lay out a chart in its frame, with downloads as PNG, SVG and (its data as) CSV.

    ``graph_id`` is the dcc.Graph's id; the note's is ``{graph_id}-note``. Without a figure the card
    waits for a callback to fill it. ``poster`` is a static SVG that is shown until Plotly
    has loaded. With ``later`` the card has no chart, so that browsers render the rest before they
    load Plotly; a callback adds the chart.
    """
    height = height if drawn is None else loosen(drawn).layout.height
    graph = dcc.Graph(
        id=graph_id,
        figure=drawn if drawn is not None else empty_chart(),
        config=cast(Any, dict(config)),
        responsive=True,
        style={"height": f"{height}px"},
    )
    # Callbacks that fill the chart fill its title and note: they wait until all exist.
    title_id: dict[str, Any] = {} if later else {"id": f"{graph_id}-title"}
    note_id: dict[str, Any] = {} if later else {"id": f"{graph_id}-note"}
    return html.Section(
        [
            html.Div(
                [html.H2(title, **title_id), *_as_list(controls), _downloads(title)],
                className="card-head",
            ),
            html.Div(
                [
                    *([_poster(poster, title)] if poster else []),
                    *([] if later else [graph]),
                ],
                className="card-body",
                # A chart that a callback fills may turn out lower.
                style={"minHeight": f"{height}px"} if later else None,
            ),
            html.P(sentence(note), className="note", **note_id),
        ],
        id=f"{graph_id}-card",
        className="card figure-card",
        hidden=hidden,
        **attributes(aria_labelledby=f"{graph_id}-title"),
    )


def loosen(drawn: go.Figure) -> go.Figure:
    """Prepare a figure's axes so that its zoom outlives updates."""
    return drawn.for_each_xaxis(_loosen).for_each_yaxis(_loosen)


def _loosen(axis: Any) -> None:
    """Replace a range by constraints from which Plotly computes it.

    A range that differs from the previous figure's would reset a reader's zoom, whatever uirevision
    is. An axis without zoom keeps its range.
    """
    if axis.range is None or None in axis.range or axis.fixedrange:
        return
    first, last = axis.range
    low, high = sorted((first, last))
    # Plotly wants these ends as logarithms, but its check takes their logarithms, which fails for
    # ends below 1; clipping bounds are values. They only narrow the computed range.
    within = (
        {"clipmin": 10**low, "clipmax": 10**high}
        if axis.type == "log" and low <= 0
        else {"minallowed": low, "maxallowed": high}
    )
    axis.update(
        range=None, autorange=True if first <= last else "reversed", autorangeoptions=within
    )


def fresh(drawn: go.Figure) -> Patch:
    """Return a patch that updates the chart of an older figure and keeps its zoom.

    After each zoom Dash hands Plotly its own zoomed layout back, which makes uirevision forget the
    zoom: so ranges are not sent at all, and unzoomed ones follow the data.
    """
    sent = loosen(drawn).to_plotly_json()
    patch = Patch()
    patch["data"] = sent["data"]
    # Remove what only the older figure has.
    for key, value in {"annotations": [], "shapes": [], **sent["layout"]}.items():
        if not key.startswith(("xaxis", "yaxis")):
            patch["layout"][key] = value
            continue
        # A chart without data hid its axes.
        for name, of_axis in {"visible": True, **value}.items():
            if name not in ("range", "autorange"):
                patch["layout"][key][name] = of_axis
    return patch


def empty_chart() -> dict[str, Any]:
    """Return an empty chart, until a callback fills it."""
    hidden = {"visible": False}
    clear = "rgba(0,0,0,0)"
    return {
        "data": [],
        "layout": {
            "xaxis": hidden,
            "yaxis": hidden,
            "paper_bgcolor": clear,
            "plot_bgcolor": clear,
        },
    }


def _poster(svg: str, title: str) -> Any:
    uri = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return html.Img(src=uri, alt=title, className="poster")


def _downloads(title: str) -> Any:
    # sweep.js listens for clicks on [data-download] and finds the card's chart.
    return html.Div(
        [
            html.Button(
                label,
                className="plain small",
                title=f"Download as {label}",
                **attributes(
                    data_download=kind, aria_label=f"Download {title or 'chart'} as {label}"
                ),
            )
            for kind, label in _FORMATS.items()
        ],
        className="downloads",
    )


def _as_list(of: Any) -> list[Any]:
    return [] if of is None else list(of) if isinstance(of, list | tuple) else [of]


def _tile(label: str, value: Any, detail: Any) -> Any:
    return html.Div(
        [
            html.Div(label, className="tile-label"),
            html.Div(value, className="tile-value"),
            html.Div(detail, className="tile-detail"),
        ],
        className="tile",
    )


def tiles_of(study: str, table: FindingTable) -> list[Any]:
    """Lay out a table of label, value and what stands beside it as a strip of numbers."""
    return [
        _tile(
            capitalise(label.text.partition(" (")[0]),
            cell_text(study, value),
            dcc.Link(beside.text, href=links.url(links.WORKERS, study))
            if beside.remark
            else beside.text,
        )
        for label, value, beside in table.rows
    ]


def strip(tiles: list[Any], **options: Any) -> Any:
    """Tiles side by side."""
    return html.Div(tiles, className="strip", **options)


def empty(title: str, text: Any) -> Any:
    """Lay out a part of a page that has nothing to show yet, with the reason."""
    return html.Div([html.H2(title), html.P(text)], className="empty")


def card(title: str, content: Any, *, controls: Any = None, **options: Any) -> Any:
    """Lay out a titled frame around any content."""
    head = html.Div([html.H2(title), *_as_list(controls)], className="card-head")
    return html.Section([head, content], className="card", **options)
