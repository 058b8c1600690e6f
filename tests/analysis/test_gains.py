"""Gains of a doubling, from planted curves and from trained pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.analysis.floors import Floors
from sweep.analysis.gains import Doubling, fit_curve, gain_from_pca
from sweep.analysis.trained_pairs import (
    find_partners,
    larger_sets,
    read_partners,
    trained_gains,
)
from sweep.config import TrialConfig
from sweep.enums import Schedule
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.records import CurvePoint
from tests.support.store_factories import add_study, add_trial, sqlite_store, trial_row


def curve_of(errors: Sequence[float]) -> list[CurvePoint]:
    return [
        CurvePoint(epoch=epoch, train_loss=None, val_mse=error, val_bce=None, seconds=1.0)
        for epoch, error in enumerate(errors, start=1)
    ]


def fit_planted(errors: Any, schedule: Schedule = Schedule.CONSTANT, **config: Any) -> Any:
    row = trial_row(
        number=0, config=TrialConfig(epochs=len(errors), lr_schedule=schedule, **config)
    )
    return fit_curve(row, curve_of(list(errors)))


@pytest.mark.parametrize(("floor", "gain"), [(0.0, 1 - 2**-0.6), (0.01, 0.6235 * (1 - 2**-0.6))])
def test_a_power_law_tells_the_next_doubling(floor: float, gain: float) -> None:
    exact, held = floor + 0.1 * np.arange(1.0, 21.0) ** -0.6, 0
    for seed in range(40):
        found = fit_planted(exact * np.exp(0.01 * np.random.default_rng(seed).normal(size=20))).gain
        assert found.estimate == pytest.approx(gain, abs=0.07)
        held += found.low <= gain <= found.high
    assert 30 <= held <= 40  # of 40 intervals of 90 %


def cosine(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps taken and the rate, at the end of each epoch."""
    turn = np.pi * np.arange(1, n + 1) / n
    return np.arange(1, n + 1) / 2 + n / (2 * np.pi) * np.sin(turn), 0.5 * (1 + np.cos(turn))


def test_the_fall_at_a_cosines_end_is_no_gain_of_more_epochs() -> None:
    summed, rate = cosine(20)
    settled = 0.01 * (1 + 0 * summed) + 0.05 * rate
    assert 1 - settled[-1] / settled[-4] > 0.1
    assert fit_planted(settled, Schedule.COSINE).gain.estimate < 0.03
    assert fit_planted(settled, Schedule.CONSTANT).gain.estimate > 0.1  # what its shape alone says


def test_a_cosine_that_still_learns_gains_by_more_epochs() -> None:
    summed, rate = cosine(20)
    found = fit_planted(0.1 * summed**-0.6 + 0.01 * rate, Schedule.COSINE).gain
    assert found.low > 0.1 and found.low - 0.005 <= 1 - 2**-0.6 <= found.high


def test_the_shares_of_a_warm_up_count_by_their_rates() -> None:
    warmup = 4
    epochs = np.arange(1.0, 21.0)
    rising = np.minimum(epochs, warmup)
    summed = epochs - rising + rising**2 / (2 * warmup)
    found = fit_planted(0.1 * summed**-0.6, Schedule.LINEAR_WARMUP, warmup_epochs=warmup)
    assert found.gain.estimate == pytest.approx(1 - 2**-0.6, abs=0.01)


def test_a_curve_that_jumps_tells_no_gain() -> None:
    jumps = 0.05 * np.array([1.0, 3.0] * 8)
    found = fit_planted(jumps)
    assert found.gain is None and found.scatter > 0.3


@pytest.mark.parametrize(("errors", "gain"), [((0.4, 0.2), 0.5), ((0.4,), None), ((), None)])
def test_of_few_epochs_the_last_doubling_is_what_is_known(
    errors: Sequence[float], gain: float | None
) -> None:
    found = fit_planted(errors)
    assert (found.gain.estimate if found else None) == gain


def test_twice_the_width_lowers_the_error_as_pcas_line() -> None:
    line = (0.1, 0.05, 0.025, 0.0125, 0.0)
    floors = Floors(
        data_key="data", train_pca_mse=line, val_pca_mse=line, test_pca_mse=line,
        train_entropy=0.2, val_entropy=0.2, test_entropy=0.2,
    )  # fmt: skip

    def gain(width: int, error: float) -> float | None:
        row = trial_row(number=0, test_mse=error, config=TrialConfig(hidden_width=width))
        found = gain_from_pca(row, floors)
        return None if found is None else found.estimate

    assert gain(1, 0.05) == 0.5 and gain(1, 0.25) == 0.1
    assert gain(1, 0.025) == 0.5  # below the line it falls with the line
    assert gain(4, 0.01) is None and gain(8, 0.01) is None


@pytest.fixture
def store(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def study(store: Engine, name: str = "x", data: Any = None, **errors: Any) -> None:
    """Trials by settings: ``e5_w8=0.1`` is of 5 epochs and 8 units."""
    given = {"data": {"name": "fashion-mnist", **data}} if data else {}
    study_id = add_study(store, name, settings=given, provenance={"data_sha256": "abc"})
    for number, (of, error) in enumerate(errors.items()):
        epochs, width = (int(part[1:]) for part in of.split("_"))
        config = TrialConfig(epochs=epochs, hidden_width=width)
        add_trial(store, study_id, number, error, config=config, val_mse=error)


def gains(store: Engine, number: int, name: str = "x") -> dict[Doubling, tuple[float, str]]:
    found = open_study(store, name)
    trial = found.trial(number)
    partners = find_partners(found, found.table(), trial, larger_sets(found))
    known = trained_gains(found, trial, partners, read_partners(partners.values()))
    return {of: (round(gain.estimate, 6), gain.source) for of, gain in known.items()}


def test_pairs_that_differ_in_one_setting_tell_a_gain(store: Engine) -> None:
    study(store, e5_w8=0.4, e5_w32=0.1, e10_w8=0.3, e10_w64=0.01)
    assert gains(store, 0) == {
        Doubling.WIDTH: (0.5, "trial 1"),  # two doublings, each by half
        Doubling.EPOCHS: (0.25, "trial 2"),
    }
    # Of a constant rate, the curve itself has the last doubling of epochs.
    assert gains(store, 1) == {Doubling.WIDTH: (0.5, "the last doubling (trial 0)")}
    assert gains(store, 3) == {}


def test_images_are_told_by_a_study_of_more_with_as_many_updates(store: Engine) -> None:
    study(store, "x", data={"train_limit": 500}, e10_w8=0.4)
    study(store, "twice", data={"train_limit": 1_000}, e10_w8=0.1, e5_w8=0.3)
    study(store, "other split", data={"train_limit": 1_000, "split_seed": 1}, e5_w8=0.01)
    assert gains(store, 0) == {Doubling.IMAGES: (0.25, "trial 1 of study 'twice'")}
    assert gains(store, 0, "twice") == {}
