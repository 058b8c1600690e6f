"""Manage the weights that a study keeps in files, and the network analyses computed from them.

The best trial of each width class is kept, and, in a study that asks for an analysis of each trial,
other trials until they are analysed. What is still to be analysed is always read from the tables,
so an interrupted analysis is done later.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, delete, exists, insert, or_, select, update

from sweep.config import width_class
from sweep.enums import EventKind, Outcome
from sweep.errors import StoreError, StudyHeldError
from sweep.messages import NetworkAnalysis
from sweep.store import clock, revisions
from sweep.store.annotate import lock_study, refuse_if_held
from sweep.store.artifacts import ATTRIBUTE, remove_artifact
from sweep.store.engine import write_transaction
from sweep.store.lookup import find_study, find_trial, snapshot
from sweep.store.measurements import add_probe_baselines
from sweep.store.schema import (
    sweep_decompositions,
    sweep_events,
    sweep_probes,
    sweep_trials,
    trial_system_attributes,
)

#: Message of the event that replaces the analysis of a network whose code is not finite.
NOT_FINITE = "its code is not finite: there is nothing to analyse"


@dataclass(frozen=True, kw_only=True)
class KeptWeights:
    """The weights file of a trial that completed its training."""

    number: int
    artifact_id: str
    hidden_width: int
    #: Validation error, the mean over the seeds.
    val_mse: float
    is_analysed: bool = False
    is_invalid: bool = False


def kept_weights(engine: Engine, name: str) -> list[KeptWeights]:
    """List the weights that a study keeps, by trial number."""
    with snapshot(engine) as connection:
        return load_kept_weights(connection, find_study(connection, name))


def load_kept_weights(connection: Connection, study_id: int) -> list[KeptWeights]:
    """List the weights that a study keeps, by trial number."""
    ours = sweep_trials.c
    is_analysed = or_(
        *(
            exists().where(table.c.trial_id == ours.trial_id)
            for table in (sweep_decompositions, sweep_probes)
        ),
        ours.number.in_(
            select(sweep_events.c.number).where(
                sweep_events.c.study_id == study_id,
                sweep_events.c.kind == EventKind.CODE_NOT_FINITE,
            )
        ),
    )
    query = select(
        *(ours.number, ours.artifact_id, ours.config, ours.val_mse, ours.invalid),
        is_analysed.label("is_analysed"),
    ).where(
        ours.study_id == study_id,
        ours.artifact_id.is_not(None),
        ours.val_mse.is_not(None),
        ours.outcome == Outcome.COMPLETE,
    )
    return [
        KeptWeights(
            number=row.number,
            artifact_id=row.artifact_id,
            hidden_width=row.config["hidden_width"],
            val_mse=row.val_mse,
            is_analysed=bool(row.is_analysed),
            is_invalid=row.invalid,
        )
        for row in connection.execute(query.order_by(ours.number))
    ]


def due(kept: Iterable[KeptWeights]) -> list[KeptWeights]:
    """List the networks to be analysed: the best of each width class first."""
    waiting = [one for one in kept if not (one.is_analysed or one.is_invalid)]
    best = _best_of_widths(waiting)
    return sorted(waiting, key=lambda one: (one.number not in best, one.hidden_width, one.number))


def superseded_weights(kept: Iterable[KeptWeights], *, until_analysed: bool) -> list[KeptWeights]:
    """List weights that are no longer the best of their width class: their files can be deleted.

    With ``until_analysed`` a file is needed until its network is analysed. Files of trials marked
    invalid stay, because the mark may be removed.
    """
    counting = [one for one in kept if not one.is_invalid]
    best = _best_of_widths(counting)
    return [
        one
        for one in counting
        if one.number not in best and (one.is_analysed or not until_analysed)
    ]


def _best_of_widths(kept: Iterable[KeptWeights]) -> set[int]:
    """Return the numbers of the trials with the lowest error of their width class.

    The first of equals.
    """
    worst_first = sorted(kept, key=lambda one: (one.val_mse, one.number), reverse=True)
    return set({width_class(one.hidden_width): one.number for one in worst_first}.values())


def write_analysis(engine: Engine, name: str, kept: KeptWeights, analysis: NetworkAnalysis) -> None:
    """Store an analysis that was not computed by a coordinator.

    Baselines are stored in any case. Nothing else changes if the trial has been analysed in the
    meantime, or was trained again and has other weights.
    """
    with write_transaction(engine) as connection:
        study_id = find_study(connection, name)
        revision = revisions.advance(connection, study_id)
        add_probe_baselines(connection, analysis.baselines)
        trial_id: int | None = connection.scalar(
            select(sweep_trials.c.trial_id).where(
                sweep_trials.c.study_id == study_id,
                sweep_trials.c.number == kept.number,
                sweep_trials.c.artifact_id == kept.artifact_id,
            )
        )
        if trial_id is None:
            return
        if analysis.is_empty:
            event = {"kind": EventKind.CODE_NOT_FINITE, "message": NOT_FINITE}
            about = {"study_id": study_id, "number": kept.number, "at": clock.read(connection)}
            connection.execute(insert(sweep_events).values(**event, **about))
        for column, found in (
            (sweep_decompositions.c.decomposition, analysis.decomposition),
            (sweep_probes.c.probe, analysis.probe),
        ):
            of_trial = column.table.c.trial_id == trial_id
            is_there = connection.execute(select(column.table.c.trial_id).where(of_trial)).first()
            if found is not None and is_there is None:
                row = {"trial_id": trial_id, column.name: asdict(found)}
                connection.execute(insert(column.table).values(row))
        revisions.touch(connection, revision, [trial_id])


def drop_superseded(engine: Engine, name: str) -> None:
    """Forget the weights that are no longer needed, and delete their files.

    Nothing changes while a coordinator runs the study, because it does the same.
    """
    with write_transaction(engine) as connection:
        study_id = lock_study(connection, name)
        try:
            refuse_if_held(connection, name, study_id)
        except StudyHeldError:
            return
        dropped = superseded_weights(load_kept_weights(connection, study_id), until_analysed=True)
        if not dropped:
            return
        revision = revisions.advance(connection, study_id)
        ids = [find_trial(connection, name, one.number)[1] for one in dropped]
        for trial_id, one in zip(ids, dropped, strict=True):
            forget_weights(connection, trial_id, one.artifact_id)
        revisions.touch(connection, revision, ids)
    delete_files(engine, [one.artifact_id for one in dropped])


def delete_files(engine: Engine, artifact_ids: Iterable[str]) -> None:
    """Delete weights files that no row refers to any more.

    A file that cannot be deleted stays; `sweep doctor` finds it.
    """
    for artifact_id in artifact_ids:
        with suppress(StoreError):
            remove_artifact(engine.url, artifact_id)


def forget_weights(connection: Connection, trial_id: int, artifact_id: str) -> None:
    """Delete all references to a trial's weights file; the caller deletes the file."""
    connection.execute(
        update(sweep_trials)
        .where(sweep_trials.c.trial_id == trial_id, sweep_trials.c.artifact_id == artifact_id)
        .values(artifact_id=None)
    )
    table = trial_system_attributes
    connection.execute(
        delete(table).where(table.c.trial_id == trial_id, table.c.key == ATTRIBUTE + artifact_id)
    )
