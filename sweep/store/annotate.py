"""Write what users change directly, without the coordinator: notes, tags, marks, deletion.

Each function is one transaction. It raises NotFoundError if the study or trial does not exist.
"""

from collections.abc import Mapping
from contextlib import suppress
from shlex import quote
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import NullType

from sweep.errors import CorruptValueError, StudyHeldError, UsageError
from sweep.store import clock, lease, revisions
from sweep.store.column_types import locate_corruption
from sweep.store.engine import lift_time_limit, write_transaction
from sweep.store.lookup import find_study, find_trial, no_such_study, utc
from sweep.store.optuna_rows import metadata
from sweep.store.schema import studies as optuna_studies
from sweep.store.schema import (
    sweep_floors,
    sweep_metadata,
    sweep_notes,
    sweep_studies,
    sweep_tags,
    sweep_trials,
)
from sweep.store.schema import trials as optuna_trials

_MAX_TAG = 64
#: Maximum length in characters: every page that lists studies loads the newest note of each.
MAX_NOTE = 4000


def note(engine: Engine, name: str, text: str, number: int | None = None) -> None:
    """Write a note on the study or one of its trials; earlier notes are kept as history.

    Raises UsageError if the note is longer than MAX_NOTE characters.
    """
    if len(text) > MAX_NOTE:
        raise UsageError(f"the note has {len(text):,} characters; the limit is {MAX_NOTE:,}.")
    with write_transaction(engine) as connection:
        target = _target(connection, name, number)
        now = clock.now(connection.dialect.name)
        connection.execute(insert(sweep_notes).values(**target, text=text, created_at=now))


def remove_note(engine: Engine, name: str, number: int | None = None) -> bool:
    """Delete the newest note of the study or one of its trials; the previous note becomes current.

    Return False if there was none.
    """
    with write_transaction(engine) as connection:
        target = _target(connection, name, number)
        conditions = [sweep_notes.c[column] == value for column, value in target.items()]
        newest = connection.scalar(select(func.max(sweep_notes.c.note_id)).where(*conditions))
        connection.execute(delete(sweep_notes).where(sweep_notes.c.note_id == newest))
        return newest is not None


def tag(engine: Engine, name: str, tag: str, number: int | None = None) -> bool:
    """Tag the study or one of its trials; return False if it had the tag already."""
    if not tag.strip() or len(tag) > _MAX_TAG:
        raise UsageError(f"tag '{tag}': a tag has 1 to {_MAX_TAG} characters.")
    with write_transaction(engine) as connection:
        target = _target(connection, name, number)
        found = select(sweep_tags.c.tag_id).where(*_is_tag(target, tag))
        if connection.execute(found).first() is not None:
            return False
        connection.execute(insert(sweep_tags).values(**target, tag=tag))
        return True


def untag(engine: Engine, name: str, tag: str, number: int | None = None) -> bool:
    """Remove a tag from the study or one of its trials; return False if it did not have the tag."""
    with write_transaction(engine) as connection:
        target = _target(connection, name, number)
        return connection.execute(delete(sweep_tags).where(*_is_tag(target, tag))).rowcount > 0


def _target(connection: Connection, name: str, number: int | None) -> dict[str, int | None]:
    """Return the ids of the annotated study and trial, and advance the study's revision."""
    if number is None:
        study_id = find_study(connection, str(name))
        revisions.advance(connection, study_id)
        return {"study_id": study_id, "trial_id": None}
    study_id, trial_id = find_trial(connection, str(name), number)
    revisions.touch(connection, revisions.advance(connection, study_id), [trial_id])
    return {"study_id": study_id, "trial_id": trial_id}


def _is_tag(target: Mapping[str, int | None], tag: str) -> list[ColumnElement[bool]]:
    # SQLAlchemy writes == None as IS NULL.
    conditions = [sweep_tags.c[column] == value for column, value in target.items()]
    return [*conditions, sweep_tags.c.tag == tag]


def invalidate(engine: Engine, name: str, number: int, reason: str | None = None) -> None:
    """Exclude a trial from best, sampling and analysis; Optuna's state does not change."""
    _mark(engine, name, number, invalid=True, reason=reason)


def validate(engine: Engine, name: str, number: int) -> None:
    """Remove a trial's invalid mark."""
    _mark(engine, name, number, invalid=False, reason=None)


def _mark(engine: Engine, name: str, number: int, *, invalid: bool, reason: str | None) -> None:
    with write_transaction(engine) as connection:
        study_id, trial_id = find_trial(connection, str(name), number)
        revision = revisions.advance(connection, study_id)
        # Trials that reuse its result are marked with it.
        reused = and_(sweep_trials.c.study_id == study_id, sweep_trials.c.reused_from == number)
        marked = connection.execute(
            update(sweep_trials)
            .where(or_(sweep_trials.c.trial_id == trial_id, reused))
            .values(invalid=invalid, invalid_reason=reason)
            .returning(sweep_trials.c.trial_id)
        )
        revisions.touch(connection, revision, trial_ids := list(marked.scalars()))
        if trial_id not in trial_ids:
            raise UsageError(f"trial {number} of study '{name}' has not begun: nothing to mark.")


def count_trials(engine: Engine, name: str) -> int:
    """Count a study's trials in any state, even if some of its values are corrupt."""
    with engine.connect() as connection:
        of_study = optuna_trials.c.study_id == find_study(connection, name)
        return connection.execute(select(func.count()).where(of_study)).scalar_one()


def delete_study(engine: Engine, name: str) -> list[str]:
    """Delete a study from all tables, Optuna's and ours; return the ids of its artifacts.

    Raises StudyHeldError while a coordinator holds the study's lease.
    """
    with write_transaction(engine) as connection:
        study_id = lock_study(connection, name)
        lift_time_limit(connection)  # one statement deletes a table's rows, which may be millions
        # A lease with corrupt values has no holder: corrupt values are why a study gets deleted.
        with suppress(CorruptValueError), locate_corruption(connection):
            refuse_if_held(connection, name, study_id)
        kept = select(sweep_trials.c.artifact_id).where(
            sweep_trials.c.study_id == study_id, sweep_trials.c.artifact_id.is_not(None)
        )
        # Read without validation: rows with corrupt values are deleted too.
        raw = kept.with_only_columns(type_coerce(sweep_trials.c.artifact_id, NullType()))
        artifacts = list(connection.execute(raw.order_by(sweep_trials.c.number)).scalars())
        _delete_rows(connection, study_id)
    return [str(artifact_id) for artifact_id in artifacts]


def lock_study(connection: Connection, name: str) -> int:
    """Return the study's id and block coordinators from taking it until the transaction ends."""
    # The race: a coordinator takes the lease between our check and our delete. On SQLite our
    # transaction is the only writer; on PostgreSQL this lock blocks a new lease's foreign key.
    by_name = optuna_studies.c.study_name == name
    ours = select(sweep_studies.c.study_id).join(
        optuna_studies, optuna_studies.c.study_id == sweep_studies.c.study_id
    )
    # Lock our row first, on which every writer of a study queues: see revisions.advance.
    connection.execute(ours.where(by_name).with_for_update(of=sweep_studies))
    query = select(optuna_studies.c.study_id).where(by_name).with_for_update()
    study_id: int | None = connection.execute(query).scalar_one_or_none()
    if study_id is None:
        raise no_such_study(connection, name)
    return study_id


def refuse_if_held(connection: Connection, name: str, study_id: int, *, lock: bool = True) -> None:
    """Raise StudyHeldError while a coordinator holds the study.

    With ``lock``, no coordinator that waits for the row can take it before the commit.
    """
    held = lease.live_holder(connection, study_id, lock=lock)
    if held is not None:
        raise StudyHeldError(
            f"study '{name}' is held by process {held.holder.pid} on {held.holder.host} until "
            f"{utc(held.expires_at):%Y-%m-%d %H:%M:%S} UTC. "
            f"Stop it first: `sweep stop {quote(name)}`"
        )


def _delete_rows(connection: Connection, study_id: int) -> None:
    of_study = select(optuna_trials.c.trial_id).where(optuna_trials.c.study_id == study_id)
    tables = [
        *reversed(sweep_metadata.sorted_tables),
        *reversed(metadata.sorted_tables),
    ]
    own = [table for table in tables if table.name not in ("studies", "trials")]
    for table in own:
        if "study_id" in table.c:
            connection.execute(delete(table).where(table.c.study_id == study_id))
        elif "trial_id" in table.c:
            connection.execute(delete(table).where(table.c.trial_id.in_(of_study)))
    connection.execute(delete(optuna_trials).where(optuna_trials.c.study_id == study_id))
    connection.execute(delete(optuna_studies).where(optuna_studies.c.study_id == study_id))


def put_floors(engine: Engine, data_key: str, floors: Mapping[str, Any]) -> None:
    """Store the floors of a data set and split; they replace earlier ones."""
    with write_transaction(engine) as connection:
        connection.execute(delete(sweep_floors).where(sweep_floors.c.data_key == data_key))
        connection.execute(
            insert(sweep_floors).values(
                data_key=data_key,
                floors=dict(floors),
                computed_at=clock.now(connection.dialect.name),
            )
        )
