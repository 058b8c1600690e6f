import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, inspect, select, text

from sweep.errors import NotFoundError, StudyHeldError, UsageError
from sweep.store import annotate, schema
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.lease import Holder
from sweep.store.migrate import open_store
from tests.support.store_factories import (
    EPOCH,
    add_rows,
    add_study,
    add_trial,
    fill_study,
    lease_row,
    sqlite_store,
)

FOREVER = EPOCH + 1e9


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite_store(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    """A store of each kind of database."""
    engine = open_store(store_url)
    yield engine
    engine.dispose()


def test_the_newest_note_counts_and_the_others_stay(engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0)
    annotate.note(engine, "study", "first", 0)
    annotate.note(engine, "study", "second", 0)
    annotate.note(engine, "study", "of the study")
    assert open_study(engine, "study").trials()[0].note == "second"
    assert [note.text for note in open_study(engine, "study").notes(0)] == ["first", "second"]
    assert open_study(engine, "study").summary().note == "of the study"


def test_a_note_that_is_removed_leaves_the_one_before_it(store: Engine) -> None:
    add_trial(store, add_study(store), 0)
    for said in ("first", "second"):
        annotate.note(store, "study", said, 0)
    annotate.note(store, "study", "of the study")
    assert annotate.remove_note(store, "study", 0)
    assert open_study(store, "study").trials()[0].note == "first"
    assert annotate.remove_note(store, "study", 0)
    assert not annotate.remove_note(store, "study", 0)
    assert open_study(store, "study").summary().note == "of the study"


def test_a_note_has_a_longest_length(engine: Engine) -> None:
    add_study(engine)
    annotate.note(engine, "study", "x" * annotate.MAX_NOTE)
    with pytest.raises(UsageError, match="4,001 characters; the limit is 4,000"):
        annotate.note(engine, "study", "x" * (annotate.MAX_NOTE + 1))


def test_a_tag_is_set_once_and_taken_off_once(engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0)
    assert annotate.tag(engine, "study", "paper", 0)
    assert not annotate.tag(engine, "study", "paper", 0)
    assert open_study(engine, "study").trials()[0].tags == ("paper",)
    assert open_study(engine, "study").summary().tags == ()
    assert annotate.untag(engine, "study", "paper", 0)
    assert not annotate.untag(engine, "study", "paper", 0)


def test_a_tag_on_the_study_is_not_one_on_its_trials(engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0)
    annotate.tag(engine, "study", "paper")
    assert open_study(engine, "study").summary().tags == ("paper",)
    assert open_study(engine, "study").trials()[0].tags == ()
    assert annotate.untag(engine, "study", "paper")


@pytest.mark.parametrize("tag", ["", "  ", "x" * 65])
def test_a_tag_that_cannot_be_is_refused(engine: Engine, tag: str) -> None:
    add_study(engine)
    with pytest.raises(UsageError, match="1 to 64 characters"):
        annotate.tag(engine, "study", tag)


def test_an_invalid_trial_keeps_its_state_and_leaves_the_best(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.1)
    add_trial(engine, study_id, 1, 0.2)
    annotate.invalidate(engine, "study", 0, "wrong data")
    row = open_study(engine, "study").trials()[0]
    assert (row.state, row.invalid, row.invalid_reason) == ("COMPLETE", True, "wrong data")
    assert open_study(engine, "study").summary().best_number == 1
    assert [row.number for row in open_study(engine, "study").trials(include_invalid=False)] == [1]
    annotate.validate(engine, "study", 0)
    assert open_study(engine, "study").summary().best_number == 0
    assert open_study(engine, "study").trials()[0].invalid_reason is None


def test_annotating_what_is_not_there_is_an_error(engine: Engine) -> None:
    with pytest.raises(NotFoundError):
        annotate.note(engine, "study", "text")
    add_study(engine)
    with pytest.raises(NotFoundError):
        annotate.invalidate(engine, "study", 0)
    with pytest.raises(NotFoundError):
        annotate.delete_study(engine, "other")


def test_a_deleted_study_leaves_no_row_and_the_other_study_alone(store: Engine) -> None:
    for name in ("gone", "kept"):
        fill_study(store, name)
    before = _count_rows(store)
    assert all(count > 0 and count % 2 == 0 for count in before.values()), before
    assert annotate.delete_study(store, "gone") == ["weights"]
    assert _count_rows(store) == {table: count // 2 for table, count in before.items()}
    assert [study.name for study in DatabaseHandle(store).studies()] == ["kept"]


def _count_rows(engine: Engine) -> dict[str, int]:
    versions = {"alembic_version", "version_info", "sweep_alembic_version"}
    shared = {*versions, "sweep_floors", "sweep_probe_baselines"}
    names = sorted(set(inspect(engine).get_table_names()) - shared)
    with engine.connect() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(text(name))).scalar_one()
            for name in names
        }


def test_a_held_study_is_not_deleted(store: Engine) -> None:
    add_rows(store, schema.sweep_leases, lease_row(add_study(store), FOREVER))
    with pytest.raises(StudyHeldError, match="process 4711 on elsewhere") as raised:
        annotate.delete_study(store, "study")
    assert "sweep stop study" in str(raised.value)
    assert open_study(store, "study").summary().running


def test_a_study_whose_coordinator_is_provably_dead_can_be_deleted(engine: Engine) -> None:
    here = Holder.this_process()
    lease = lease_row(
        add_study(engine), FOREVER, host=here.host, pid=here.pid, process={**here.process}
    )
    (start,) = [key for key in here.process if key.startswith("started")]
    lease["process"][start] -= 100  # the pid is ours now, but it was another process's
    add_rows(engine, schema.sweep_leases, lease)
    assert not open_study(engine, "study").summary().running
    annotate.delete_study(engine, "study")
    assert DatabaseHandle(engine).studies() == []


def test_a_study_of_many_epochs_is_deleted_however_long_that_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQLite asks whether to go on every few steps, and each time finds another second gone.
    monkeypatch.setattr("sweep.store.engine._STEPS_BETWEEN_CHECKS", 100)
    engine = sqlite_store(tmp_path)
    add_trial(engine, add_study(engine), 0, 0.1, curve=[0.1] * 2000)
    monkeypatch.setattr("sweep.store.engine.time.monotonic", itertools.count().__next__)
    annotate.delete_study(engine, "study")
    assert DatabaseHandle(engine).studies() == []


def test_floors_are_kept_by_data_key_and_replaced(store: Engine) -> None:
    assert DatabaseHandle(store).floors("key") is None
    annotate.put_floors(store, "key", {"entropy": 0.1})
    annotate.put_floors(store, "key", {"entropy": 0.2})
    assert DatabaseHandle(store).floors("key") == {"entropy": 0.2}
