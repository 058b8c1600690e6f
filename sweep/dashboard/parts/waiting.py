"""Commands that wait for a coordinator to apply them."""

from collections.abc import Sequence
from typing import Any

from dash import html

from sweep.catalogue import formats
from sweep.dashboard.parts.moments import since
from sweep.store.records import CommandRow


def waiting_commands(commands: Sequence[CommandRow]) -> Any:
    """What was asked, when, oldest first; nothing when nothing waits."""
    if not commands:
        return None
    head = html.Tr([html.Th(label, scope="col") for label in ("Waiting", "With", "Asked")])
    rows = [
        html.Tr([html.Td(of.kind), html.Td(_payload(of)), html.Td(since(of.created_at))])
        for of in commands
    ]
    return html.Table([html.Thead(head), html.Tbody(rows)], className="plain waiting")


def _payload(command: CommandRow) -> str:
    payload = command.payload.get("configuration", command.payload)
    return " ".join(f"{name}={formats.value(value)}" for name, value in payload.items()) or "–"
