"""Keep a study's trials as columns up to date: each read fetches only what is new.

The SELECT reads texts as they are stored. SQLAlchemy would parse each trial's configuration
separately, which takes longer than everything else; here thousands are parsed at once.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, reduce
from threading import Lock
from typing import Any

import numpy as np
from pydantic_core import from_json
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    String,
    Text,
    and_,
    cast,
    func,
    select,
    type_coerce,
)

from sweep.catalogue.metrics import METRICS, STORED
from sweep.catalogue.settings import SETTINGS, setting_of
from sweep.config import DEFAULT_BASELINE, StudyBaseline, TrialConfig
from sweep.errors import CorruptValueError, StudyFileError
from sweep.store.column_types import corrupt_rows
from sweep.store.lookup import StudyKey, is_study, no_such_study, snapshot
from sweep.store.records import STATES
from sweep.store.schema import sweep_studies, sweep_trials, trial_params, trial_values
from sweep.store.schema import trials as optuna_trials
from sweep.store.study_files import read_about
from sweep.store.table import Choices, Column, Numbers, TrialTable, merge, states_of

#: Rows converted to columns at once: bounds the memory of their plain values.
_BATCH = 20_000

#: Numeric settings; the others are texts or booleans.
_NUMERIC = frozenset(field.name for field in fields(TrialConfig) if field.type in (int, float))
_INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}  # Optuna stores them as NULL and a word


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What a reader has read of its study."""

    revision: int
    last_trial_id: int
    table: TrialTable


@lru_cache(maxsize=256)
def stored_baseline(study_file: str) -> StudyBaseline:
    """Return the baseline that a stored study file names. Raises CorruptValueError."""
    if "baseline" not in study_file:  # building a study file's models takes long
        return DEFAULT_BASELINE
    from sweep.studyfile import loads

    try:
        return loads(study_file, "its stored study file", check_packages=False).baseline
    except StudyFileError as error:
        why = "; ".join(error.problems)
        raise CorruptValueError("sweep_studies.study_file", why) from error


class TableReader:
    """Reader that fetches a study's trials repeatedly. Threads may share it."""

    def __init__(self, engine: Engine, key: StudyKey) -> None:
        self._engine = engine
        self._key = key
        self._lock = Lock()
        self._seen: _Seen | None = None

    def look(self, at: int | None = None) -> TrialTable:
        """Return the current trials: the same table as long as no trial changed.

        With ``at``, a revision of the study, the table is at least as new as that revision; no
        statement is executed if it is known already. Raises NotFoundError if the study was deleted.
        """
        with self._lock:
            if at is not None and self._seen is not None and self._seen.revision >= at:
                return self._seen.table
        with self._lock, snapshot(self._engine) as connection:
            seen = self._seen
            if seen is None:
                seen = self._look_first(connection)
            else:
                revision, study_file = self._study(connection)
                if revision != seen.revision:
                    baseline = stored_baseline(study_file)
                    seen = self._look_again(connection, seen, revision, baseline)
            self._seen = seen
            return seen.table

    def _look_first(self, connection: Connection) -> _Seen:
        revision, study_file = self._study(connection)
        objectives = read_about(study_file).study.objectives
        nothing = _Seen(revision=-1, last_trial_id=0, table=_table([], objectives))
        return self._look_again(connection, nothing, revision, stored_baseline(study_file))

    def _study(self, connection: Connection) -> tuple[int, str]:
        """Read the study's revision, and its file, whose baseline another run may have changed."""
        query = select(sweep_studies.c.revision, sweep_studies.c.study_file)
        row = connection.execute(query.where(is_study(self._key))).one_or_none()
        if row is None:
            raise no_such_study(connection, self._key)
        return row.revision, row.study_file

    def _look_again(
        self, connection: Connection, seen: _Seen, revision: int, baseline: StudyBaseline
    ) -> _Seen:
        if baseline != seen.table.baseline:
            seen = replace(seen, table=replace(seen.table, baseline=baseline))
        study_id, objectives = self._key.study_id, seen.table.objectives
        last_trial_id, found = seen.last_trial_id, []
        for rows in _new_rows(connection, study_id, seen):
            last_trial_id = max(last_trial_id, max(row.trial_id for row in rows))
            found.append(_checked_table(connection, rows, objectives))
        if not found:
            return replace(seen, revision=revision)
        searched = (*seen.table.searched, *_list_searched(connection, study_id, seen.revision))
        return replace(
            seen,
            revision=revision,
            last_trial_id=last_trial_id,
            table=replace(
                reduce(merge, found, seen.table),
                revision=revision,
                searched=tuple(dict.fromkeys(searched)),
                baseline=baseline,
            ),
        )


def _new_rows(connection: Connection, study_id: int, seen: _Seen) -> Iterator[Sequence[Row[Any]]]:
    """Yield batches of the trials written since the last read, and of those without a row of ours.

    Optuna's own tools enqueue the latter. They have no revision until they get a row of ours.
    """
    ours = optuna_trials.join(sweep_trials, sweep_trials.c.trial_id == optuna_trials.c.trial_id)
    written = (sweep_trials.c.study_id == study_id, sweep_trials.c.revision > seen.revision)
    every = optuna_trials.outerjoin(
        sweep_trials, sweep_trials.c.trial_id == optuna_trials.c.trial_id
    )
    enqueued = (
        optuna_trials.c.study_id == study_id,
        optuna_trials.c.trial_id > seen.last_trial_id,
        sweep_trials.c.trial_id.is_(None),
    )
    n_objectives = len(seen.table.objectives)
    for source, conditions in ((ours, written), (every, enqueued)):
        query = _select(source, n_objectives).where(*conditions)
        yield from connection.execute(query).partitions(_BATCH)


def _select(source: Any, n_objectives: int) -> Select[Any]:
    values: list[ColumnElement[Any]] = []
    for objective in range(n_objectives):
        of = trial_values.alias(f"value_{objective}")
        source = source.outerjoin(
            of, and_(of.c.trial_id == optuna_trials.c.trial_id, of.c.objective == objective)
        )
        kind = type_coerce(of.c.value_type, String)
        values += [of.c.value.label(f"value_{objective}"), kind.label(f"kind_{objective}")]
    return select(
        optuna_trials.c.trial_id,
        optuna_trials.c.number,
        type_coerce(optuna_trials.c.state, String).label("state"),
        cast(sweep_trials.c.config, Text).label("config"),
        *(sweep_trials.c[name] for name in _PLAIN),
        *values,
    ).select_from(source)


_PLAIN = (
    *("outcome", "worker", "attempt", "invalid", "started_at", "finished_at"),
    *STORED,
)


def _list_searched(connection: Connection, study_id: int, after: int) -> list[str]:
    """List the settings that a sampler chose in trials newer than a revision, by first use."""
    name = trial_params.c.param_name
    query = (
        select(name)
        .join(sweep_trials, sweep_trials.c.trial_id == trial_params.c.trial_id)
        .where(sweep_trials.c.study_id == study_id, sweep_trials.c.revision > after)
        .group_by(name)
        .order_by(func.min(trial_params.c.param_id))
    )
    return [setting_of(param) for param in connection.execute(query).scalars()]


#: Columns read without validation, for speed, and checked as columns.
_UNCHECKED = ("sweep_trials.config", "trials.state", "trials.number")


def _checked_table(
    connection: Connection, rows: Sequence[Row[Any]], objectives: tuple[str, ...]
) -> TrialTable:
    """Call ``_table``; raise a CorruptValueError that names the row with a corrupt value."""
    try:
        table = _table(rows, objectives)
        if all(map(_fits, table.settings, table.settings.values())):
            return table
        raise ValueError("a setting that no trial can have")
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        for place in _UNCHECKED:
            for corrupt in corrupt_rows(connection, place):
                raise corrupt from error
        raise


def _fits(name: str, column: Column) -> bool:
    """Return whether all values of a column are valid for the setting of this name."""
    setting = SETTINGS[name]
    if isinstance(column, Choices):
        return set(column.names) <= set(setting.choices or (False, True))
    with np.errstate(invalid="ignore"):
        return not bool(((column < setting.low) | (column > setting.high)).any())


def _table(rows: Sequence[Row[Any]], objectives: tuple[str, ...]) -> TrialTable:
    """Build columns from rows, in the order of the trial numbers."""
    rows = sorted(rows, key=lambda row: row.number)
    names = _select(optuna_trials, len(objectives)).selected_columns.keys()
    plain = zip(*rows, strict=True) if rows else [()] * len(names)
    columns: dict[str, Any] = dict(zip(names, plain, strict=True))
    settings = _settings(columns["config"])
    columns["hidden_width"] = settings["hidden_width"]
    return TrialTable(
        revision=0,
        objectives=objectives,
        numbers=np.array(columns["number"], dtype=np.int64),
        states=_states(columns["state"]),
        values=np.column_stack(
            [_values(columns[f"value_{m}"], columns[f"kind_{m}"]) for m in range(len(objectives))]
        ),
        outcomes=Choices.of(columns["outcome"]),
        workers=Choices.of(columns["worker"]),
        attempts=np.array([attempt or 0 for attempt in columns["attempt"]], dtype=np.int64),
        invalid=np.array(columns["invalid"], dtype=np.bool_),  # None, without a row, is False
        started=_numbers(columns["started_at"]),
        ended=_numbers(columns["finished_at"]),
        metrics={name: _numbers(columns[name]) for name in METRICS},
        settings=settings,
        searched=(),
    )


def _states(names: Sequence[str]) -> Choices:
    states = states_of(names)
    if len(states.names) > len(STATES):
        raise ValueError(f"state {states.names[-1]!r}")
    return states


def _values(numbers: Sequence[float | None], kinds: Sequence[str | None]) -> Numbers:
    return _numbers(
        [
            _INFINITE.get(kind or "") if number is None else number
            for number, kind in zip(numbers, kinds, strict=True)
        ]
    )


def _settings(texts: Sequence[str | None]) -> dict[str, Column]:
    # All in one text: separate calls of the parser would take 1.5 times as long. Pydantic's parser
    # takes half the time of the standard library's.
    configs = from_json(f"[{','.join(text or '{}' for text in texts)}]", allow_inf_nan=False)
    return {
        name: _numbers(values) if name in _NUMERIC else Choices.of(values)
        for name in (field.name for field in fields(TrialConfig))
        for values in [[config.get(name) for config in configs]]
    }


def _numbers(values: Sequence[float | None]) -> Numbers:
    return np.array(values, dtype=np.float64)  # None becomes NaN
