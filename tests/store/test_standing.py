"""A trial's place in its study."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from sweep.analysis.verdict import baseline_number, best_number
from sweep.config import BASELINE, TrialConfig
from sweep.store.handle import open_study
from sweep.store.standing import Standing
from tests.support.store_factories import add_study, add_trial, change_study_file, new_store


@pytest.fixture
def store(storage_url: str) -> Iterator[Engine]:
    engine = new_store(storage_url)
    yield engine
    engine.dispose()


def test_trials_of_the_same_value_share_a_place(store: Engine) -> None:
    study_id = add_study(store)
    for number, error in enumerate((0.2, 0.1, 0.2, 0.3)):
        add_trial(store, study_id, number, error)
    study = open_study(store, "study")
    assert [study.standing(number).place for number in range(4)] == [2, 1, 2, 4]


def test_only_trials_that_count_have_a_place(store: Engine) -> None:
    study_id = add_study(store)
    add_trial(store, study_id, 2, 0.2)
    add_trial(store, study_id, 5, 0.1, invalid=True)
    add_trial(store, study_id, 7, 0.3, state="PRUNED")
    add_trial(store, study_id, 8, float("-inf"))
    add_trial(store, study_id, 9, state="WAITING")
    study = open_study(store, "study")
    assert study.standing(2) == Standing(place=1, n=1, previous=None, next=5, best=2, baseline=2)
    assert study.standing(7)[:5] == (None, 1, 5, 8, 2)
    assert study.standing(9)[3:] == (None, 2, 2)


def test_the_baseline_is_the_first_trial_with_all_its_settings(store: Engine) -> None:
    study_id = add_study(store)
    wider = replace(BASELINE, hidden_width=785)
    for number, config in enumerate((wider, BASELINE, BASELINE)):
        add_trial(store, study_id, number, 0.1, config=config)
    assert open_study(store, "study").standing(0).baseline == 1


def test_a_study_may_name_its_baseline(store: Engine) -> None:
    study_id = add_study(store)
    rate = 0.0012345678901234567
    change_study_file(store, "study", {"space": {"learning_rate": rate}})
    odd = TrialConfig(learning_rate=rate, hidden_width=64)
    for number, config in enumerate((BASELINE, odd)):
        add_trial(store, study_id, number, 0.1, config=config)
    for baseline, expected in (({"learning_rate": rate}, 1), (1, 1), (7, None)):
        change_study_file(store, "study", {"study": {"baseline": baseline}})
        study = open_study(store, "study")
        assert study.standing(0).baseline == baseline_number(study.table()) == expected
        assert study.standing(0).best == best_number(study.table())
