"""Remarks and pictures of many trials at once."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from sweep.errors import NotFoundError
from sweep.store import annotate, schema
from sweep.store.handle import open_study
from sweep.store.remarks import Remarks
from tests.support.store_factories import (
    DECOMPOSITION,
    add_rows,
    add_study,
    add_trial,
    sqlite_store,
)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Three trials of "study", and one of "other" that nobody may confuse with them."""
    engine = sqlite_store(tmp_path)
    for name, n_trials in (("study", 3), ("other", 1)):
        study_id = add_study(engine, name)
        for number in range(n_trials):
            trial_id = add_trial(engine, study_id, number, 0.1)
            if (name, number) in {("study", 1), ("other", 0)}:
                strips = {"reconstructions_png": b"png", "errors_png": b"png"}
                add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **strips})
    annotate.note(engine, "other", "not this one", 0)
    annotate.note(engine, "study", "of the study, not of a trial")
    return engine


def test_only_trials_with_remarks_are_there(engine: Engine) -> None:
    annotate.tag(engine, "study", "odd", 2)
    assert open_study(engine, "study").remarks() == {2: Remarks(tags=("odd",))}


def test_the_newest_note_and_all_tags_are_told(engine: Engine) -> None:
    for text in ("first", "second"):
        annotate.note(engine, "study", text, 0)
    for tag in ("late", "early"):
        annotate.tag(engine, "study", tag, 0)
    assert open_study(engine, "study").remarks() == {
        0: Remarks(tags=("early", "late"), note="second")
    }


def test_why_a_trial_failed_or_is_invalid_is_told(engine: Engine) -> None:
    annotate.invalidate(engine, "study", 0, "bad data")
    assert open_study(engine, "study").remarks()[0].invalid_reason == "bad data"


def test_others_than_the_wanted_trials_are_left_out(engine: Engine) -> None:
    for number in (0, 1):
        annotate.note(engine, "study", "seen", number)
    assert list(open_study(engine, "study").remarks([1, 2])) == [1]
    assert open_study(engine, "study").remarks([]) == {}


def test_pictures_are_found_by_number_within_the_study(engine: Engine) -> None:
    assert open_study(engine, "study").trials_with_pictures([0, 1, 2]) == {1}
    assert open_study(engine, "study").trials_with_pictures([0]) == set()


def test_decompositions_are_found_by_number_within_the_study(engine: Engine) -> None:
    of_one = {"trial_id": 2, "decomposition": DECOMPOSITION}
    add_rows(engine, schema.sweep_decompositions, of_one)
    assert open_study(engine, "study").decompositions() == {1: DECOMPOSITION}
    assert open_study(engine, "study").decompositions([0, 2]) == {}


def test_no_study_is_told(engine: Engine) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'study'"):
        open_study(engine, "stud").remarks()
