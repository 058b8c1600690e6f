"""Project our records onto Optuna's rows: the only module that knows Optuna's SQL models.

They are private to Optuna, and so is the conversion that its storages apply to column values. So is
the version of its schema, which changes with Optuna's minor versions: pyproject.toml bounds those.

States, values and intermediate values are derived from our records: ``project``. Parameters with
their distributions, attributes and times are Optuna's own. A trial without a record of ours, such
as one that plain Optuna added, is as its rows say.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
    json_to_distribution,
)
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from sweep.enums import Objective, Outcome
from sweep.store.column_types import check_columns, external_value

if TYPE_CHECKING:
    from sweep.store.recording import Changes
    from sweep.studyfile import Domain

#: The version of Optuna's schema that we write; any other is rejected.
SCHEMA_VERSION = 12
REVISION = "v3.2.0.a"

metadata = models.BaseModel.metadata

#: The same tables with validating column types, for our reads; Optuna's own storages use theirs.
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

#: The revision of Optuna's schema, as its alembic stores it.
_alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create_tables(connection: Connection) -> None:
    """Create Optuna's tables as its RDBStorage does, which would load all of its migrations."""
    metadata.create_all(connection)
    versions = {"schema_version": SCHEMA_VERSION, "library_version": optuna.__version__}
    connection.execute(insert(models.VersionInfoModel).values(versions))
    _alembic_version.create(connection)
    connection.execute(insert(_alembic_version).values(version_num=REVISION))


#: Marks a finite number in ``trial_values.value_type`` and in
#: ``trial_intermediate_values.intermediate_value_type``.
FINITE_VALUE = models.TrialValueModel.TrialValueType.FINITE
FINITE_INTERMEDIATE_VALUE = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE

#: Converts ``trial_values.value`` and ``value_type`` to a number.
stored_value = models.TrialValueModel.stored_repr_to_value
_stored_intermediate_value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value

#: The user attribute that names the trial whose results were reused.
REUSED_FROM = "reused_from"

Row = dict[str, Any]

STATE_OF_OUTCOME: Mapping[str, TrialState] = {
    Outcome.COMPLETE: TrialState.COMPLETE,
    Outcome.REUSED: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    Outcome.TIMED_OUT: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
    Outcome.DIVERGED: TrialState.FAIL,
}


# --- from records to trials -----------------------------------------------------------------------


class TrialRecord(NamedTuple):
    """What our tables say about a trial: all that a resuming coordinator needs."""

    number: int
    attempt: int
    #: enums.Outcome; None while unfinished.
    outcome: str | None
    invalid: bool
    val_mse: float | None
    hidden_width: int | None
    train_seconds: float | None
    reused_from: int | None
    #: Mean validation error over the seeds, by epoch.
    curve: dict[int, float]


class Projection(NamedTuple):
    """What our record of a trial says in Optuna's terms."""

    #: WAITING stands for RUNNING, too.
    state: TrialState
    values: list[float]
    intermediate_values: dict[int, float]
    reused_from: int | None


class Param(NamedTuple):
    """A parameter of a trial."""

    value: Any
    distribution: BaseDistribution

    def row(self, trial_id: int, name: str) -> Row:
        """Return a row of ``trial_params``. Raises ValueError for a value that is no choice."""
        return {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": self.distribution.to_internal_repr(self.value),
            "distribution_json": distribution_to_json(self.distribution),
        }

    @property
    def is_storable(self) -> bool:
        """Return whether Optuna can store the value: it must be one of the choices."""
        try:
            self.distribution.to_internal_repr(self.value)
        except (ValueError, TypeError):
            return False
        return True


#: Projection of a trial that has not been trained yet.
WAITING = Projection(TrialState.WAITING, [], {}, None)


def objective_values(
    objectives: Iterable[Objective], val_mse: float, hidden_width: int, train_seconds: float
) -> list[float]:
    """Return the values of a COMPLETE trial, one an objective."""
    values = {
        Objective.VAL_MSE: val_mse,
        Objective.HIDDEN_WIDTH: float(hidden_width),
        Objective.TRAIN_SECONDS: train_seconds,
    }
    return [values[objective] for objective in objectives]


def project(
    records: Mapping[int, TrialRecord], objectives: Sequence[Objective]
) -> dict[int, Projection]:
    """Project the records of a study, by trial id."""
    by_number = {record.number: record for record in records.values()}
    return {
        trial_id: _project(record, by_number, objectives) for trial_id, record in records.items()
    }


def _project(
    record: TrialRecord, by_number: Mapping[int, TrialRecord], objectives: Sequence[Objective]
) -> Projection:
    # Optuna accepts no reports in a study with several objectives.
    curve = record.curve if len(objectives) == 1 else {}
    state = STATE_OF_OUTCOME[record.outcome] if record.outcome else TrialState.WAITING
    values: list[float] = []
    if state == TrialState.COMPLETE:
        trained = record
        if record.reused_from is not None:
            trained = by_number.get(record.reused_from, record)
        values = objective_values(
            objectives,
            inf if trained.val_mse is None else trained.val_mse,  # NULL if not finite
            trained.hidden_width or 0,
            trained.train_seconds or 0.0,
        )
    elif state == TrialState.PRUNED and curve:
        values = [curve[max(curve)]]  # as Optuna's tell does
    return Projection(state, values, curve, record.reused_from)


# --- from trials to rows --------------------------------------------------------------------------


def _utc(moment: datetime | None) -> datetime | None:
    # Optuna uses naive local time in memory and naive UTC in the database.
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def state_row(trial: FrozenTrial) -> Row:
    """Return the columns of ``trials`` that change with a trial's state."""
    return {
        "state": trial.state,
        "datetime_start": _utc(trial.datetime_start),
        "datetime_complete": _utc(trial.datetime_complete),
    }


def value_rows(trial_id: int, values: Sequence[float]) -> Iterator[Row]:
    """Yield rows of ``trial_values``."""
    for objective, number in enumerate(values):
        value, kind = models.TrialValueModel.value_to_stored_repr(number)
        yield {"trial_id": trial_id, "objective": objective, "value": value, "value_type": kind}


def to_distribution(domain: "Domain") -> BaseDistribution:
    """Return the distribution that Optuna stores for a domain of a study file."""
    from sweep.studyfile import Categorical, Float, Int  # slow to import

    match domain:
        case Float(low=low, high=high, log=log, step=step):
            return FloatDistribution(low, high, log=log, step=step)
        case Int(low=low, high=high, log=log, step=step):
            return IntDistribution(low, high, log=log, step=step)
        case Categorical(choices=choices):
            return CategoricalDistribution(choices)


def param_rows(changes: "Changes", ids: Mapping[int, int]) -> list[Row]:
    """Return new rows of ``trial_params``."""
    return [
        Param(value, trial.distributions[name]).row(ids[number], name)
        for number, names in changes.params.items()
        for trial in [changes.trials[number]]
        for name, value in trial.params.items()
        if name in names
    ]


def intermediate_rows(trial_id: int, values: Mapping[int, float]) -> Iterator[Row]:
    """Yield rows of ``trial_intermediate_values``."""
    for step, number in sorted(values.items()):
        value, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(number)
        yield {
            "trial_id": trial_id,
            "step": step,
            "intermediate_value": value,
            "intermediate_value_type": kind,
        }


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


def rewrite(connection: Connection, trial_id: int, projection: Projection) -> None:
    """Replace what a trial's rows say by its projection; a RUNNING trial becomes WAITING."""
    statement = update(trials).where(trials.c.trial_id == trial_id)
    connection.execute(statement.values(state=projection.state))
    if projection.state == TrialState.WAITING:
        connection.execute(statement.values(datetime_complete=None))
    attributes = trial_user_attributes
    of_trial = attributes.c.trial_id == trial_id
    connection.execute(delete(attributes).where(of_trial, attributes.c.key == REUSED_FROM))
    new: dict[Table, list[Row]] = {
        trial_values: list(value_rows(trial_id, projection.values)),
        trial_intermediate_values: list(
            intermediate_rows(trial_id, projection.intermediate_values)
        ),
    }
    for table, rows in new.items():
        connection.execute(delete(table).where(table.c.trial_id == trial_id))
        if rows:
            connection.execute(insert(table), rows)
    if (twin := projection.reused_from) is not None:
        row = {"trial_id": trial_id, "key": REUSED_FROM, "value_json": json.dumps(twin)}
        connection.execute(insert(attributes).values(row))


# --- from rows to trials --------------------------------------------------------------------------


def load_projections(connection: Connection, study_id: int) -> dict[int, Projection]:
    """Read what the rows of each trial say, by trial id."""
    values = _values(connection, study_id)
    intermediate = _intermediate_values(connection, study_id)
    user_attrs = _attributes(connection, study_id, trial_user_attributes)
    query = select(trials.c.trial_id, trials.c.state).where(trials.c.study_id == study_id)
    return {
        trial_id: Projection(
            state,
            values.get(trial_id, []),
            intermediate[trial_id],
            user_attrs[trial_id].get(REUSED_FROM),
        )
        for trial_id, state in connection.execute(query)
    }


def load_trials(
    connection: Connection, study_id: int, projections: Mapping[int, Projection]
) -> list[FrozenTrial]:
    """Build Optuna's trials of a study; trials without a projection are built from their rows."""
    query = select(trials).where(trials.c.study_id == study_id).order_by(trials.c.number)
    rows = connection.execute(query).all()
    params, distributions = _params(connection, study_id)
    user_attrs = _attributes(connection, study_id, trial_user_attributes)
    system_attrs = _attributes(connection, study_id, trial_system_attributes)
    others = [row.trial_id for row in rows if row.trial_id not in projections]
    if others:
        stored = load_projections(connection, study_id)
        projections = {**projections, **{trial_id: stored[trial_id] for trial_id in others}}
    local = LocalTime()
    found = []
    for row in rows:
        projection = projections[row.trial_id]
        if projection.reused_from is not None:
            user_attrs[row.trial_id][REUSED_FROM] = projection.reused_from
        found.append(
            FrozenTrial(
                number=row.number,
                trial_id=row.trial_id,
                state=projection.state,
                value=None,
                values=projection.values or None,
                datetime_start=local.of(row.datetime_start),
                datetime_complete=local.of(row.datetime_complete),
                params=params[row.trial_id],
                distributions=distributions[row.trial_id],
                user_attrs=user_attrs[row.trial_id],
                system_attrs=system_attrs[row.trial_id],
                intermediate_values=projection.intermediate_values,
            )
        )
    return found


def load_params(connection: Connection, study_id: int) -> dict[int, dict[str, Param]]:
    """Read the parameters of each trial, by trial id; a trial without any is not in it."""
    params, distributions = _params(connection, study_id)
    return {
        trial_id: {name: Param(value, distributions[trial_id][name]) for name, value in of.items()}
        for trial_id, of in params.items()
    }


def rewrite_params(connection: Connection, trial_id: int, params: Mapping[str, Param]) -> None:
    """Replace parameters of a trial, or add them."""
    table = trial_params
    of_trial = table.c.trial_id == trial_id
    connection.execute(delete(table).where(of_trial, table.c.param_name.in_(params)))
    if params:
        rows = [param.row(trial_id, name) for name, param in params.items()]
        connection.execute(insert(table), rows)


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
    # Few, if any: reading the type of each of a million values would take as long as the values.
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

    The offset changes at quarters of an hour, if at all. Asking the system for each of 200,000
    times takes a third of the time to open a study; they arrive nearly in order.
    """

    def __init__(self) -> None:
        self._from = self._until = datetime.max
        self._offset = timedelta()

    def of(self, moment: datetime | None) -> datetime | None:
        """Convert a time to naive local time, as Optuna stores it."""
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
