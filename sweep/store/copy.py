"""Copy whole studies from one database to another, SQLite or PostgreSQL, with new ids.

Every table with a column ``study_id`` or ``trial_id`` is copied, Optuna's and ours, so a table that
is added later is copied too. Ids inside attributes stay unchanged: samplers write the ids of the
coordinator's in-memory storage there, which are trial numbers.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    Text,
    cast,
    insert,
    null,
    select,
)

from sweep.errors import NoRoomError, UsageError
from sweep.store.annotate import refuse_if_held
from sweep.store.artifacts import artifact_path, has_artifact
from sweep.store.column_types import from_text, is_json
from sweep.store.derived_studies import parents
from sweep.store.engine import format_url, insert_if_absent, lift_time_limit, write_transaction
from sweep.store.lookup import find_study, snapshot
from sweep.store.optuna_rows import checked_metadata
from sweep.store.schema import (
    studies,
    sweep_floors,
    sweep_leases,
    sweep_metadata,
    sweep_probe_baselines,
    sweep_studies,
    sweep_trials,
    trials,
)

#: Rows held in memory at a time; a row of pictures has some 10 kB.
_ROWS_AT_ONCE = 1000

Row = dict[str, Any]
_NO_JSON: Mapping[str, Column[Any]] = {}


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What was copied with a study."""

    n_trials: int
    #: Weights files that are now at the destination.
    n_artifacts: int
    #: Ids of weights that are missing in the source folder too; the copied rows still name them.
    missing_artifacts: tuple[str, ...] = ()


def studies_to_copy(source: Engine, target: Engine, names: Sequence[str] = ()) -> list[str]:
    """Check the named studies, or all of ours, before anything is written.

    Studies that were trained for a named one, such as explanations, come after it.

    Raises NotFoundError if a study does not exist, StudyHeldError if a coordinator runs it, and
    UsageError if the target has a study of its name.
    """
    with snapshot(source) as connection:
        wanted = _with_derived(connection, names) or _names(connection)
        for name in wanted:
            refuse_if_held(connection, name, find_study(connection, name), lock=False)
    with snapshot(target) as connection:
        query = select(studies.c.study_name).where(studies.c.study_name.in_(wanted))
        taken = sorted(connection.execute(query).scalars())
    if taken:
        raise _names_taken_error(target, taken)
    return wanted


def _with_derived(connection: Connection, names: Sequence[str]) -> list[str]:
    parent_of = parents(connection) if names else {}
    wanted = list(dict.fromkeys(names))
    for name in wanted:  # which grows: an explanation may be retrained
        derived = [child for child, parent in parent_of.items() if parent == name]
        wanted += [child for child in derived if child not in wanted]
    return wanted


def _names(connection: Connection) -> list[str]:
    ours = select(studies.c.study_name).join(
        sweep_studies, sweep_studies.c.study_id == studies.c.study_id
    )
    return list(connection.execute(ours.order_by(studies.c.study_id)).scalars())


def _names_taken_error(target: Engine, names: Iterable[str]) -> UsageError:
    listed = ", ".join(f"'{name}'" for name in names)
    return UsageError(
        f"{format_url(target.url)} holds {listed} already. `sweep delete NAME --storage …` makes "
        "room there; --study copies others."
    )


def copy_study(source: Engine, target: Engine, name: str) -> Copied:
    """Copy one study in one transaction, weights files first.

    The study is read as of one moment. If somebody resumes the original during the copy, what
    follows is not in the copy. Raises as ``studies_to_copy`` does.
    """
    with snapshot(source) as reading:
        study_id = find_study(reading, name)
        refuse_if_held(reading, name, study_id, lock=False)
        lift_time_limit(reading)  # a table's statement stays open while its rows are written
        missing = _copy_artifacts(source, target, artifacts := _artifacts(reading, study_id))
        with write_transaction(target) as connection:
            new_id = _insert_study(connection, target, name)
            trial_ids = _copy_trials(reading, connection, study_id, new_id)
            for table in _tables_beside():
                _copy_table(reading, connection, table, {study_id: new_id}, trial_ids)
            _copy_of_data(reading, connection, study_id)
    return Copied(
        n_trials=len(trial_ids),
        n_artifacts=len(artifacts) - len(missing),
        missing_artifacts=tuple(missing),
    )


def _insert_study(connection: Connection, target: Engine, name: str) -> int:
    if not insert_if_absent(connection, studies, {"study_name": name}):
        raise _names_taken_error(target, [name])  # somebody else created it after our check
    query = select(studies.c.study_id).where(studies.c.study_name == name)
    return int(connection.execute(query).scalar_one())


def _copy_trials(
    reading: Connection, writing: Connection, study_id: int, new_id: int
) -> dict[int, int]:
    """Copy Optuna's trial rows in order; return the new ids by the old ones."""
    query = select(trials).where(trials.c.study_id == study_id).order_by(trials.c.trial_id)
    statement = insert(trials).returning(trials.c.trial_id, sort_by_parameter_order=True)
    ids: dict[int, int] = {}
    for rows in _in_parts(reading, query):
        old = [row.pop("trial_id") for row in rows]
        new = writing.execute(statement, [{**row, "study_id": new_id} for row in rows])
        ids.update(zip(old, new.scalars(), strict=True))
    return ids


def _tables_beside() -> list[Table]:
    """Return all other tables with rows of studies or trials."""
    tables = [*checked_metadata.sorted_tables, *sweep_metadata.sorted_tables]
    return [
        table
        for table in tables
        if table.name not in ("studies", "trials")
        and {"study_id", "trial_id"} & set(table.c.keys())
    ]


def _copy_table(
    reading: Connection,
    writing: Connection,
    table: Table,
    study_ids: Mapping[int, int],
    trial_ids: Mapping[int, int],
) -> None:
    own_key = _own_key(table)
    jsons = {column.name: column for column in table.c if is_json(column)}
    for rows in _in_parts(reading, _rows_of(table, study_ids), jsons):
        for row in rows:
            if own_key is not None:
                del row[own_key]
            if "study_id" in row:
                row["study_id"] = study_ids[row["study_id"]]
            if row.get("trial_id") is not None:
                row["trial_id"] = trial_ids[row["trial_id"]]
            if table is sweep_leases:  # no process holds the copy
                row.update(token="", expires_at=0.0)
        writing.execute(insert(table), rows)


def _own_key(table: Table) -> str | None:
    """Return the column by which a database numbers this table's rows.

    No other table refers to it.
    """
    keys = list(table.primary_key.columns)
    named = [key.name for key in keys if isinstance(key.type, Integer) and not key.foreign_keys]
    return named[0] if len(keys) == len(named) == 1 else None


def _rows_of(table: Table, study_ids: Iterable[int]) -> Select[Any]:
    # JSON as text: read as JSON, SQL's NULL and JSON's null would both be None.
    columns = [
        cast(column, Text).label(column.name) if is_json(column) else column for column in table.c
    ]
    query = select(*columns).order_by(*table.primary_key.columns)
    if "study_id" in table.c:
        return query.where(table.c.study_id.in_(study_ids))
    of_study = select(trials.c.trial_id).where(trials.c.study_id.in_(study_ids))
    return query.where(table.c.trial_id.in_(of_study))


def _in_parts(
    reading: Connection, query: Select[Any], jsons: Mapping[str, Column[Any]] = _NO_JSON
) -> Iterator[list[Row]]:
    """Yield a query's rows in parts, ready to be inserted; ``jsons`` are kept as text."""
    result = reading.execute(query.execution_options(stream_results=True))
    for rows in result.mappings().partitions(_ROWS_AT_ONCE):
        yield [
            {**row, **{name: _json(of, row[name]) for name, of in jsons.items()}} for row in rows
        ]


def _json(column: Column[Any], text: str | None) -> Any:
    if text is None:
        return null()
    value = from_text(column, text)
    return JSON.NULL if value is None else value


def _copy_of_data(reading: Connection, writing: Connection, study_id: int) -> None:
    """Copy floors and baselines of the study's own data, on which all studies of it rely."""
    of_study = select(sweep_studies.c.provenance).where(sweep_studies.c.study_id == study_id)
    sha256 = reading.execute(of_study).scalar_one().get("data_sha256")
    if not sha256:
        return
    # A key contains the data's checksum and the split: see datasets.images.data_key.
    for table in (sweep_floors, sweep_probe_baselines):
        query = select(table).where(table.c.data_key.contains(sha256, autoescape=True))
        for row in reading.execute(query).mappings():
            insert_if_absent(writing, table, dict(row))


def _artifacts(reading: Connection, study_id: int) -> list[str]:
    kept = select(sweep_trials.c.artifact_id).where(
        sweep_trials.c.study_id == study_id, sweep_trials.c.artifact_id.is_not(None)
    )
    return sorted(set(reading.execute(kept).scalars()))


def _copy_artifacts(source: Engine, target: Engine, artifact_ids: Iterable[str]) -> list[str]:
    """Copy the files that the target folder lacks; return the ids of missing files."""
    missing = []
    for artifact_id in artifact_ids:
        old, new = (artifact_path(engine.url, artifact_id) for engine in (source, target))
        if new.exists():
            continue
        if has_artifact(old.parent, artifact_id):
            _copy_file(old, new)
        else:
            missing.append(artifact_id)
    return missing


def _copy_file(old: Path, new: Path) -> None:
    """Copy a file atomically."""
    part = new.with_name(f".{new.name}.part")
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(old, part, follow_symlinks=False)
        part.replace(new)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise NoRoomError(
            f"{new}: {error.strerror}. Nothing of this study was copied; SWEEP_ARTIFACTS names one "
            "folder of weights for all databases."
        ) from error
