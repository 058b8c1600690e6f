"""Lay out tags and notes of a study or a trial, always as plain text."""

from collections.abc import Sequence
from typing import Any

from dash import html

from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.moments import since
from sweep.store.records import NoteRow


def remarks(tags: Sequence[str], notes: Sequence[NoteRow], *, allow_edit: bool) -> list[Any]:
    """Lay out tags, and notes with the newest first; tags can be removed if that is allowed."""
    shown = [_tag(tag, allow_edit=allow_edit) for tag in tags]
    return [
        html.Div(shown, className="tags") if shown else None,
        *(_note(note) for note in reversed(notes)),
        None if tags or notes else html.P("No notes or tags yet.", className="note"),
    ]


def _tag(tag: str, *, allow_edit: bool) -> Any:
    if not allow_edit:
        return html.Span(tag, className="tag")
    remove = html.Button(
        "×",
        id={"type": "untag", "tag": tag},
        className="untag",
        title="Remove this tag",
        **attributes(aria_label=f"Remove the tag {tag}"),
    )
    return html.Span([tag, remove], className="tag")


def _note(note: NoteRow) -> Any:
    return html.Div(
        [html.Div(note.text, className="note-text"), html.Div(since(note.created_at))],
        className="remark",
    )
