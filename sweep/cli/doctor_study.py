"""Command doctor NAME: what is wrong with a study, and its repair."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import typer

from sweep.cli import words
from sweep.cli.output import say, show_json, show_table
from sweep.store import drift
from sweep.store import examine as study
from sweep.store.checks.types import Fault
from sweep.store.engine import Engine
from sweep.store.migrate import existing_store

#: Exit code for faults that are not repaired.
UNMENDED = 12


def examine(name: str, storage: str | None, *, repair: bool, as_json: bool) -> None:
    """Show what is wrong with a study; with ``repair``, repair it first."""
    engine = existing_store(storage)
    repaired, left = _examine_schema(engine, name, repair=repair)
    sound = not left
    if sound:  # rows of other tables than ours can't be checked
        if repair:
            of_rows, left = study.repair(engine, name)
            repaired += of_rows
        else:
            left = study.examine(engine, name)
    if as_json:
        show_json([_as_json(f, repaired=True) for f in repaired] + [_as_json(f) for f in left])
    else:
        _show(name, repaired, left, sound=sound)
    if left:
        raise typer.Exit(UNMENDED)


def _examine_schema(engine: Engine, name: str, *, repair: bool) -> tuple[list[Fault], list[Fault]]:
    def findings(differences: Sequence[drift.SchemaDifference]) -> list[Fault]:
        return [
            Fault(
                check="schema",
                what=d.what,
                remedy=d.remedy,
                repair=partial(drift.repair, engine, name, [d])
                if d.is_behind or d.repair
                else None,
            )
            for d in differences
        ]

    before = drift.differences(engine)
    if not (repair and before):
        return [], findings(before)
    drift.repair(engine, name, before)
    left = findings(drift.differences(engine))
    return [finding for finding in findings(before) if finding not in left], left


def _as_json(finding: Fault, *, repaired: bool = False) -> dict[str, Any]:
    return {
        "check": finding.check,
        "number": finding.number,
        "what": finding.what,
        "remedy": finding.remedy,
        "repairable": finding.repairable,
        "repaired": repaired,
    }


def _show(name: str, repaired: Sequence[Fault], left: Sequence[Fault], *, sound: bool) -> None:
    rows = [_cells("repaired", finding) for finding in repaired]
    rows += [_cells("WRONG", finding) for finding in left]
    if rows:
        show_table(("", "check", "where", "what", "remedy"), rows, left=5)
    n_repaired, n_left = len(repaired), len(left)
    if not sound:
        say(f"study '{name}' was not examined: repair the schema first.")
    if not rows:
        say(f"study '{name}': no faults found.")
    else:
        say(f"study '{name}': {n_repaired:,} repaired, {words.count(n_left, 'fault')} left.")


def _cells(mark: str, finding: Fault) -> Sequence[str]:
    where = "study" if finding.number is None else f"trial {finding.number}"
    return mark, finding.check, where, words.unroll(finding.what), finding.remedy
