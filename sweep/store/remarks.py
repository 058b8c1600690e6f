"""Read what users wrote about studies and trials: tags, notes, reasons."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, or_, select

from sweep.store.lookup import StudyKey, by_key, find_trial_id, utc
from sweep.store.measurements import Numbers, trial_conditions
from sweep.store.records import NoteRow
from sweep.store.schema import sweep_notes, sweep_tags, sweep_trials


class Remarks(NamedTuple):
    """Annotations of a trial."""

    tags: tuple[str, ...] = ()
    #: The newest note.
    note: str | None = None
    #: Why it failed or diverged.
    reason: str | None = None
    #: Why it is marked invalid.
    invalid_reason: str | None = None


def remarks(connection: Connection, key: StudyKey, numbers: Numbers = None) -> dict[int, Remarks]:
    """Return remarks by number, for those of these trials, or of all, that have any."""
    of, wanted = sweep_trials.c, trial_conditions(key, numbers)
    tags = tags_by(connection, of.number, sweep_tags.c.trial_id == of.trial_id, *wanted)
    notes = newest_notes_by(connection, of.number, sweep_notes.c.trial_id == of.trial_id, *wanted)
    has_reason = or_(of.reason.is_not(None), of.invalid_reason.is_not(None))
    query = select(of.number, of.reason, of.invalid_reason).where(*wanted, has_reason)
    reasons = {number: (why, unfit) for number, why, unfit in connection.execute(query)}
    return {
        number: Remarks(
            tuple(tags.get(number, ())), notes.get(number), *reasons.get(number, (None, None))
        )
        for number in sorted({*tags, *notes, *reasons})
    }


def tags_by(
    connection: Connection, key: ColumnElement[int], *conditions: ColumnElement[bool]
) -> dict[int, list[str]]:
    """Return the tags that meet the conditions, grouped by a column, in alphabetical order."""
    query = select(key, sweep_tags.c.tag).where(*conditions).order_by(sweep_tags.c.tag)
    return by_key(connection.execute(query))


def newest_notes_by(
    connection: Connection, key: ColumnElement[int], *conditions: ColumnElement[bool]
) -> dict[int, str]:
    """Return the newest note that meets the conditions, for each value of a column."""
    query = select(key, sweep_notes.c.text).where(*conditions).order_by(sweep_notes.c.note_id)
    return dict(connection.execute(query).all())


def notes(connection: Connection, key: StudyKey, number: int | None = None) -> list[NoteRow]:
    """Return all notes of the study, or of one trial, oldest first; the last one is current."""
    of = sweep_notes.c
    target: tuple[ColumnElement[bool], ...]
    if number is None:
        target = (of.study_id == key.current_id, of.trial_id.is_(None))
    else:
        target = (of.trial_id == find_trial_id(connection, key, number),)
    query = select(of.created_at, of.text).where(*target).order_by(of.note_id)
    return [NoteRow(created_at=utc(at), text=text) for at, text in connection.execute(query)]
