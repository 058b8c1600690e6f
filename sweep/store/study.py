"""Create studies and open them for a coordinator: from rows to Optuna's study in memory."""

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from sweep.enums import CommandKind, EventKind, Outcome, StudyPhase, WorkerState
from sweep.errors import CorruptValueError, StoreError, SweepError
from sweep.messages import ProbeBaseline
from sweep.store import clock, lease, revisions, schema
from sweep.store.clock import now
from sweep.store.column_types import locate_corruption
from sweep.store.engine import insert_if_absent, write_transaction
from sweep.store.kept_weights import KeptWeights, load_kept_weights
from sweep.store.lookup import one_of, snapshot
from sweep.store.measurements import probe_baselines
from sweep.store.optuna_rows import load_trials, project
from sweep.store.recording import RecordingStorage
from sweep.store.study_files import read_about
from sweep.store.trial_records import read_objectives, read_records
from sweep.store.writer import Row, StudyWriter


@dataclass(frozen=True, kw_only=True)
class NewStudy:
    """The initial rows of a study."""

    name: str
    study_file: str
    provenance: dict[str, Any]
    n_trials: int
    #: Optuna's user attributes of the study.
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """A study that this process holds: its storage in memory and its way to the database."""

    study_id: int
    name: str
    storage: RecordingStorage
    writer: StudyWriter
    #: Attempts dispatched so far, by trial number.
    attempts: dict[int, int]
    #: Recorded seeds of waiting trials, by number.
    seeds: dict[int, tuple[int, ...]]
    #: Trials excluded from sampling and pruning because a user marked them invalid.
    invalid: frozenset[int]
    n_trials: int
    n_diverged: int
    #: Mean validation error by trial number and epoch.
    curves: Mapping[int, Mapping[int, float]]
    #: By trial number.
    kept_weights: list[KeptWeights]
    #: What the codes of networks are compared with, of all data sets.
    probe_baselines: list[ProbeBaseline]
    #: SHA-256 of the data the study trained on so far; None before its first worker was ready.
    data_sha256: str | None
    #: When this process took the lease, by the database's clock.
    held_since: float
    #: Its last phase so far, and why it ended in it.
    last_end: tuple[str, str | None]


def find_study_id(connection: Connection, name: str) -> int | None:
    """Return the id of a study by its name, Optuna's or ours alike."""
    return connection.scalar(
        select(schema.studies.c.study_id).where(schema.studies.c.study_name == name)
    )


def create_study(engine: Engine, new: NewStudy) -> bool:
    """Insert a study's rows in one transaction; return False if the name is taken."""
    with write_transaction(engine) as connection:
        if not insert_if_absent(connection, schema.studies, {"study_name": new.name}):
            return False
        study_id = find_study_id(connection, new.name)
        of_study = {"study_id": study_id, "direction": StudyDirection.MINIMIZE}
        n_objectives = len(read_about(new.study_file).study.objectives)
        rows = [{**of_study, "objective": i} for i in range(n_objectives)]
        connection.execute(insert(schema.study_directions), rows)
        for key, value in new.attributes.items():
            row = {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
            connection.execute(insert(schema.study_user_attributes).values(row))
        time = now(connection.dialect.name)
        connection.execute(
            insert(schema.sweep_studies).values(
                study_id=study_id,
                study_file=new.study_file,
                provenance=new.provenance,
                created_at=time,
                updated_at=time,
                n_trials=new.n_trials,
                phase=StudyPhase.NEW,
            )
        )
    return True


def add_waiting_trial(engine: Engine, name: str, seeds: Sequence[int]) -> None:
    """Add the first trial of a new study, to be trained with these seeds."""
    with write_transaction(engine) as connection:
        study_id = find_study_id(connection, name)
        revision = revisions.advance(connection, study_id or 0)
        waiting = insert(schema.trials).values(
            study_id=study_id, number=0, state=TrialState.WAITING
        )
        trial_id = connection.scalar(waiting.returning(schema.trials.c.trial_id))
        connection.execute(
            insert(schema.sweep_trials).values(
                trial_id=trial_id,
                study_id=study_id,
                number=0,
                attempt=0,
                config={},
                seeds=list(seeds),
                invalid=False,
                revision=revision,
            )
        )


def hold_study(
    engine: Engine,
    name: str,
    *,
    waiting: Callable[[float], None] = lambda seconds_left: None,
    held: Callable[[], None] = lambda: None,
) -> OpenStudy:
    """Take the study's lease and load it; trials that were running are reset to WAITING.

    ``held`` is called once the lease is taken: loading 100,000 trials takes seconds.

    Raises StudyHeldError while another coordinator is alive, StoreError for a damaged study.
    """
    with snapshot(engine) as connection:
        study_id = find_study_id(connection, name)
    if study_id is None:
        raise StoreError(f"no study named {name!r}.")
    token = lease.take_or_wait(engine, study_id, name, waiting=waiting)
    held()
    try:
        with _no_collection():
            return _load(engine, study_id, name, token)
    except BaseException:
        with (
            suppress(SweepError),
            write_transaction(engine) as connection,
        ):  # no work will be done under it
            lease.release(connection, study_id, token)
        raise


def _load(engine: Engine, study_id: int, name: str, token: str) -> OpenStudy:
    with write_transaction(engine) as connection:
        revision = revisions.advance(connection, study_id)
        lease.renew(connection, study_id, token, 0)
        _tell_of_death(connection, study_id)
        _put_back(connection, study_id, revision)
        _supersede(connection, study_id)
        records = read_records(connection, study_id)
        objectives = read_objectives(connection, study_id)
        trials = load_trials(connection, study_id, project(records, objectives))
        row = connection.execute(
            select(schema.sweep_studies).where(schema.sweep_studies.c.study_id == study_id)
        ).one()
        attributes = _study_attributes(connection, study_id)
        kept = load_kept_weights(connection, study_id)
        baselines = probe_baselines(connection)
        seeds = _seeds_of_waiting(connection, study_id)
        held_since = clock.read(connection)
    numbers = [trial.number for trial in trials]
    if numbers != list(range(len(trials))):
        raise StoreError(
            f"study {name!r}: its trial numbers have gaps or duplicates: {numbers[:20]}…"
        )
    trial_ids = {trial.number: trial._trial_id for trial in trials}  # before they get others
    storage = _in_memory(name, len(objectives), trials, attributes)
    return OpenStudy(
        study_id=study_id,
        name=name,
        storage=storage,
        writer=StudyWriter(engine, study_id, token, storage, trial_ids, row.provenance),
        attempts={record.number: record.attempt for record in records.values()},
        seeds=seeds,
        invalid=frozenset(record.number for record in records.values() if record.invalid),
        n_trials=row.n_trials,
        n_diverged=sum(record.outcome == Outcome.DIVERGED for record in records.values()),
        curves={record.number: record.curve for record in records.values() if record.curve},
        kept_weights=kept,
        probe_baselines=baselines,
        data_sha256=row.provenance.get("data_sha256"),
        held_since=held_since,
        last_end=(row.phase, row.ended_because),
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Disable garbage collection in the block.

    Loading creates a million objects, none of them garbage: traversing them again and again would
    take a third of its time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _seeds_of_waiting(connection: Connection, study_id: int) -> dict[int, tuple[int, ...]]:
    ours = schema.sweep_trials.c
    query = select(ours.number, ours.seeds).where(
        ours.study_id == study_id, ours.finished_at.is_(None)
    )
    return {row.number: tuple(row.seeds) for row in connection.execute(query) if row.seeds}


def _tell_of_death(connection: Connection, study_id: int) -> None:
    """Write an event if the last coordinator ended without releasing the study."""
    table = schema.sweep_workers
    lived = select(table.c.worker_id).where(
        table.c.study_id == study_id, table.c.state != WorkerState.GONE
    )
    if connection.execute(lived.limit(1)).first() is None:
        return
    n_running = connection.scalar(
        select(func.count())
        .select_from(schema.trials)
        .where(schema.trials.c.study_id == study_id, schema.trials.c.state == TrialState.RUNNING)
    )
    waits = "1 trial waits" if n_running == 1 else f"{n_running or 0:,} trials wait"
    connection.execute(
        insert(schema.sweep_events).values(
            study_id=study_id,
            at=now(connection.dialect.name),
            kind=EventKind.COORDINATOR_GONE,
            message=f"the last one ended unexpectedly: {waits} again",
        )
    )


def _put_back(connection: Connection, study_id: int, revision: int) -> None:
    """Reset trials that a dead coordinator left running to WAITING, with their numbers."""
    running = list(
        connection.scalars(
            select(schema.trials.c.trial_id).where(
                schema.trials.c.study_id == study_id, schema.trials.c.state == TrialState.RUNNING
            )
        )
    )
    is_running = one_of(schema.trials.c.trial_id, running)
    connection.execute(update(schema.trials).where(is_running).values(state=TrialState.WAITING))
    for table in schema.TABLES_OF_AN_ATTEMPT:
        connection.execute(delete(table).where(one_of(table.c.trial_id, running)))
    revisions.touch(connection, revision, running)
    connection.execute(
        update(schema.sweep_workers)
        .where(schema.sweep_workers.c.study_id == study_id)
        .values(state=WorkerState.GONE)
    )


def _supersede(connection: Connection, study_id: int) -> None:
    """Discard earlier stop and pause commands: they don't apply to a study started again."""
    table = schema.sweep_commands
    connection.execute(
        update(table)
        .where(
            table.c.study_id == study_id,
            table.c.applied_at.is_(None),
            table.c.kind.in_([CommandKind.STOP, CommandKind.PAUSE, CommandKind.CONTINUE]),
        )
        .values(applied_at=now(connection.dialect.name), outcome="superseded by a later start")
    )


def _study_attributes(connection: Connection, study_id: int) -> tuple[Row, Row]:
    found = []
    for table in (schema.study_user_attributes, schema.study_system_attributes):
        rows = connection.execute(select(table).where(table.c.study_id == study_id))
        found.append({row.key: json.loads(row.value_json) for row in rows})
    return found[0], found[1]


def _in_memory(
    name: str, n_objectives: int, trials: Sequence[FrozenTrial], attributes: tuple[Row, Row]
) -> RecordingStorage:
    storage = RecordingStorage()
    study_id = storage.create_new_study([StudyDirection.MINIMIZE] * n_objectives, name)
    for key, value in attributes[0].items():
        storage.set_study_user_attr(study_id, key, value)
    for key, value in attributes[1].items():
        storage.set_study_system_attr(study_id, key, value)
    storage.load(trials)
    storage.take_changes()
    return storage


def study_exists(engine: Engine, name: str) -> bool:
    """Return whether there is a study of that name, ours or plain Optuna's."""
    with snapshot(engine) as connection:
        return find_study_id(connection, name) is not None


class InvalidTrials(NamedTuple):
    """The invalid marks that users have set on trials of a study."""

    #: Numbers of the trials marked as invalid.
    numbers: frozenset[int]
    #: One message for each mark that cannot be read.
    problems: tuple[str, ...]


def invalid_trials(engine: Engine, study_id: int) -> InvalidTrials:
    """Read which trials are marked invalid; a corrupt row does not hide the others."""
    ours = schema.sweep_trials
    is_marked = (ours.c.study_id == study_id, ours.c.invalid)
    query = select(ours.c.number)
    with snapshot(engine) as connection:
        with suppress(CorruptValueError), locate_corruption(connection):
            return InvalidTrials(frozenset(connection.scalars(query.where(*is_marked))), ())
        numbers, problems = set(), []
        for trial_id in connection.scalars(select(ours.c.trial_id).where(*is_marked)).all():
            try:
                with locate_corruption(connection):
                    one = connection.execute(query.where(ours.c.trial_id == trial_id))
                    numbers.add(one.scalar_one())
            except CorruptValueError as error:
                problems.append(f"{error.place} of trial_id {trial_id}: {error.why}")
    return InvalidTrials(frozenset(numbers), tuple(problems))
