"""Send users' commands to a coordinator: rows that wait, visible to all, until it applies them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from sweep.enums import CommandKind
from sweep.errors import CorruptValueError
from sweep.store import revisions
from sweep.store.clock import now
from sweep.store.column_types import locate_corruption
from sweep.store.engine import write_transaction
from sweep.store.lookup import find_study, snapshot
from sweep.store.schema import sweep_commands

#: Outcome of a withdrawn command.
CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that no coordinator has applied yet."""

    command_id: int
    #: A CommandKind, unless a newer version wrote it.
    kind: str
    payload: dict[str, Any]
    #: Why it cannot be read; None if it can.
    problem: str | None = None


def post(
    engine: Engine, study: str, kind: CommandKind, payload: Mapping[str, Any] | None = None
) -> int:
    """Write a command for the study's present or next coordinator; return its id.

    ``study`` is a name or a key. Raises NotFoundError if the study was deleted.
    """
    with write_transaction(engine) as connection:
        study_id = find_study(connection, study)
        revisions.advance(connection, study_id)
        command_id: int = connection.execute(
            insert(sweep_commands)
            .values(
                study_id=study_id,
                kind=kind.value,
                payload=dict(payload or {}),
                created_at=now(connection.dialect.name),
            )
            .returning(sweep_commands.c.command_id)
        ).scalar_one()
    return command_id


def cancel(engine: Engine, study: str, command_id: int) -> bool:
    """Withdraw a command; return whether it was still pending.

    A coordinator that has already read it may still apply it, and records so.
    """
    of = sweep_commands.c
    with write_transaction(engine) as connection:
        study_id = find_study(connection, study)
        revisions.advance(connection, study_id)
        waits = (of.study_id == study_id, of.command_id == command_id, of.applied_at.is_(None))
        outcome = {"applied_at": now(connection.dialect.name), "outcome": CANCELLED}
        return connection.execute(update(sweep_commands).where(*waits).values(outcome)).rowcount > 0


def list_pending(engine: Engine, study_id: int) -> list[Command]:
    """List the pending commands, oldest first.

    One that cannot be read does not block the others.
    """
    command_ids = (
        select(sweep_commands.c.command_id)
        .where(sweep_commands.c.study_id == study_id, sweep_commands.c.applied_at.is_(None))
        .order_by(sweep_commands.c.command_id)
    )
    with snapshot(engine) as connection:
        return [_read(connection, of) for of in connection.execute(command_ids).scalars().all()]


def _read(connection: Connection, command_id: int) -> Command:
    query = select(sweep_commands).where(sweep_commands.c.command_id == command_id)
    try:
        with locate_corruption(connection):
            row = connection.execute(query).one()
    except CorruptValueError as error:
        problem = f"{error.place}: {error.why}"
        return Command(command_id=command_id, kind="", payload={}, problem=problem)
    return Command(command_id=command_id, kind=row.kind, payload=row.payload)
