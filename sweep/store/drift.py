"""Find where the database's tables differ from this version's schema, and add what is missing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Engine, Index, MetaData, Table, select

from sweep.errors import StoreError
from sweep.store.annotate import refuse_if_held
from sweep.store.engine import write_transaction
from sweep.store.migrate import VERSION_TABLE, check_schema, upgrade
from sweep.store.optuna_rows import metadata
from sweep.store.schema import studies, sweep_leases, sweep_metadata

Repair = Callable[[Connection], None]


@dataclass(frozen=True, kw_only=True)
class SchemaDifference:
    """A single difference of the schema."""

    what: str
    remedy: str
    #: Adds what is missing; None if we must not.
    repair: Repair | None = None
    #: Whether the schema is an older version of ours, which ``upgrade`` migrates as a whole.
    is_behind: bool = False


def differences(engine: Engine) -> list[SchemaDifference]:
    """List the differences: of versions first; tables are compared only if the versions agree."""
    try:
        check_schema(engine)
    except StoreError as error:
        behind = "sweep db upgrade" in str(error) or "sweep db init" in str(error)
        remedy = "--repair upgrades it, as `sweep db upgrade` does" if behind else "see there"
        return [SchemaDifference(what=str(error), remedy=remedy, is_behind=behind)]
    with engine.connect() as connection:
        ours = _compare(connection, sweep_metadata, lambda name: name.startswith("sweep_"))
        theirs = _compare(connection, metadata, metadata.tables.__contains__)
    return [*map(_of_ours, ours), *map(_of_optunas, theirs)]


def repair(engine: Engine, name: str, found: Iterable[SchemaDifference]) -> None:
    """Add what our schema lacks. Raises StudyHeldError while a coordinator holds the study."""
    found = list(found)
    with engine.connect() as connection:
        if sqlalchemy.inspect(connection).has_table(sweep_leases.name):
            query = select(studies.c.study_id).where(studies.c.study_name == name)
            refuse_if_held(connection, name, connection.scalar(query) or 0)
    if any(difference.is_behind for difference in found):
        upgrade(engine)
    with write_transaction(engine) as connection:
        for difference in found:
            if difference.repair is not None:
                difference.repair(connection)


def _compare(
    connection: Connection, expected: MetaData, is_theirs: Callable[[str], bool]
) -> list[tuple[Any, ...]]:
    """Return Alembic's differences, one each; column types are left to the database."""

    def include(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or (str(name) != VERSION_TABLE and is_theirs(str(name)))

    options = {"include_name": include, "compare_type": False, "version_table": VERSION_TABLE}
    context = MigrationContext.configure(connection, opts=options)
    found: list[tuple[Any, ...]] = []
    for difference in compare_metadata(context, expected):
        parts = difference if isinstance(difference, list) else [difference]
        found += [part for part in parts if is_theirs(_table_of(part))]
    return found


def _table_of(difference: tuple[Any, ...]) -> str:
    match difference:
        case (_, Table() as table):
            return str(table.name)
        case (_, Index() as index):
            return str(index.table.name) if index.table is not None else ""
        case (_, sqlalchemy.Constraint() as constraint):
            return str(constraint.table.name)
        case (_, _, str() as name, *_):
            return name
    return ""


def _of_ours(difference: tuple[Any, ...]) -> SchemaDifference:
    match difference:
        case ("add_table", Table() as table):
            return SchemaDifference(
                what=f"the table {table.name} is missing",
                remedy="--repair creates it, empty",
                repair=lambda connection: table.create(connection),
            )
        case ("add_column", _, str() as name, Column() as column):
            return _missing_column(name, column)
        case ("add_index", Index() as index):
            return SchemaDifference(
                what=f"the index {index.name} is missing",
                remedy="--repair creates it",
                # If the table was missing too, creating it has already created the index.
                repair=lambda connection: index.create(connection, checkfirst=True),
            )
    return _unknown(difference)


def _missing_column(table: str, column: Column[Any]) -> SchemaDifference:
    what = f"the column {table}.{column.name} is missing"
    if not (column.nullable or column.server_default):
        return SchemaDifference(what=what, remedy="its values are lost: restore a backup")
    return SchemaDifference(
        what=what,
        remedy="--repair adds it, empty",
        repair=lambda connection: _add_column(connection, table, column),
    )


def _add_column(connection: Connection, table: str, column: Column[Any]) -> None:
    operations = Operations(MigrationContext.configure(connection))
    operations.add_column(table, column._copy())


def _of_optunas(difference: tuple[Any, ...]) -> SchemaDifference:
    return _unknown(difference, "Optuna's tables are Optuna's: `optuna storage upgrade` may help")


def _unknown(
    difference: tuple[Any, ...], remedy: str = "left alone; unless it is yours, restore a backup"
) -> SchemaDifference:
    verb, *parts = difference
    named = [str(getattr(part, "name", part)) for part in parts if part is not None]
    kind = str(verb).replace("remove_", "unexpected ").replace("add_", "missing ")
    return SchemaDifference(what=f"{kind.replace('_', ' ')}: {'.'.join(named[:2])}", remedy=remedy)
