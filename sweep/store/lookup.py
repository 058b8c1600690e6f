"""Find studies and trials by their names and numbers."""

import difflib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Row,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    cast,
    func,
    select,
)

from sweep.errors import CorruptValueError, NotFoundError
from sweep.store.column_types import locate_corruption
from sweep.store.engine import format_url
from sweep.store.lease import Holder
from sweep.store.records import LeaseRow
from sweep.store.schema import studies, sweep_studies, trials

T = TypeVar("T")

_SHOWN_NAMES = 12
_OURS = sweep_studies.c.study_id == studies.c.study_id


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a connection whose queries all see the same snapshot, whatever a coordinator writes."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # SQLite's transactions always do
            connection.execution_options(isolation_level="REPEATABLE READ")
        with locate_corruption(connection):
            yield connection


def study_by_study(
    connection: Connection, read: Callable[[ColumnElement[bool]], T]
) -> Iterator[tuple[str, T | CorruptValueError]]:
    """Read the studies one by one; yield each result, or the error of its corrupt value.

    Used when a read of all studies at once met a corrupt value. ``read`` takes the condition that
    selects the study's row of ``sweep_studies``.
    """
    names = select(sweep_studies.c.study_id, cast(studies.c.study_name, Text)).join_from(
        sweep_studies, studies, _OURS
    )
    for study_id, name in connection.execute(names.order_by(studies.c.study_name)).all():
        try:
            with locate_corruption(connection):
                yield name, read(sweep_studies.c.study_id == study_id)
        except CorruptValueError as error:
            yield name, error


class StudyKey(str):
    """Name of a study with its id and creation time.

    Reads use ``current_id``. Writes look the name up in their own transaction.
    """

    study_id: int
    #: Seconds since the epoch. SQLite reuses a deleted study's id for the next one.
    created_at: float
    #: The study's revision when it was looked up.
    revision: int

    def __new__(cls, name: str, study_id: int, created_at: float, revision: int) -> Self:
        """Make a key of a study that was looked up."""
        key = super().__new__(cls, name)
        key.study_id, key.created_at, key.revision = study_id, created_at, revision
        return key

    @property
    def identity(self) -> tuple[int, float]:
        """Id and creation time, which no two studies share."""
        return self.study_id, self.created_at

    @property
    def current_id(self) -> ScalarSelect[int]:
        """SQL of the id: NULL if the study was deleted, even if another has its id by now."""
        return select(_SAME.study_id).where(_is_same(self, _SAME)).scalar_subquery()


#: An alias, so that it stays a subquery within queries of the same table.
_SAME = sweep_studies.alias("same_study").c


def _is_same(key: StudyKey, columns: Any) -> ColumnElement[bool]:
    return and_(columns.study_id == key.study_id, columns.created_at == key.created_at)


def find_key(engine: Engine, name: str) -> StudyKey:
    """Look a study up by its name, or again by its key.

    Raises NotFoundError that suggests similar names.
    """
    columns = sweep_studies.c
    query = select(columns.study_id, columns.created_at, columns.revision)
    with snapshot(engine) as connection:
        row = connection.execute(query.join(studies, _OURS).where(is_study(name))).one_or_none()
        if row is None:
            raise no_such_study(connection, name)
        return StudyKey(str(name), row.study_id, row.created_at, row.revision)


def is_study(name: str) -> ColumnElement[bool]:
    """Return the condition that selects the study's rows of ``studies`` and ``sweep_studies``."""
    if isinstance(name, StudyKey):
        return _is_same(name, sweep_studies.c)
    return studies.c.study_name == name


def find_study(connection: Connection, name: str) -> int:
    """Return the id of the study that has this name now, or that a key refers to.

    Raises NotFoundError that suggests similar names.
    """
    query = select(studies.c.study_id).join(sweep_studies, _OURS).where(is_study(name))
    study_id: int | None = connection.execute(query).scalar_one_or_none()
    if study_id is None:
        raise no_such_study(connection, name)
    return study_id


def no_such_study(connection: Connection, name: str) -> NotFoundError:
    """Build the error that lists the existing studies."""
    where = format_url(connection.engine.url)
    if isinstance(name, StudyKey):
        return NotFoundError(f"study '{name}' in {where} was deleted since it was opened.")
    query = select(studies.c.study_name).join(sweep_studies, _OURS)
    if connection.scalar(select(studies.c.study_id).where(studies.c.study_name == name)):
        return NotFoundError(
            f"study '{name}' in {where} was created by Optuna without sweep and has no study file. "
            "Open it with optuna.load_study or optuna-dashboard."
        )
    known = list(connection.execute(query.order_by(studies.c.study_name)).scalars())
    if not known:
        return NotFoundError(f"no study '{name}': {where} has no studies yet.")
    close = difflib.get_close_matches(name, known, n=3)
    quoted = " or ".join(f"'{match}'" for match in close)
    hint = f" Did you mean {quoted}?" if close else ""
    return NotFoundError(f"no study '{name}' in {where}.{hint} Known: {_list_some(known)}.")


def _list_some(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def find_trial(connection: Connection, name: str, number: int) -> tuple[int, int]:
    """Return the ids of the study that has this name now and of one of its trials.

    Raises NotFoundError with the range of trial numbers.
    """
    study_id = find_study(connection, name)
    return study_id, _trial_id(connection, name, number, trials.c.study_id == study_id)


def find_trial_id(connection: Connection, key: StudyKey, number: int) -> int:
    """Return a trial's id. Raises NotFoundError with the range of trial numbers."""
    try:
        return _trial_id(connection, key, number, trials.c.study_id == key.current_id)
    except NotFoundError:
        if connection.scalar(select(key.current_id)) is None:
            raise no_such_study(connection, key) from None
        raise


def _trial_id(connection: Connection, name: str, number: int, of_study: ColumnElement[bool]) -> int:
    # PostgreSQL would refuse a parameter that is too large for the column.
    by_number = select(trials.c.trial_id).where(of_study, one_of(trials.c.number, [number]))
    found: int | None = connection.execute(by_number).scalar_one_or_none()
    if found is None:
        last = connection.scalar(select(func.max(trials.c.number)).where(of_study))
        known = "it has no trials yet" if last is None else f"its trials are 0 to {last}"
        raise NotFoundError(f"no trial {number} in study '{name}': {known}.")
    return found


def one_of(column: ColumnElement[int], numbers: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that a column has one of any number of integers.

    They are part of the statement: databases limit its parameters, SQLite to 32,766.
    """
    written = bindparam(None, list(numbers), Integer, expanding=True, literal_execute=True)
    return column.in_(written)


def by_key(pairs: Iterable[Any]) -> dict[Any, list[Any]]:
    """Group the second values of rows by the first, in the order of the rows."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def utc(seconds: float) -> datetime:
    """Convert our times, seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def utc_or_none(seconds: float | None) -> datetime | None:
    """Convert seconds since the epoch to a time in UTC; None stays None."""
    return None if seconds is None else utc(seconds)


def lease_of(row: Row[Any], now: float) -> LeaseRow | None:
    """Build the lease from a row that was joined to it, at this time of the database's clock."""
    if row.expires_at is None:
        return None
    holder = Holder(host=row.host, pid=row.pid, process=row.process)
    expired = row.expires_at <= now
    return LeaseRow(
        host=row.host,
        pid=row.pid,
        taken_at=utc(row.taken_at),
        expires_at=utc(row.expires_at),
        expired=expired,
        # Not asked of the many that released it.
        dead=row.expires_at > 0 and holder.provably_dead(),
    )
