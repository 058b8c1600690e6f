"""Lay out groups of trials as a small table, each with its spread as a bar."""

import math
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.dashboard import links
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.grouping import Group


def group_table(found: Sequence[Group], name: str, study: str, objective: str) -> Any:
    """Lay out a row for each group; its first cell is a button that shows only the group."""
    if not found:
        return html.P("None of these trials has this setting.", className="note")
    best = min((group.best for group in found if group.n_counting), default=math.nan)
    error = column_named(objective).title
    header = html.Tr(
        [
            html.Th(column_named(name).heading),
            html.Th("Trials", className="number"),
            html.Th("Best", className="number"),
            html.Th("of trial", className="number"),
            html.Th("Median", className="number"),
            html.Th("Middle 80 %", className="number"),
            html.Th(f"Spread of the {error}", className="spread-head"),
        ]
    )
    scale = _scale(found)
    lines = [_line(group, study, scale, is_best=group.best == best) for group in found]
    return html.Div(
        html.Table([html.Thead(header), html.Tbody(lines)], className="plain group-table"),
        className="card scroll group-card",
        role="region",
        **attributes(aria_label=f"Trials grouped by {column_named(name).title}"),
    )


def _line(group: Group, study: str, scale: tuple[float, float], *, is_best: bool) -> Any:
    show = html.Button(
        group.text,
        id={"type": "trials-narrow", "where": group.where},
        className="link",
        title="Show these trials only",
    )
    return html.Tr(
        [
            html.Td(show),
            html.Td(f"{group.n_trials:,}", className="number"),
            *(
                _measured_cells(group, study, scale, is_best)
                if group.n_counting
                else _unmeasured_cells()
            ),
        ]
    )


def _measured_cells(
    group: Group, study: str, scale: tuple[float, float], is_best: bool
) -> list[Any]:
    trial = dcc.Link(str(group.best_number), href=links.url(links.TRIAL, study, group.best_number))
    best = ["★ " if is_best else "", formats.number(group.best, 4)]
    return [
        html.Td(best, className="number best" if is_best else "number"),
        html.Td(trial, className="number"),
        html.Td(formats.number(group.median, 4), className="number"),
        html.Td(f"{formats.number(group.low)} – {formats.number(group.high)}", className="number"),
        html.Td(_bar(group, scale)),
    ]


def _unmeasured_cells() -> list[Any]:
    return [*(html.Td("–", className="number") for _ in range(4)), html.Td()]


def _scale(found: Sequence[Group]) -> tuple[float, float]:
    """Return the logarithms of the best and the worst values, at which the bars begin and end."""
    ends = [_log(end) for group in found if group.n_counting for end in (group.best, group.high)]
    return min(ends, default=0.0), max(ends, default=1.0)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-12))


def _bar(group: Group, scale: tuple[float, float]) -> Any:
    def at(value: float) -> float:
        low, high = scale
        return 100 * (_log(value) - low) / (high - low) if high > low else 50.0

    left = at(group.low)
    return html.Div(
        [
            html.Div(className="spread-band", style=_span(left, at(group.high) - left)),
            html.Div(className="spread-median", style={"left": f"{at(group.median):.2f}%"}),
            html.Div(className="spread-best", style={"left": f"{at(group.best):.2f}%"}),
        ],
        className="spread",
        title="Dot: the best. Line: the median. Band: the middle 80 %. Logarithmic.",
        **attributes(aria_hidden="true"),
    )


def _span(left: float, width: float) -> dict[str, str]:
    return {"left": f"{left:.2f}%", "width": f"{max(width, 0.5):.2f}%"}
