"""Render sentences and tables of findings as HTML, for reports and notebooks."""

from collections.abc import Sequence
from html import escape

from sweep.findings.decision import Decision
from sweep.findings.dialects import pieces
from sweep.findings.tables import Cell, FindingTable


def sentence_html(text: str) -> str:
    """Render a sentence, with its commands as code."""
    return "".join(
        f"<code>{escape(piece.text)}</code>" if piece.is_code else escape(piece.text)
        for piece in pieces(text)
    )


def table_html(table: FindingTable) -> str:
    """Render a table with its note; an empty table is a paragraph that says how to fill it."""
    if not table:
        return f'<p class="empty">{sentence_html(table.note)}</p>'
    classes = [' class="n"' if column.is_number else "" for column in table.columns]
    heads = "".join(
        f'<th scope="col"{of}>{escape(column.title)}</th>'
        for of, column in zip(classes, table.columns, strict=True)
    )
    head = f"<thead><tr>{heads}</tr></thead>\n" if table.has_headings else ""
    rows = "\n".join(_row_html(table, classes, row) for row in table.rows)
    kind = "findings" if table.has_headings else "facts"
    region = f'role="region" aria-label="{escape(table.title)}"'
    note = f'<p class="note">{sentence_html(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll" tabindex="0" {region}>\n<table class="{kind}">\n{head}'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</div>\n{note}"
    )


def _row_html(table: FindingTable, classes: Sequence[str], row: Sequence[Cell]) -> str:
    cells = [f"<td{of}>{escape(cell.text)}</td>" for of, cell in zip(classes, row, strict=True)]
    if not table.has_headings:
        cells[0] = f'<th scope="row">{escape(row[0].text)}</th>'
    return f"<tr>{''.join(cells)}</tr>"


def decision_html(decision: Decision) -> str:
    """Render a decision: its sentence, and the table of alternatives."""
    return f'<p class="decision">{sentence_html(decision.sentence)}</p>{table_html(decision.table)}'
