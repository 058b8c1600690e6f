"""Sentences and tables of findings as elements of a page."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from sweep.dashboard import links
from sweep.dashboard.parts.attributes import attributes
from sweep.findings.dialects import pieces
from sweep.findings.tables import Cell, FindingTable, TableColumn


def sentence(text: str) -> list[Any]:
    """Return the children of an element: text, and the commands in it as code."""
    return [html.Code(piece.text) if piece.is_code else piece.text for piece in pieces(text)]


def finding_table(study: str, table: FindingTable, kind: str = "") -> Any:
    """Lay out a table with its note; ``kind`` is a CSS class, such as ``stacked`` for phones."""
    note = [html.P(sentence(table.note), className="note")] if table.note else []
    if not table:
        return html.Div(note)
    heads = [
        html.Th(column.title, scope="col", className=_class(column)) for column in table.columns
    ]
    body = [html.Tr(_cells(study, table, row)) for row in table.rows]
    parts = [html.Thead(html.Tr(heads))] if table.has_headings else []
    laid_out = html.Table([*parts, html.Tbody(body)], className=f"plain {kind}".strip())
    return html.Div([html.Div(laid_out, className="scroll"), *note])


def _cells(study: str, table: FindingTable, row: Sequence[Cell]) -> list[Any]:
    """Of a row; the first is its heading where it stands under none."""
    cells = [_cell(study, column, cell) for column, cell in zip(table.columns, row, strict=True)]
    if table.columns[0].title:
        return cells
    heading = html.Th(row[0].text, scope="row", className=_class(table.columns[0]))
    return [heading, *cells[1:]]


def _cell(study: str, column: TableColumn, cell: Cell) -> Any:
    shown: Any = cell.text
    if cell.trial is not None:
        shown = dcc.Link(cell.text, href=links.url(links.TRIAL, study, cell.trial))
    # On a phone a cell of a stacked table stands under no heading.
    is_short = column.is_number or cell.trial is not None
    label = attributes(data_label=column.title.lower()) if is_short and column.title else {}
    return html.Td(shown, className=_class(column), **label)


def _class(column: TableColumn) -> str:
    return f"{column.name} number" if column.is_number else column.name
