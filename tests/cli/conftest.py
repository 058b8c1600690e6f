"""A command line to call, and a store to call it on."""

from pathlib import Path

import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss
from sweep.store.engine import Engine
from tests.support.cli_runner import cli as cli
from tests.support.store_factories import add_study, add_trial, sqlite_store


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Engine:
    """sweep.db in the present folder, with nothing in it."""
    return sqlite_store(tmp_path)


@pytest.fixture
def study(store: Engine) -> int:
    """A study named ``study``: two complete trials, a pruned, a diverged and a waiting one."""
    study_id = add_study(store, "study", description="a first look")
    wide = TrialConfig(
        hidden_width=512, activation=Activation.GELU, loss=Loss.MSE, learning_rate=0.003
    )
    add_trial(
        store,
        study_id,
        0,
        0.02,
        params={"hidden_width": 784, "activation": "relu", "adam.learning_rate": 0.001},
        curve=(0.05, 0.03, 0.02),
        psnr=17.0,
        exact_pixel_share=0.25,
    )
    add_trial(
        store,
        study_id,
        1,
        0.01,
        config=wide,
        params={"hidden_width": 512, "activation": "gelu", "adam.learning_rate": 0.003},
        curve=(0.04, 0.01),
        psnr=20.0,
    )
    add_trial(store, study_id, 2, state="PRUNED", reason="pruned after epoch 1", curve=(0.09,))
    add_trial(store, study_id, 3, state="FAIL", outcome="diverged", reason="loss became NaN")
    add_trial(store, study_id, 4, state="WAITING")
    return study_id
