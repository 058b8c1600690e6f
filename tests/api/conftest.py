"""A store and a study of it, as a notebook would open them."""

from pathlib import Path

import pytest

import sweep
from sweep.store.engine import Engine
from tests.support.store_factories import add_study, add_trial, sqlite_store


@pytest.fixture
def store(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


@pytest.fixture
def study(store: Engine) -> sweep.Study:
    """A study named ``study``: three complete trials and a waiting one."""
    study_id = add_study(store, "study", n_trials=20)
    for number, (error, width) in enumerate([(0.3, 16), (0.1, 64), (0.2, 32)]):
        params = {"hidden_width": width, "activation": "relu"}
        add_trial(store, study_id, number, error, params=params, curve=[0.4, error])
    add_trial(store, study_id, 3, state="WAITING")
    return sweep.open(str(store.url)).study("study")
