"""Track changes of a study: every transaction that writes about it gets the next number.

``sweep_studies.revision`` counts the transactions, ``sweep_trials.revision`` says which of them
changed a trial last. A reader that has seen revision r asks only for trials above r.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    select,
    true,
    update,
)

from sweep.errors import CorruptValueError, NotFoundError
from sweep.store import clock
from sweep.store.lookup import StudyKey, is_study, lease_of, no_such_study, study_by_study
from sweep.store.schema import studies, sweep_leases, sweep_studies, sweep_trials


def advance(connection: Connection, study_id: int) -> int:
    """Count this transaction and return its revision; call it before any other write.

    Every writer of a study changes the study's row first, so they queue there: their revisions
    become visible in numerical order, and they can't deadlock later. Raises NotFoundError if the
    study was deleted meanwhile.
    """
    revision: int | None = connection.execute(
        update(sweep_studies)
        .where(sweep_studies.c.study_id == study_id)
        .values(revision=sweep_studies.c.revision + 1)
        .returning(sweep_studies.c.revision)
    ).scalar_one_or_none()
    if revision is None:
        raise NotFoundError("the study was deleted while it was in use.")
    return revision


def touch(connection: Connection, revision: int, trial_ids: Iterable[int]) -> None:
    """Record that the transaction of this revision changed these trials."""
    changed = [{"id": trial_id} for trial_id in sorted(trial_ids)]
    if changed:
        connection.execute(
            update(sweep_trials)
            .where(sweep_trials.c.trial_id == bindparam("id"))
            .values(revision=revision),
            changed,
        )


def revision(connection: Connection, key: StudyKey) -> str:
    """Return a text that differs whenever anything that a page shows of the study does.

    One statement reads it. It consists of the revision, whether somebody holds the lease now, and
    the study's identity.
    """
    row = connection.execute(_state(connection).where(is_study(key))).one_or_none()
    if row is None:
        raise no_such_study(connection, key)
    return _token(row)


def revisions(connection: Connection) -> str:
    """Return such a text for all studies; it also changes when a study is created or deleted."""
    try:
        text = _tokens(connection, true())
    except (CorruptValueError, ValidationError):
        found = study_by_study(connection, lambda of: _tokens(connection, of))
        text = " ".join(f"{name} {token}" for name, token in found)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _tokens(connection: Connection, of_studies: ColumnElement[bool]) -> str:
    query = _state(connection).where(of_studies).order_by(sweep_studies.c.study_id)
    return " ".join(map(_token, connection.execute(query)))


def _state(connection: Connection) -> Select[Any]:
    return select(
        sweep_studies.c.study_id,
        sweep_studies.c.created_at,
        sweep_studies.c.revision,
        sweep_leases.c.host,
        sweep_leases.c.pid,
        sweep_leases.c.process,
        sweep_leases.c.taken_at,
        sweep_leases.c.expires_at,
        clock.now(connection.dialect.name).label("now"),
    ).select_from(
        studies.join(sweep_studies, sweep_studies.c.study_id == studies.c.study_id).outerjoin(
            sweep_leases, sweep_leases.c.study_id == studies.c.study_id
        )
    )


def _token(row: Row[Any]) -> str:
    lease = lease_of(row, row.now)
    held = "held" if lease is not None and lease.live else "free"
    # SQLite reuses a deleted study's id for the next one: the creation time distinguishes them.
    return f"{row.study_id}-{row.created_at:.3f}-{row.revision}-{held}"
