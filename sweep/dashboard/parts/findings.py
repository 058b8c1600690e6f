"""Lay out sentences and tables of findings."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from sweep.dashboard import links
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.moments import since
from sweep.findings.decision import Decision
from sweep.findings.dialects import pieces
from sweep.findings.tables import Cell, FindingTable, TableColumn


def sentence(text: str) -> list[Any]:
    """Return the children of an element: text, and its commands as code."""
    return [html.Code(piece.text) if piece.is_code else piece.text for piece in pieces(text)]


def sentences(texts: Sequence[str]) -> Any:
    """List sentences, one per line."""
    return html.Ul([html.Li(sentence(text)) for text in texts])


def finding_table(
    study: str, table: FindingTable, kind: str = "", buttons: Sequence[Any] = ()
) -> Any:
    """Lay out a table with its note, and a button behind each row where there are some.

    ``kind`` is a CSS class, such as ``stacked`` for phones.
    """
    if not table:
        return missing(table.note) if table.note else html.Div()
    ends = [[html.Td(button)] for button in buttons] or [[]] * len(table.rows)
    body = [
        html.Tr([*cells(study, table, row), *end])
        for row, end in zip(table.rows, ends, strict=True)
    ]
    parts = [html.Thead(html.Tr(heads(table)))] if table.has_headings else []
    note = [html.P(sentence(table.note), className="note")] if table.note else []
    laid_out = html.Table([*parts, html.Tbody(body)], className=f"plain {kind}".strip())
    return html.Div([html.Div(laid_out, className="scroll"), *note])


def lay_out_decision(study: str, decision: Decision) -> list[Any]:
    """Lay out which trial to take, above the table of alternatives."""
    lead = html.P(sentence(decision.sentence), className="decision")
    return [lead, finding_table(study, decision.table, "stacked")]


def missing(text: str) -> Any:
    """Say how to fill an empty part."""
    return html.Div(html.P(sentence(text)), className="empty")


def heads(table: FindingTable) -> list[Any]:
    """Return the headings of the columns."""
    return [
        html.Th(column.title, scope="col", className=_class(column)) for column in table.columns
    ]


def cells(study: str, table: FindingTable, row: Sequence[Cell]) -> list[Any]:
    """Return the cells of a row; the first is its heading if it has no column heading."""
    shown = [_cell(study, column, cell) for column, cell in zip(table.columns, row, strict=True)]
    if table.columns[0].title:
        return shown
    heading = html.Th(row[0].text, scope="row", className=_class(table.columns[0]))
    return [heading, *shown[1:]]


def cell_text(study: str, cell: Cell) -> Any:
    """Lay out what a cell says."""
    if cell.at is not None:
        return since(cell.at, late_after=cell.late_after)
    if cell.trial is not None:
        return trial_link(study, cell.trial, cell.text)
    if cell.trials:
        linked = [part for number in cell.trials for part in (", ", trial_link(study, number))]
        return [*linked[1:], cell.text.removeprefix(", ".join(map(str, cell.trials)))]
    if cell.remark:
        first, *others = cell.remark.splitlines()
        badge = html.Summary(html.Span(cell.text, className="state state-fallback"))
        lines = [html.P(first), *map(html.Div, others)]
        return html.Details([badge, *lines], className="about fallback")
    return cell.text


def _bar(share: float) -> Any:
    """Draw a bar as long as the share is large."""
    width = f"{100 * min(max(share, 0.0), 1.0):.0f}%"
    filled = html.Div(style={"width": width})
    return html.Div(filled, className="bar", **attributes(aria_hidden="true"))


def cell_content(study: str, cell: Cell) -> Any:
    """Lay out what a cell says, with its bar and its detail below."""
    shown = cell_text(study, cell)
    if not cell.detail and cell.share is None:
        return shown
    return [
        html.Div(shown),
        None if cell.share is None else _bar(cell.share),
        html.Div(cell.detail, className="about") if cell.detail else None,
    ]


def _cell(study: str, column: TableColumn, cell: Cell) -> Any:
    # On a phone a cell has no column heading.
    label = attributes(data_label=column.title.lower()) if column.title else {}
    return html.Td(cell_content(study, cell), className=_class(column), **label)


def trial_link(study: str, number: int, text: str = "") -> Any:
    """Link to a trial's page, by its number or another text."""
    return dcc.Link(text or str(number), href=links.url(links.TRIAL, study, number))


def _class(column: TableColumn) -> str:
    return f"{column.name} number" if column.is_number else column.name
