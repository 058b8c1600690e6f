"""The atlas of a study: which trials it shows, and which of them have no pictures."""

from pathlib import Path

import pytest

from sweep.analysis.study_atlas import atlas_by_width
from sweep.config import TrialConfig
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_reconstructions
from tests.support.store_factories import add_rows, add_study, add_trial, sqlite_store, strip_png


@pytest.fixture
def store(tmp_path: Path) -> Engine:
    """Trials 0 and 2 are the best of their widths, and 1 is not; 3 has no pictures."""
    store = sqlite_store(tmp_path)
    study_id = add_study(store, "x", originals_png=strip_png())
    for number, (width, error) in enumerate([(8, 0.2), (8, 0.3), (64, 0.1), (512, 0.05)]):
        config = TrialConfig(hidden_width=width)
        trial_id = add_trial(store, study_id, number, error, config=config, per_class_mse=[error])
        png = {"reconstructions_png": strip_png(), "errors_png": strip_png()}
        if number != 3:
            add_rows(store, sweep_reconstructions, {"trial_id": trial_id, **png})
    return store


def test_the_best_of_each_width_are_shown(store: Engine) -> None:
    found = atlas_by_width(open_study(store, "x"), open_study(store, "x").table())
    assert found is not None
    assert [(of.trial.hidden_width, of.trial.number) for of in found.trials] == [(8, 0), (64, 2)]
    assert [row.number for row in found.without_pictures] == [3]
    assert [(of.name, of.width) for of in found.class_stops] == [("0", 512)]


def test_a_study_without_pictures_has_no_atlas(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    add_study(store, "x")
    assert atlas_by_width(open_study(store, "x"), open_study(store, "x").table()) is None
