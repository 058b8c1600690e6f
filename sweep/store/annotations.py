"""What stands beside the table of trials, for many of them at once: remarks, pictures.

The queries go by our own table, which has an index by number; Optuna's has none.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Engine, or_, select

from sweep.store.lookup import find_study, snapshot
from sweep.store.read_trials import seed_result
from sweep.store.records import Reconstruction, SeedResult, mean_of
from sweep.store.schema import (
    sweep_decompositions,
    sweep_notes,
    sweep_probes,
    sweep_reconstructions,
    sweep_results,
    sweep_tags,
    sweep_trials,
)

_NUMBER = sweep_trials.c.number


class Remarks(NamedTuple):
    """What was written about a trial."""

    tags: tuple[str, ...] = ()
    #: The newest note.
    note: str | None = None
    #: Why it failed or diverged, or why it is invalid.
    reason: str | None = None


def remarks(
    engine: Engine, name: str, numbers: Collection[int] | None = None
) -> dict[int, Remarks]:
    """By number, of these trials or of all, those that anything was written about."""
    with snapshot(engine) as connection:
        chosen = _chosen(connection, name, numbers)
        tags = _tags(connection, chosen)
        notes = _newest_notes(connection, chosen)
        reasons = _reasons(connection, chosen)
    return {
        number: Remarks(tuple(tags.get(number, ())), notes.get(number), reasons.get(number))
        for number in sorted({*tags, *notes, *reasons})
    }


def pictured(engine: Engine, name: str, numbers: Collection[int]) -> set[int]:
    """Which of these trials have pictures."""
    query = select(_NUMBER).join(
        sweep_reconstructions, sweep_reconstructions.c.trial_id == sweep_trials.c.trial_id
    )
    with snapshot(engine) as connection:
        return set(connection.execute(query.where(*_chosen(connection, name, numbers))).scalars())


def reconstructions(
    engine: Engine, name: str, numbers: Collection[int]
) -> dict[int, Reconstruction]:
    """Return pictures by trial number, for those of these trials that have any."""
    pictures = sweep_reconstructions
    query = select(_NUMBER, pictures.c.reconstructions_png, pictures.c.errors_png).join(
        pictures, pictures.c.trial_id == sweep_trials.c.trial_id
    )
    with snapshot(engine) as connection:
        rows = connection.execute(query.where(*_chosen(connection, name, numbers)))
        return {
            row.number: Reconstruction(
                reconstructions_png=row.reconstructions_png, errors_png=row.errors_png
            )
            for row in rows
        }


def seed_results(
    engine: Engine, name: str, numbers: Collection[int]
) -> dict[int, tuple[SeedResult, ...]]:
    """Return results by trial number, one a seed, in the order of the seeds."""
    query = (
        select(_NUMBER, sweep_results)
        .join(sweep_results, sweep_results.c.trial_id == sweep_trials.c.trial_id)
        .order_by(sweep_results.c.seed_index)
    )
    found: dict[int, tuple[SeedResult, ...]] = dict.fromkeys(numbers, ())
    with snapshot(engine) as connection:
        for row in connection.execute(query.where(*_chosen(connection, name, numbers))):
            found[row.number] += (seed_result(row),)
    return found


def diagnostics(
    engine: Engine, name: str, numbers: Collection[int] | None = None
) -> dict[int, dict[str, float]]:
    """``trial.Diagnostics`` by number, each a mean over the trial's seeds that were measured."""
    query = select(_NUMBER, sweep_results.c.diagnostics).join(
        sweep_results, sweep_results.c.trial_id == sweep_trials.c.trial_id
    )
    found: dict[int, list[dict[str, float]]] = defaultdict(list)
    with snapshot(engine) as connection:
        query = query.where(*_chosen(connection, name, numbers))
        for number, measured in connection.execute(query):
            if measured is not None:
                found[number].append(measured)
    return {number: means for number, seeds in found.items() if (means := mean_of(seeds))}


def decompositions(
    engine: Engine, name: str, numbers: Collection[int] | None = None
) -> dict[int, dict[str, Any]]:
    """``trial.Decomposition`` of the first seed by number, of the trials that have one."""
    return _inside(engine, name, sweep_decompositions.c.decomposition, numbers)


def probes(
    engine: Engine, name: str, numbers: Collection[int] | None = None, *, after: int = -1
) -> dict[int, dict[str, Any]]:
    """``trial.Probe`` of the first seed by number, of the trials that have one.

    ``after`` a revision: of those that changed since.
    """
    return _inside(engine, name, sweep_probes.c.probe, numbers, after)


def _inside(
    engine: Engine,
    name: str,
    column: Column[Any],
    numbers: Collection[int] | None,
    after: int = -1,
) -> dict[int, dict[str, Any]]:
    table = column.table
    query = (
        select(_NUMBER, column)
        .join(table, table.c.trial_id == sweep_trials.c.trial_id)
        .where(sweep_trials.c.revision > after)
    )
    with snapshot(engine) as connection:
        query = query.where(*_chosen(connection, name, numbers)).order_by(_NUMBER)
        return dict(connection.execute(query).all())


def seed_errors(engine: Engine, name: str) -> dict[int, tuple[float | None, ...]]:
    """The validation error of each seed by number, of all trials that were trained to their end."""
    query = (
        select(_NUMBER, sweep_results.c.val_mse)
        .join(sweep_results, sweep_results.c.trial_id == sweep_trials.c.trial_id)
        .order_by(sweep_results.c.seed_index)
    )
    found: dict[int, list[float | None]] = defaultdict(list)
    with snapshot(engine) as connection:
        for number, error in connection.execute(query.where(*_chosen(connection, name, None))):
            found[number].append(error)
    return {number: tuple(errors) for number, errors in found.items()}


def _chosen(
    connection: Connection, name: str, numbers: Collection[int] | None
) -> list[ColumnElement[bool]]:
    of_study = sweep_trials.c.study_id == find_study(connection, name)
    return [of_study] if numbers is None else [of_study, _NUMBER.in_(list(numbers))]


def _tags(connection: Connection, chosen: list[ColumnElement[bool]]) -> dict[int, list[str]]:
    query = (
        select(_NUMBER, sweep_tags.c.tag)
        .join(sweep_tags, sweep_tags.c.trial_id == sweep_trials.c.trial_id)
        .where(*chosen)
        .order_by(sweep_tags.c.tag)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for number, tag in connection.execute(query):
        found[number].append(tag)
    return found


def _newest_notes(connection: Connection, chosen: list[ColumnElement[bool]]) -> dict[int, str]:
    query = (
        select(_NUMBER, sweep_notes.c.text)
        .join(sweep_notes, sweep_notes.c.trial_id == sweep_trials.c.trial_id)
        .where(*chosen)
        .order_by(sweep_notes.c.note_id)
    )
    return dict(connection.execute(query).all())


def _reasons(connection: Connection, chosen: list[ColumnElement[bool]]) -> dict[int, str]:
    failed, invalid = sweep_trials.c.reason, sweep_trials.c.invalid_reason
    query = select(_NUMBER, failed, invalid).where(
        *chosen, or_(failed.is_not(None), invalid.is_not(None))
    )
    return {number: why or unfit for number, why, unfit in connection.execute(query)}
