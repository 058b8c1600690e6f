"""How far a study is, in words."""

from typing import Any

import pytest

from sweep.enums import StudyPhase
from sweep.findings.progress import data_in_words, study_status
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.finding_factories import study_summary
from tests.support.store_factories import add_study, sqlite_store

IMAGES = {"height": 28, "width": 28, "n_train": 6_000, "n_test": 1_000}


@pytest.fixture
def engine(tmp_path: Any) -> Engine:
    return sqlite_store(tmp_path)


@pytest.mark.parametrize(
    ("limit", "images", "said"),
    [
        (None, IMAGES, "mnist, 5,400 of 6,000 images, 600 to validate"),
        (1_000, IMAGES, "mnist, 1,000 of 6,000 images, 600 to validate"),
        (9_000, IMAGES, "mnist, 5,400 of 6,000 images, 600 to validate"),
        (1_000, None, "mnist, at most 1,000 images"),
        (None, None, "mnist"),
    ],
)
def test_what_was_trained_on_is_said_with_its_limit(
    engine: Engine, limit: int | None, images: dict[str, int] | None, said: str
) -> None:
    data = {"name": "mnist"} | ({} if limit is None else {"train_limit": limit})
    provenance = {} if images is None else {"images": images}
    add_study(engine, settings={"data": data}, provenance=provenance)
    assert data_in_words(open_study(engine, "study").record()) == said


@pytest.mark.parametrize(
    ("phase", "because", "expected"),
    [
        (StudyPhase.STOPPED, "on request", "On request. `sweep resume study` continues it."),
        (
            StudyPhase.OUT_OF_TIME,
            "1 h are over (budget.hours)",
            "1 h are over (budget.hours). `sweep resume study --set budget.hours=VALUE`, with "
            "another limit, continues it.",
        ),
        (StudyPhase.FINISHED, "all 3 trials are done", "All 3 trials are done."),
    ],
)
def test_a_study_that_ended_says_why_and_what_continues_it(
    phase: StudyPhase, because: str, expected: str
) -> None:
    assert study_status(study_summary(phase=phase, ended_because=because)).detail == expected
