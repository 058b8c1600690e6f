"""What pages, tables and exports read: functions of an Engine that give frozen records.

    studies, study_list, study      every study, with those that cannot be read, one study
    n_trials                        how many trials a study has
    revision, revisions             whether anything of a study, or of any, is new
    made                            whether a study of that name is still the same one
    table, TableReader              all trials as columns; kept up to date
    trials, best, trial             rows of trials, one trial in full
    best_so_far                     where the best value of each study fell
    domains                         what the parameters were drawn from
    curves, seed_curves             learning curves
    reconstruction, originals       pictures
    workers, events, commands       what a sweep is doing
    study_file_text, settings, provenance, notes    what is needed to repeat it
    floors                          cached by data set, not by study

A study or trial that is not there raises NotFoundError.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState
from pydantic import ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    true,
    type_coerce,
)

from sweep.enums import Outcome, StudyPhase, Trainer, WorkerState
from sweep.errors import CorruptValueError
from sweep.store import clock
from sweep.store.column_types import check_settings
from sweep.store.lookup import (
    find_study,
    find_trial,
    is_study,
    lease_of,
    no_such_study,
    snapshot,
    study_by_study,
    utc,
    utc_or_none,
)
from sweep.store.read_trials import (
    ORDERS,
    best,
    contenders,
    curves,
    domains,
    event_rows,
    note_rows,
    seed_curves,
    trial,
    trials,
)
from sweep.store.records import (
    STATES,
    ChoiceDomain,
    CommandRow,
    CurvePoint,
    Domain,
    EventRow,
    LeaseRow,
    NoteRow,
    NumberDomain,
    Reconstruction,
    SeedResult,
    StudyList,
    StudySummary,
    TrialDetail,
    TrialRow,
    UnreadableStudy,
    WorkerRow,
)
from sweep.store.revisions import made, revision, revisions
from sweep.store.schema import studies as optuna_studies
from sweep.store.schema import (
    sweep_commands,
    sweep_events,
    sweep_floors,
    sweep_leases,
    sweep_notes,
    sweep_reconstructions,
    sweep_studies,
    sweep_tags,
    sweep_trials,
    sweep_workers,
    trial_values,
)
from sweep.store.schema import trials as optuna_trials
from sweep.store.table import TrialTable
from sweep.store.table_reader import TableReader, table

__all__ = [
    "ORDERS",
    "STATES",
    "ChoiceDomain",
    "CommandRow",
    "CurvePoint",
    "Domain",
    "EventRow",
    "LeaseRow",
    "NoteRow",
    "NumberDomain",
    "Reconstruction",
    "SeedResult",
    "StudyList",
    "StudySummary",
    "TableReader",
    "TrialDetail",
    "TrialRow",
    "TrialTable",
    "UnreadableStudy",
    "WorkerRow",
    "best",
    "best_so_far",
    "commands",
    "curves",
    "dataset",
    "domains",
    "events",
    "floors",
    "made",
    "n_trials",
    "notes",
    "originals",
    "provenance",
    "reconstruction",
    "revision",
    "revisions",
    "seed_curves",
    "settings",
    "studies",
    "study",
    "study_file_text",
    "study_list",
    "table",
    "trial",
    "trials",
    "workers",
]

#: The span that trials per second are counted over.
_RATE_SECONDS = 60.0


def studies(engine: Engine) -> list[StudySummary]:
    """Return every readable study, by name."""
    return list(study_list(engine).studies)


def study_list(engine: Engine) -> StudyList:
    """Return every study, those with corrupt values separately."""
    with snapshot(engine) as connection:
        try:
            return StudyList(studies=_summaries(connection, _STUDIES), unreadable=())
        except (CorruptValueError, ValidationError):
            pass
        readable: list[StudySummary] = []
        unreadable: list[UnreadableStudy] = []
        for name, found in study_by_study(
            connection, lambda of: _summaries(connection, _STUDIES.where(of))
        ):
            if isinstance(found, CorruptValueError):
                unreadable.append(UnreadableStudy(name=name, reason=str(found)))
            else:
                readable += found
        return StudyList(studies=readable, unreadable=unreadable)


def study(engine: Engine, name: str) -> StudySummary:
    """One study."""
    with snapshot(engine) as connection:
        found = _summaries(connection, _STUDIES.where(is_study(name)))
        if not found:
            raise no_such_study(connection, name)
        return found[0]


def n_trials(engine: Engine, name: str) -> int:
    """Count a study's trials in any state."""
    with snapshot(engine) as connection:
        of_study = optuna_trials.c.study_id == find_study(connection, name)
        return connection.execute(select(func.count()).where(of_study)).scalar_one()


_STUDIES: Select[Any] = (
    select(
        optuna_studies.c.study_name,
        sweep_studies.c.study_id,
        sweep_studies.c.settings,
        sweep_studies.c.dataset,
        sweep_studies.c.created_at,
        sweep_studies.c.updated_at,
        sweep_studies.c.n_trials,
        sweep_studies.c.phase,
        sweep_studies.c.ended_because,
        sweep_leases.c.host,
        sweep_leases.c.pid,
        sweep_leases.c.process,
        sweep_leases.c.taken_at,
        sweep_leases.c.expires_at,
    )
    .select_from(
        optuna_studies.join(
            sweep_studies, sweep_studies.c.study_id == optuna_studies.c.study_id
        ).outerjoin(sweep_leases, sweep_leases.c.study_id == optuna_studies.c.study_id)
    )
    .order_by(optuna_studies.c.study_name)
)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """What is counted over the trials, commands, tags and notes of several studies, by study."""

    now: float
    states: Mapping[int, Mapping[str, int]]
    marks: Mapping[int, Row[Any]]
    best: Mapping[int, Row[Any]]
    rates: Mapping[int, float]
    pending: Mapping[int, int]
    tags: Mapping[int, list[str]]
    notes: Mapping[int, str]


def _summaries(connection: Connection, query: Select[Any]) -> list[StudySummary]:
    rows = connection.execute(query).all()
    ids = query.with_only_columns(sweep_studies.c.study_id).order_by(None)
    counted = _Counted(
        now=clock.read(connection),
        states=_count_states(connection, ids),
        marks=_by_study(connection.execute(_marks_query(ids))),
        best=_best(connection, ids),
        rates=_rates(connection, ids),
        pending=_pending(connection, ids),
        tags=_study_tags(connection, ids),
        notes=_study_notes(connection, ids),
    )
    return [_summary(row, counted) for row in rows]


def _summary(row: Row[Any], counted: _Counted) -> StudySummary:
    about: Mapping[str, Any] = row.settings.get("study", {})
    marks = counted.marks.get(row.study_id)
    best_trial = counted.best.get(row.study_id)
    return StudySummary(
        study_id=row.study_id,
        name=row.study_name,
        description=about.get("description") or "",
        phase=row.phase,
        ended_because=row.ended_because,
        dataset=row.dataset,
        objectives=tuple(about.get("objectives", ("val_mse",))),
        counts={state: counted.states.get(row.study_id, {}).get(state, 0) for state in STATES},
        n_diverged=marks.n_diverged if marks else 0,
        n_invalid=marks.n_invalid if marks else 0,
        n_reused=marks.n_reused if marks else 0,
        n_trials=row.n_trials,
        best_value=best_trial.value if best_trial else None,
        best_number=best_trial.number if best_trial else None,
        trials_per_second=counted.rates.get(row.study_id),
        n_pending_commands=counted.pending.get(row.study_id, 0),
        tags=tuple(counted.tags.get(row.study_id, ())),
        note=counted.notes.get(row.study_id),
        held_by=lease_of(row, counted.now),
        created_at=utc(row.created_at),
        updated_at=utc(row.updated_at),
    )


def _by_study(rows: Iterable[Row[Any]]) -> dict[int, Row[Any]]:
    return {row.study_id: row for row in rows}


def _count_states(connection: Connection, ids: Select[Any]) -> dict[int, dict[str, int]]:
    # One group a study, in the order of Optuna's index; a group a state would have to be sorted.
    study_id, state = optuna_trials.c.study_id, optuna_trials.c.state
    counts = (func.count(case((state == TrialState[name], 1))) for name in STATES)
    query = select(study_id, *counts).where(study_id.in_(ids)).group_by(study_id)
    return {
        key: dict(zip(STATES, of_states, strict=True))
        for key, *of_states in connection.execute(query)
    }


def _marks_query(ids: Select[Any]) -> Select[Any]:
    diverged = case((sweep_trials.c.outcome == Outcome.DIVERGED, 1))
    reused = case((sweep_trials.c.outcome == Outcome.REUSED, 1))
    invalid = case((sweep_trials.c.invalid == true(), 1))
    return (
        select(
            sweep_trials.c.study_id,
            func.count(diverged).label("n_diverged"),
            func.count(invalid).label("n_invalid"),
            func.count(reused).label("n_reused"),
        )
        .where(sweep_trials.c.study_id.in_(ids))
        .group_by(sweep_trials.c.study_id)
    )


def _best(connection: Connection, ids: Select[Any]) -> dict[int, Row[Any]]:
    # The first of each study; to rank them all by a window takes several times as long.
    study = sweep_studies.alias()
    first = (
        contenders(ids, of=study.c.study_id)
        .order_by(trial_values.c.value, optuna_trials.c.number)
        .limit(1)
        .correlate(study)
        .scalar_subquery()
    )
    # Apart from what follows: joined with it, PostgreSQL looks for the first one twice.
    firsts = connection.scalars(select(first).where(study.c.study_id.in_(ids))).all()
    query = (
        select(optuna_trials.c.study_id, optuna_trials.c.number, trial_values.c.value)
        .join(trial_values, trial_values.c.trial_id == optuna_trials.c.trial_id)
        .where(trial_values.c.objective == 0, optuna_trials.c.trial_id.in_(firsts))
    )
    return _by_study(connection.execute(query))


def best_so_far(engine: Engine) -> dict[str, list[tuple[int, float]]]:
    """By study, the trials that were better than all before them: number and value, in order.

    The same trials count as for ``best``; a study without any is left out.
    """
    with snapshot(engine) as connection:
        try:
            return _best_so_far(connection, true())
        except (CorruptValueError, ValidationError):
            pass
        found = study_by_study(connection, lambda of: _best_so_far(connection, of))
        return {
            name: steps[name]
            for name, steps in found
            if not isinstance(steps, CorruptValueError) and name in steps
        }


def _best_so_far(
    connection: Connection, of_studies: ColumnElement[bool]
) -> dict[str, list[tuple[int, float]]]:
    number, value = optuna_trials.c.number, trial_values.c.value
    before = func.min(value).over(
        partition_by=optuna_trials.c.study_id, order_by=number, rows=(None, -1)
    )
    placed = (
        contenders(select(sweep_studies.c.study_id).where(of_studies))
        .with_only_columns(optuna_trials.c.study_id, number, value, before.label("before"))
        .subquery()
    )
    query = (
        select(optuna_studies.c.study_name, placed.c.number, placed.c.value)
        .join(optuna_studies, optuna_studies.c.study_id == placed.c.study_id)
        .where(or_(placed.c.before.is_(None), placed.c.value < placed.c.before))
        .order_by(optuna_studies.c.study_name, placed.c.number)
    )
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name, of, best_value in connection.execute(query):
        found[name].append((of, best_value))
    return dict(found)


def _rates(connection: Connection, ids: Select[Any]) -> dict[int, float]:
    """Trials a second, over the minute before now, or before the last end if nobody works."""
    study_id, finished_at = sweep_trials.c.study_id, sweep_trials.c.finished_at
    now = clock.now(connection.dialect.name)
    live = func.max(sweep_leases.c.expires_at) > now
    spans = (
        select(
            study_id,
            # Of the column's type, which checks it: SQL takes that of the clock.
            type_coerce(
                case((live, now), else_=func.max(finished_at)), sweep_trials.c.finished_at.type
            ).label("until"),
            func.min(sweep_trials.c.started_at).label("since"),
        )
        .select_from(
            sweep_trials.outerjoin(sweep_leases, sweep_leases.c.study_id == study_id),
        )
        .where(study_id.in_(ids))
        .group_by(study_id)
        .subquery()
    )
    query = (
        select(spans.c.study_id, spans.c.until, spans.c.since, func.count(finished_at))
        .outerjoin(
            sweep_trials,
            and_(
                sweep_trials.c.study_id == spans.c.study_id,
                finished_at > spans.c.until - _RATE_SECONDS,
            ),
        )
        .group_by(spans.c.study_id, spans.c.until, spans.c.since)
    )
    return {
        key: count / min(_RATE_SECONDS, until - since)
        for key, until, since, count in connection.execute(query)
        if since is not None and until is not None and until > since
    }


def _pending(connection: Connection, ids: Select[Any]) -> dict[int, int]:
    study_id = sweep_commands.c.study_id
    query = (
        select(study_id, func.count())
        .where(study_id.in_(ids), sweep_commands.c.applied_at.is_(None))
        .group_by(study_id)
    )
    return dict(connection.execute(query).all())


def _study_tags(connection: Connection, ids: Select[Any]) -> dict[int, list[str]]:
    query = (
        select(sweep_tags.c.study_id, sweep_tags.c.tag)
        .where(sweep_tags.c.study_id.in_(ids), sweep_tags.c.trial_id.is_(None))
        .order_by(sweep_tags.c.tag)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for key, tag in connection.execute(query):
        found[key].append(tag)
    return found


def _study_notes(connection: Connection, ids: Select[Any]) -> dict[int, str]:
    query = (
        select(sweep_notes.c.study_id, sweep_notes.c.text)
        .where(sweep_notes.c.study_id.in_(ids), sweep_notes.c.trial_id.is_(None))
        .order_by(sweep_notes.c.note_id)
    )
    return dict(connection.execute(query).all())


def reconstruction(engine: Engine, name: str, number: int) -> Reconstruction | None:
    """A trial's pictures; None while it has none."""
    with snapshot(engine) as connection:
        _, trial_id = find_trial(connection, name, number)
        query = select(sweep_reconstructions).where(sweep_reconstructions.c.trial_id == trial_id)
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Reconstruction(reconstructions_png=row.reconstructions_png, errors_png=row.errors_png)


def originals(engine: Engine, name: str) -> bytes | None:
    """The strip of the ten test images, PNG; None until a worker was ready."""
    png: bytes | None = _study_column(engine, name, "originals_png")
    return png


def study_file_text(engine: Engine, name: str) -> str:
    """The study file, TOML, with what --set changed."""
    return str(_study_column(engine, name, "study_file"))


def phase(engine: Engine, name: str) -> StudyPhase:
    """What the study's coordinator is doing, or how it ended."""
    return StudyPhase(_study_column(engine, name, "phase"))


def settings(engine: Engine, name: str) -> dict[str, Any]:
    """Return the study file as JSON, defaults filled in. Raises CorruptValueError."""
    return dict(_study_column(engine, name, "settings", check_settings))


def dataset(engine: Engine, name: str) -> str:
    """Return the name of the study's data set."""
    return str(_study_column(engine, name, "dataset"))


def provenance(engine: Engine, name: str) -> dict[str, Any]:
    """Versions, git commit, data checksum, host: as the coordinator wrote them."""
    return dict(_study_column(engine, name, "provenance"))


def _study_column(
    engine: Engine, name: str, column: str, check: Callable[[Any], None] | None = None
) -> Any:
    """A column of the study's own row; ``check`` raises CorruptValueError."""
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        query = select(sweep_studies.c[column]).where(sweep_studies.c.study_id == study_id)
        found = connection.execute(query).scalar_one()
        if check is not None:
            check(found)
        return found


def workers(engine: Engine, name: str) -> list[WorkerRow]:
    """The study's workers, in the order in which they were started."""
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        query = (
            select(sweep_workers)
            .where(sweep_workers.c.study_id == study_id)
            .order_by(sweep_workers.c.worker_id)
        )
        training = _training(connection, study_id)
        return [_worker(row, training) for row in connection.execute(query)]


def _training(connection: Connection, study_id: int) -> dict[str, int]:
    query = (
        select(sweep_trials.c.worker, func.count())
        .join(optuna_trials, optuna_trials.c.trial_id == sweep_trials.c.trial_id)
        .where(
            sweep_trials.c.study_id == study_id,
            sweep_trials.c.finished_at.is_(None),  # few, and an index has them together
            optuna_trials.c.state == TrialState.RUNNING,
        )
        .group_by(sweep_trials.c.worker)
    )
    return dict(connection.execute(query).all())


def _worker(row: Row[Any], training: Mapping[str, int]) -> WorkerRow:
    # A resumed study names its workers anew from w0: a trial belongs to the one that lives.
    n_training = training.get(row.name, 0) if row.n_training is None else row.n_training
    return WorkerRow(
        name=row.name,
        host=row.host,
        pid=row.pid,
        device=row.device,
        device_name=row.device_name,
        driver_version=row.driver_version,
        trainer=None if row.trainer is None else Trainer(row.trainer),
        fallback_reason=row.fallback_reason,
        triton_version=row.triton_version,
        ptxas_version=row.ptxas_version,
        state=row.state,
        n_finished=row.n_finished,
        n_training=0 if row.state == WorkerState.GONE else n_training,
        slots=row.slots,
        rows=row.rows,
        started_at=utc(row.started_at),
        seen_at=utc(row.seen_at),
        busy=row.busy,
        busy_since_first=row.busy_since_first,
        memory_used_bytes=row.memory_used_bytes,
        memory_total_bytes=row.memory_total_bytes,
        utilisation=row.utilisation,
        utilisation_since_first=row.utilisation_since_first,
        n_threads=row.n_threads,
    )


def events(
    engine: Engine, name: str, after_id: int = 0, newest: int | None = None
) -> list[EventRow]:
    """The study's events that are newer than ``after_id``, oldest first.

    With ``newest``, only the last so many of them.
    """
    with snapshot(engine) as connection:
        of_study = sweep_events.c.study_id == find_study(connection, name)
        later = sweep_events.c.event_id > after_id
        return event_rows(connection, of_study, later, newest=newest)


def commands(engine: Engine, name: str, pending_only: bool = False) -> list[CommandRow]:
    """What users asked of the study's coordinator, oldest first."""
    with snapshot(engine) as connection:
        query = (
            select(sweep_commands)
            .where(sweep_commands.c.study_id == find_study(connection, name))
            .order_by(sweep_commands.c.command_id)
        )
        if pending_only:
            query = query.where(sweep_commands.c.applied_at.is_(None))
        return [_command(row) for row in connection.execute(query)]


def _command(row: Row[Any]) -> CommandRow:
    return CommandRow(
        command_id=row.command_id,
        kind=row.kind,
        payload=row.payload or {},
        created_at=utc(row.created_at),
        applied_at=utc_or_none(row.applied_at),
        outcome=row.outcome,
    )


def notes(engine: Engine, name: str, number: int | None = None) -> list[NoteRow]:
    """Every note of the study, or of one trial, oldest first; the last one counts."""
    with snapshot(engine) as connection:
        if number is None:
            study_id = find_study(connection, name)
            of_study = sweep_notes.c.study_id == study_id
            return note_rows(connection, of_study, sweep_notes.c.trial_id.is_(None))
        _, trial_id = find_trial(connection, name, number)
        return note_rows(connection, sweep_notes.c.trial_id == trial_id)


def floors(engine: Engine, data_key: str) -> dict[str, Any] | None:
    """The floors that were computed for this data set and split; None when never."""
    with snapshot(engine) as connection:
        query = select(sweep_floors.c.floors).where(sweep_floors.c.data_key == data_key)
        found: dict[str, Any] | None = connection.execute(query).scalar_one_or_none()
        return found
