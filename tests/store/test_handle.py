"""A handle looks its study up once, and reads no other one afterwards."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine

from sweep.enums import CommandKind
from sweep.errors import NotFoundError
from sweep.store import annotate, commands, schema
from sweep.store.handle import StudyHandle, open_study
from sweep.store.lookup import find_key
from sweep.store.migrate import open_store
from sweep.store.table_reader import TableReader
from sweep.store.usage import Usage
from tests.support.statements import count_statements
from tests.support.store_factories import EPOCH, add_rows, add_study, add_trial


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


def read_collections(study: StudyHandle) -> list[Any]:
    """What each read of many rows gives."""
    return [
        study.trials(),
        study.best(),
        study.trials_with_weights(),
        study.values_in_order(),
        study.domains(),
        study.curves(),
        study.seed_errors(),
        study.diagnostics(),
        study.decompositions(),
        study.probes(),
        study.trials_with_pictures([0, 1]),
        study.reconstructions([0, 1]),
        study.remarks(),
        study.notes(),
        study.workers(),
        study.commands(),
        study.events(),
        study.trials_fingerprint(),
    ]


def reads_of_one(study: StudyHandle) -> list[Callable[[], Any]]:
    """The reads of the study itself, or of one trial."""
    of_trial = (study.trial, study.seed_curves, study.reconstruction, study.training_record)
    of_study = (study.check, study.revision, study.summary, study.record, study.table)
    return [*of_study, study.explanations, *(partial(read, 0) for read in of_trial)]


def test_no_read_looks_the_name_up_again(engine: Engine, study: StudyHandle) -> None:
    with count_statements(engine) as statements:
        read_collections(study)
        for read in reads_of_one(study):
            read()
        study.usage(), study.explains(), study.seed_results([0])
    assert len(statements) > 40
    assert not [statement for statement in statements if statement.looks_up("study")]


def test_a_study_that_got_the_id_of_a_deleted_one_is_not_taken_for_it(
    engine: Engine, study: StudyHandle
) -> None:
    """SQLite gives a deleted study's id to the next one; every list was of that one then."""
    annotate.delete_study(engine, "study")
    other = add_study(engine, "other", created_at=EPOCH + 1)
    trial_id = add_trial(engine, other, 0, 0.3, params={"loss": "mse"}, curve=[0.4, 0.3])
    strips = {"reconstructions_png": b"png", "errors_png": b"png"}
    add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **strips})
    annotate.note(engine, "other", "not this one", 0)
    annotate.note(engine, "other", "of the other study")
    commands.post(engine, "other", CommandKind.PAUSE)
    assert not any(read_collections(study))
    assert (study.usage(), study.explains()) == (Usage(), None)
    assert study.seed_results([0]) == {0: ()}
    for read in reads_of_one(study):
        with pytest.raises(NotFoundError, match="study 'study' in .* was deleted since"):
            read()


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
    with count_statements(engine) as statements:
        assert reader.look(at=known.revision) is known
    assert statements == []
    annotate.invalidate(engine, "study", 1, "a reason")
    assert reader.look(at=find_key(engine, "study").revision).invalid.sum() == 1


@pytest.mark.parametrize("also_its_name", [False, True])
def test_a_command_is_for_no_study_that_was_made_after_it_was_opened(
    engine: Engine, study: StudyHandle, also_its_name: bool
) -> None:
    annotate.delete_study(engine, "study")
    name = "study" if also_its_name else "other"
    add_study(engine, name, created_at=EPOCH + 1)
    with pytest.raises(NotFoundError, match="was deleted since"):
        commands.post(engine, study.key, CommandKind.STOP)
    assert open_study(engine, name).commands() == []
