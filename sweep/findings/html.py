"""Render sentences and tables of findings as HTML, for reports and notebooks."""

from html import escape

from sweep.findings.decision import Decision
from sweep.findings.dialects import pieces
from sweep.findings.tables import FindingTable


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
    rows = "\n".join(
        "<tr>{}</tr>".format(
            "".join(
                f"<td{of}>{escape(cell.text)}</td>" for of, cell in zip(classes, row, strict=True)
            )
        )
        for row in table.rows
    )
    region = f'role="region" aria-label="{escape(table.title)}"'
    note = f'<p class="note">{sentence_html(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll" tabindex="0" {region}>\n<table class="findings">\n<thead><tr>{heads}'
        f"</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>\n{note}"
    )


def decision_html(decision: Decision) -> str:
    """Render a decision: its sentence, and the table of alternatives."""
    return f'<p class="decision">{sentence_html(decision.sentence)}</p>{table_html(decision.table)}'
