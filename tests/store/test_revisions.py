"""Every transaction that writes about a study is counted, and readers can tell."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text, update

from sweep.enums import CommandKind
from sweep.errors import NotFoundError
from sweep.store import annotate, commands, revisions, schema
from sweep.store.engine import connect, write_transaction
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.migrate import open_store
from sweep.store.study import hold_study
from tests.support.store_factories import (
    EPOCH,
    add_rows,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
)

FOREVER = EPOCH + 1e9


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    engine = open_store(store_url)
    yield engine
    engine.dispose()


def of_trials(engine: Engine) -> list[int]:
    """The revisions of the trials, in the order of their numbers."""
    table = schema.sweep_trials
    with engine.connect() as connection:
        return list(connection.scalars(select(table.c.revision).order_by(table.c.number)))


WRITES: dict[str, tuple[Callable[[Engine, int], object], bool]] = {
    # what is done, and whether it changes trial 0 too
    "note on the study": (lambda engine, _: annotate.note(engine, "study", "why"), False),
    "note on a trial": (lambda engine, _: annotate.note(engine, "study", "odd", 0), True),
    "tag": (lambda engine, _: annotate.tag(engine, "study", "paper", 0), True),
    "untag": (lambda engine, _: annotate.untag(engine, "study", "paper", 0), True),
    "invalid": (lambda engine, _: annotate.invalidate(engine, "study", 0), True),
    "valid": (lambda engine, _: annotate.validate(engine, "study", 0), True),
    "command": (lambda engine, _: commands.post(engine, "study", CommandKind.STOP), False),
    "start": (lambda engine, _: hold_study(engine, "study"), False),
}


@pytest.mark.parametrize("what", WRITES)
def test_what_is_written_about_a_study_is_a_new_revision(engine: Engine, what: str) -> None:
    study_id = add_study(engine)
    for number in (0, 1):
        add_trial(engine, study_id, number, 0.1)
    write, changes_the_trial = WRITES[what]
    token = open_study(engine, "study").revision()
    write(engine, study_id)
    assert open_study(engine, "study").revision() != token
    assert of_trials(engine) == [3 if changes_the_trial else 1, 2]


def test_a_trial_that_waits_again_after_its_coordinator_died_is_new(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.1)
    add_trial(engine, study_id, 1, state="RUNNING")
    hold_study(engine, "study")
    assert of_trials(engine) == [1, 3]


def test_a_study_that_nobody_writes_about_keeps_its_revision(engine: Engine) -> None:
    add_study(engine)
    other = add_study(engine, "other")
    mine, everyone = open_study(engine, "study").revision(), DatabaseHandle(engine).revisions()
    add_trial(engine, other, 0, 0.1)
    assert open_study(engine, "study").revision() == mine
    assert DatabaseHandle(engine).revisions() != everyone


def test_a_lease_that_is_taken_or_runs_out_is_news(engine: Engine) -> None:
    # It runs out without anybody writing a row: the page must still say so.
    study_id = add_study(engine)
    free = open_study(engine, "study").revision()
    add_rows(engine, schema.sweep_leases, lease_row(study_id, FOREVER))
    held = open_study(engine, "study").revision(), DatabaseHandle(engine).revisions()
    assert held[0] != free
    with write_transaction(engine) as connection:
        connection.execute(update(schema.sweep_leases).values(expires_at=EPOCH))
    assert open_study(engine, "study").revision() == free
    assert DatabaseHandle(engine).revisions() != held[1]


def test_a_study_made_again_is_another_one(engine: Engine) -> None:
    add_study(engine)
    before = open_study(engine, "study").revision(), DatabaseHandle(engine).revisions()
    annotate.delete_study(engine, "study")
    add_study(engine, created_at=EPOCH + 1)
    assert open_study(engine, "study").revision() != before[0]
    assert DatabaseHandle(engine).revisions() != before[1]


def test_the_revision_of_an_unknown_study_is_not_found(engine: Engine) -> None:
    add_study(engine)
    with pytest.raises(NotFoundError, match="Did you mean 'study'"):
        open_study(engine, "studie").revision()


def test_a_study_deleted_meanwhile_takes_no_revision(engine: Engine) -> None:
    with pytest.raises(NotFoundError), write_transaction(engine) as connection:
        revisions.advance(connection, 1)


def test_revisions_of_two_writers_become_visible_in_their_order(
    engine: Engine, store_url: str
) -> None:
    # The race: writer A takes revision 1 and is slow, writer B takes 2 and commits first; a reader
    # that then sees 2 would never ask for what A writes under 1. So B has to wait for A.
    study_id = add_study(engine)
    other = connect(engine.url)

    def second() -> int:
        with write_transaction(other) as connection:
            return revisions.advance(connection, study_id)

    with ThreadPoolExecutor(1) as pool:
        with write_transaction(engine) as connection:
            assert revisions.advance(connection, study_id) == 1
            waiting = pool.submit(second)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=10) == 2
    other.dispose()


def test_a_corrupt_lease_does_not_hide_what_is_new_in_other_studies(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    add_study(engine, "corrupt")
    hold_study(engine, "corrupt")
    add_study(engine, "study")
    with write_transaction(engine) as connection:
        connection.execute(text("UPDATE sweep_leases SET pid = 'no number'"))
    database = DatabaseHandle(engine)
    before = database.revisions()
    assert database.revisions() == before
    annotate.note(engine, "study", "why")
    assert database.revisions() != before
    engine.dispose()
