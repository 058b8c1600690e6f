"""List commands that wait for a coordinator."""

from collections.abc import Sequence
from typing import Any

from dash import html

from sweep.catalogue import formats
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.moments import since
from sweep.store.records import CommandRow


def waiting_commands(commands: Sequence[CommandRow], *, allow_edit: bool = False) -> Any:
    """List pending commands, oldest first, with buttons to cancel if allowed; None if none."""
    if not commands:
        return None
    head = html.Tr([html.Th(label, scope="col") for label in ("Waiting", "With", "Asked")])
    rows = [
        html.Tr(
            [
                html.Td(of.kind),
                html.Td(_payload(of)),
                html.Td(since(of.created_at)),
                *([html.Td(_cancel(of))] if allow_edit else []),
            ]
        )
        for of in commands
    ]
    return html.Table([html.Thead(head), html.Tbody(rows)], className="plain waiting")


def _cancel(command: CommandRow) -> Any:
    return html.Button(
        "Cancel",
        id={"type": "cancel", "command": str(command.command_id)},
        className="plain small",
        **attributes(aria_label=f"Cancel {command.kind}"),
    )


def _payload(command: CommandRow) -> str:
    payload = command.payload.get("configuration", command.payload)
    return " ".join(f"{name}={formats.value(value)}" for name, value in payload.items()) or "–"
