"""Show a trial's state in words, with a sign, so that colour is never the only cue."""

from typing import Any

from dash import html

from sweep.enums import Outcome
from sweep.store.table import TrialTable

#: State, or outcome if it is more specific: sign and word.
SIGNS = {
    "WAITING": "○ waiting",
    "RUNNING": "▶ running",
    "COMPLETE": "✓ complete",
    "PRUNED": "✂ pruned",
    "FAIL": "✕ failed",
    "DIVERGED": "∞ diverged",
    "REUSED": "⧉ reused",
    "TIMED-OUT": "⧖ timed out",
}

#: Outcomes that are more specific than the state.
_FINER = {
    Outcome.DIVERGED.value: "DIVERGED",
    Outcome.REUSED.value: "REUSED",
    Outcome.TIMED_OUT.value: "TIMED-OUT",
}


def kind(state: str, outcome: str | None) -> str:
    """Return the key of SIGNS, which distinguishes divergence from other failures."""
    return _FINER.get(str(outcome), state)


def text(state: str, outcome: str | None, invalid: bool) -> str:
    """Write the state for a cell, including an invalid mark."""
    said = SIGNS.get(kind(state, outcome), state.lower())
    return f"{said}, invalid" if invalid else said


def badge(state: str, outcome: str | None = None, invalid: bool = False) -> Any:
    """Lay out the state as a small label."""
    name = "invalid" if invalid else kind(state, outcome).lower()
    return html.Span(text(state, outcome, invalid), className=f"state state-{name}")


def texts(table: TrialTable) -> list[str]:
    """Write the state of every trial of a table for a cell."""
    return [
        text(str(table.states.value(row)), table.outcomes.value(row), bool(table.invalid[row]))
        for row in range(len(table))
    ]
