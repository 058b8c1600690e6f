"""Phases, worker states and kinds of events are members of enums wherever they are compared."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.enums import EventKind, StudyPhase, WorkerState

SWEEP = Path(__file__).parents[1] / "sweep"
WORDS = {*StudyPhase, *WorkerState, *EventKind}
NAMES = {"phase", "state", "kind"}


def bare_words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each string that stands where a member of an enum belongs."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others) if _name(left) in NAMES:
                found = [constant for other in others for constant in ast.walk(other)]
            case ast.keyword(arg=name, value=value) if name in NAMES:
                found = [value]
            case ast.Call(func=ast.Attribute(attr="set_phase" | "in_"), args=args):
                found = [constant for argument in args for constant in ast.walk(argument)]
            case _:
                continue
        for one in found:
            if isinstance(one, ast.Constant) and one.value in WORDS:
                yield one.lineno, str(one.value)


def _name(node: ast.AST) -> str | None:
    return getattr(node, "attr", None) or getattr(node, "id", None)


def test_no_phase_state_or_kind_of_event_is_a_bare_string() -> None:
    found = [
        f"{path.relative_to(SWEEP)}:{line}: {word!r}"
        for path in sorted(SWEEP.rglob("*.py"))
        if "migrations" not in path.parts
        for line, word in bare_words(ast.parse(path.read_text()))
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "study.phase == 'running'",
        "phase in ('paused', 'finished')",
        "note(worker, state='gone')",
        "state.set_phase('paused')",
        "table.c.phase.in_(['new'])",
    ],
)
def test_a_bare_string_is_found(code: str) -> None:
    assert list(bare_words(ast.parse(code)))
