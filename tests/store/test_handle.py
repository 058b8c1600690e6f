"""A handle looks its study up once; what it reads is what the functions of ``read`` give."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from sweep.errors import NotFoundError
from sweep.store import annotate
from sweep.store.handle import StudyHandle, open_study
from sweep.store.lookup import find_key
from sweep.store.migrate import open_store
from sweep.store.table_reader import TableReader
from tests.statements import counted
from tests.store_factories import EPOCH, add_study, add_trial


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    engine = open_store(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def study(engine: Engine) -> StudyHandle:
    study_id = add_study(engine, "study")
    for number, error in enumerate([0.3, 0.1, 0.2]):
        add_trial(engine, study_id, number, error, params={"loss": "mse"}, curve=[0.4, error])
    return open_study(engine, "study")


def test_it_reads_what_a_read_by_name_gives(engine: Engine, study: StudyHandle) -> None:
    assert study.summary() == open_study(engine, "study").summary()
    assert study.rows() == open_study(engine, "study").trials()
    assert study.best(2) == open_study(engine, "study").best(2)
    assert study.trial(1) == open_study(engine, "study").trial(1)
    assert study.curves([1, 2]) == open_study(engine, "study").curves([1, 2])
    assert study.revision() == open_study(engine, "study").revision()
    assert study.record().settings == open_study(engine, "study").record().checked_settings()
    assert study.record().provenance == open_study(engine, "study").record().provenance


def test_no_read_looks_the_name_up_again(engine: Engine, study: StudyHandle) -> None:
    with counted(engine) as statements:
        study.check(), study.summary(), study.record(), study.table(), study.rows(), study.best(1)
        study.trial(0), study.curves(), study.diagnostics(), study.domains()
        study.reconstruction(0), study.workers(), study.commands(), study.events()
    assert len(statements) > 14
    assert not [statement for statement in statements if statement.looks_up("study")]


def test_the_table_stays_the_same_object_until_a_trial_changes(
    engine: Engine, study: StudyHandle
) -> None:
    before = study.table()
    assert study.table() is before
    annotate.invalidate(engine, "study", 1, "a reason")
    assert study.table().invalid.tolist() == [False, True, False]


def test_a_name_that_is_not_there_is_refused_with_the_names_that_come_near(
    engine: Engine, study: StudyHandle
) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'study'"):
        open_study(engine, "studdy")


def test_a_study_of_the_same_name_made_later_is_another(engine: Engine, study: StudyHandle) -> None:
    annotate.delete_study(engine, "study")
    add_study(engine, "study", created_at=EPOCH + 1)
    for look in (study.check, study.table, study.summary, study.record):
        with pytest.raises(NotFoundError, match="study 'study' in .* was deleted since"):
            look()


def test_a_note_is_not_written_about_another_study_that_got_the_id(
    engine: Engine, study: StudyHandle
) -> None:
    annotate.delete_study(engine, "study")
    add_study(engine, "other")  # in SQLite, with the same id
    with pytest.raises(NotFoundError):
        annotate.note(engine, study.key, "a note")
    assert open_study(engine, "other").notes() == []


def test_trials_as_of_a_revision_that_is_known_cost_no_statement(
    engine: Engine, study: StudyHandle
) -> None:
    reader = TableReader(engine, find_key(engine, "study"))
    known = reader.look()
    with counted(engine) as statements:
        assert reader.look(at=known.revision) is known
    assert statements == []
    annotate.invalidate(engine, "study", 1, "a reason")
    assert reader.look(at=find_key(engine, "study").revision).invalid.sum() == 1
