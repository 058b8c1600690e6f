"""Conversion of trials to Optuna's rows and back: the only module that knows Optuna's SQL models.

They are private to Optuna, as is what its storages read into the values of their columns. So is the
version of its schema, which changes with Optuna's minor versions: pyproject.toml bounds those.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, MetaData, Table, select

from sweep.store.column_types import check_columns, external_value

if TYPE_CHECKING:
    from sweep.store.recording import Changes

#: The version of Optuna's schema that we write; any other is refused.
SCHEMA_VERSION = 12
REVISION = "v3.2.0.a"

metadata = models.BaseModel.metadata

#: The same tables with validating column types, for our reads; Optuna's own storages keep theirs.
checked_metadata = MetaData()
for _table in metadata.sorted_tables:
    _table.to_metadata(checked_metadata)
check_columns(checked_metadata)

studies = checked_metadata.tables["studies"]
study_directions = checked_metadata.tables["study_directions"]
study_user_attributes = checked_metadata.tables["study_user_attributes"]
study_system_attributes = checked_metadata.tables["study_system_attributes"]
trials = checked_metadata.tables["trials"]
trial_params = checked_metadata.tables["trial_params"]
trial_values = checked_metadata.tables["trial_values"]
trial_intermediate_values = checked_metadata.tables["trial_intermediate_values"]
trial_user_attributes = checked_metadata.tables["trial_user_attributes"]
trial_system_attributes = checked_metadata.tables["trial_system_attributes"]

#: What marks a finite number in ``trial_values.value_type``, and in
#: ``trial_intermediate_values.intermediate_value_type``.
FINITE_VALUE = models.TrialValueModel.TrialValueType.FINITE
FINITE_INTERMEDIATE_VALUE = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE

#: A number from ``trial_values.value`` and ``value_type``.
stored_value = models.TrialValueModel.stored_repr_to_value
_stored_intermediate_value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value

Row = dict[str, Any]


# --- from trials to rows --------------------------------------------------------------------------


def _utc(moment: datetime | None) -> datetime | None:
    # Optuna keeps naive local time in memory and naive UTC in the database.
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def state_row(trial: FrozenTrial) -> Row:
    """Return the columns of ``trials`` that change with a trial's state."""
    return {
        "state": trial.state,
        "datetime_start": _utc(trial.datetime_start),
        "datetime_complete": _utc(trial.datetime_complete),
    }


def value_rows(trials: Iterable[FrozenTrial], ids: Mapping[int, int]) -> list[Row]:
    """Return rows of ``trial_values``; ``ids`` are trial ids by number."""
    stored = models.TrialValueModel.value_to_stored_repr
    rows = []
    for trial in trials:
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            continue
        for objective, number in enumerate(trial.values or ()):
            value, kind = stored(number)
            rows.append(
                {
                    "trial_id": ids[trial.number],
                    "objective": objective,
                    "value": value,
                    "value_type": kind,
                }
            )
    return rows


def param_rows(changes: "Changes", ids: Mapping[int, int]) -> list[Row]:
    """Return new rows of ``trial_params``."""
    rows = []
    for number, names in changes.params.items():
        trial = changes.trials[number]
        for name in (name for name in trial.params if name in names):
            distribution = trial.distributions[name]
            rows.append(
                {
                    "trial_id": ids[number],
                    "param_name": name,
                    "param_value": distribution.to_internal_repr(trial.params[name]),
                    "distribution_json": distribution_to_json(distribution),
                }
            )
    return rows


def intermediate_rows(changes: "Changes", ids: Mapping[int, int]) -> list[Row]:
    """Return new rows of ``trial_intermediate_values``."""
    stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
    rows = []
    for number, steps in changes.intermediate.items():
        values = changes.trials[number].intermediate_values
        for step in sorted(steps):
            value, kind = stored(values[step])
            rows.append(
                {
                    "trial_id": ids[number],
                    "step": step,
                    "intermediate_value": value,
                    "intermediate_value_type": kind,
                }
            )
    return rows


def attribute_rows(
    trials: Mapping[int, FrozenTrial],
    changed: Mapping[int, Iterable[str]],
    kind: str,
    ids: Mapping[int, int],
) -> list[Row]:
    """Return rows of a table of attributes; ``kind`` is ``user_attrs`` or ``system_attrs``."""
    return [
        {
            "trial_id": ids[number],
            "key": key,
            "value_json": json.dumps(getattr(trials[number], kind)[key]),
        }
        for number, keys in changed.items()
        for key in sorted(keys)
    ]


# --- from rows to trials --------------------------------------------------------------------------


def load_trials(connection: Connection, study_id: int) -> list[FrozenTrial]:
    """Read every trial of a study as Optuna's own storage would, in six statements."""
    query = select(trials).where(trials.c.study_id == study_id).order_by(trials.c.number)
    rows = connection.execute(query).all()
    params, distributions = _params(connection, study_id)
    values = _values(connection, study_id)
    intermediate = _intermediate_values(connection, study_id)
    user_attrs = _attributes(connection, study_id, trial_user_attributes)
    system_attrs = _attributes(connection, study_id, trial_system_attributes)
    local = LocalTime()
    return [
        FrozenTrial(
            number=row.number,
            trial_id=row.trial_id,
            state=row.state,
            value=None,
            values=values.get(row.trial_id),
            datetime_start=local.of(row.datetime_start),
            datetime_complete=local.of(row.datetime_complete),
            params=params[row.trial_id],
            distributions=distributions[row.trial_id],
            user_attrs=user_attrs[row.trial_id],
            system_attrs=system_attrs[row.trial_id],
            intermediate_values=intermediate[row.trial_id],
        )
        for row in rows
    ]


def _of_study(connection: Connection, study_id: int, table: Table | Any, *names: str) -> Any:
    """Read the named columns of a study's rows as tuples, in the order of insertion."""
    key = table.primary_key.columns.values()[0]
    return connection.execute(
        select(table.c.trial_id, *(table.c[name] for name in names))
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(trials.c.study_id == study_id)
        .order_by(key)
    ).all()


def _params(
    connection: Connection, study_id: int
) -> tuple[dict[int, Row], dict[int, dict[str, BaseDistribution]]]:
    params: dict[int, Row] = defaultdict(dict)
    distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
    parsed: dict[str, BaseDistribution] = {}  # thousands of rows share a few distributions
    rows = _of_study(
        connection, study_id, trial_params, "param_name", "param_value", "distribution_json"
    )
    for trial_id, name, value, text in rows:
        distribution = parsed.get(text)
        if distribution is None:
            distribution = parsed[text] = json_to_distribution(text)
        params[trial_id][name] = external_value(distribution, value)
        distributions[trial_id][name] = distribution
    return params, distributions


def _values(connection: Connection, study_id: int) -> dict[int, list[float]]:
    found: dict[int, dict[int, float]] = defaultdict(dict)
    rows = _of_study(connection, study_id, trial_values, "objective", "value", "value_type")
    for trial_id, objective, value, kind in rows:
        found[trial_id][objective] = stored_value(value, kind)
    return {trial_id: [values[i] for i in sorted(values)] for trial_id, values in found.items()}


def _intermediate_values(connection: Connection, study_id: int) -> dict[int, dict[int, float]]:
    table = trial_intermediate_values.c
    is_finite = table.intermediate_value_type == FINITE_INTERMEDIATE_VALUE
    query = (
        select(table.trial_id, table.step, table.intermediate_value)
        .join(trials, trials.c.trial_id == table.trial_id)
        .where(trials.c.study_id == study_id)
    )
    found: dict[int, dict[int, float]] = defaultdict(dict)
    for trial_id, step, value in connection.execute(query.where(is_finite)).all():
        found[trial_id][step] = value
    # Few, if any: to ask for the kind of each of a million would take as long as its value.
    others = query.add_columns(table.intermediate_value_type).where(~is_finite)
    for trial_id, step, value, kind in connection.execute(others):
        found[trial_id][step] = _stored_intermediate_value(value, kind)
    return found


def _attributes(connection: Connection, study_id: int, table: Any) -> dict[int, Row]:
    found: dict[int, Row] = defaultdict(dict)
    for trial_id, key, text in _of_study(connection, study_id, table, "key", "value_json"):
        found[trial_id][key] = json.loads(text)
    return found


class LocalTime:
    """Convert naive UTC to naive local time, as Optuna returns times.

    The offset changes at quarters of an hour, if at all. To ask the system for each of 200,000
    moments takes a third of a study's opening; they come nearly in order.
    """

    def __init__(self) -> None:
        self._from = self._until = datetime.max
        self._offset = timedelta()

    def of(self, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        if not self._from <= moment < self._until:
            quarter = moment.minute // 15 * 15
            self._from = moment.replace(minute=quarter, second=0, microsecond=0)
            self._until = self._from + timedelta(minutes=15)
            offset = self._from.replace(tzinfo=UTC).astimezone().utcoffset()
            assert offset is not None
            self._offset = offset
        return moment + self._offset
