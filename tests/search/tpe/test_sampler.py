"""TPE for populations: as Optuna's one at a time, and a fit shared by as many asks as said."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState

from sweep.search import make_sampler, quiet_optuna, share_fits
from sweep.search.tpe import TPE
from tests.support.study_factories import make_study_file

SPACE: dict[str, BaseDistribution] = {
    "beta": FloatDistribution(0.5, 0.99),
    "epochs": IntDistribution(1, 20),
    "loss": CategoricalDistribution(["mse", "l1", "huber"]),
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "width": IntDistribution(1, 12, log=True),
}
#: Of trials with this loss only.
DELTA = FloatDistribution(0.01, 1.0)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_optuna()


def tpe(asks_per_fit: int = 1, seed: int = 0) -> TPE:
    sampler = TPE(always=SPACE, conditional={"huber.huber_delta": DELTA}, seed=seed)
    sampler.asks_per_fit = asks_per_fit
    return sampler


def error(params: dict[str, Any]) -> float:
    rate, loss = np.log10(params["rate"] / 1e-3), params["loss"] != "l1"
    rate += params.get("huber.huber_delta", 0.5) - 0.5
    return float(rate**2 + loss + abs(params["epochs"] - 9) + abs(np.log(params["width"] / 4)))


def end(study: optuna.Study, trial: optuna.Trial) -> None:
    """Finish a trial: one in ten fails, and two in ten are pruned, after a report or before."""
    match trial.number % 10:
        case 3:
            study.tell(trial, state=TrialState.FAIL)
        case 5 | 7 as kind:
            if kind == 5:
                trial.report(error(trial.params), 1)
            study.tell(trial, state=TrialState.PRUNED)
        case 9:
            study.tell(trial, np.inf)
        case _:
            study.tell(trial, error(trial.params))


def ask(study: optuna.Study) -> optuna.Trial:
    trial = study.ask(SPACE)
    if trial.params["loss"] == "huber":
        trial.suggest_float("huber.huber_delta", DELTA.low, DELTA.high)
    return trial


def run(sampler: optuna.samplers.BaseSampler, n: int, at_once: int = 1) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=sampler)
    found = []
    for _ in range(0, n, at_once):
        trials = [ask(study) for _ in range(at_once)]
        found += [trial.params for trial in trials]
        for trial in trials:
            end(study, trial)
    return found


@pytest.mark.parametrize("at_once", [1, 8])
def test_with_a_fit_for_each_ask_it_proposes_what_optunas_does(at_once: int) -> None:
    mine, theirs = run(tpe(seed=3), 120, at_once), run(TPESampler(seed=3), 120, at_once)
    for number, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        expected = {n: v if n == "loss" else pytest.approx(v, rel=1e-6) for n, v in other.items()}
        assert one == expected, number


def test_trials_are_random_until_enough_have_finished() -> None:
    study = optuna.create_study(sampler=tpe(seed=4))
    mine = [study.ask(SPACE).params for _ in range(15)]
    other = optuna.create_study(sampler=RandomSampler(seed=4))
    assert mine == [other.ask(SPACE).params for _ in range(15)]


def start_search(asks_per_fit: int) -> tuple[optuna.Study, TPE]:
    """A study that has left its random beginning; nothing was asked or told since the last fit."""
    sampler = tpe(asks_per_fit)
    study = optuna.create_study(sampler=sampler)
    for _ in range(20):
        study.tell(study.ask(SPACE), 1.0)
    sampler._fit = None
    return study, sampler


def fits_of_asks(study: optuna.Study, sampler: TPE, n: int) -> list[int]:
    fits = []
    for _ in range(n):
        study.ask(SPACE)
        fits.append(sampler._fit)
    return [fits.index(fit) for fit in fits]


def test_a_fit_serves_as_many_asks_as_said_and_no_more() -> None:
    study, sampler = start_search(asks_per_fit=4)
    assert fits_of_asks(study, sampler, 9) == [0, 0, 0, 0, 4, 4, 4, 4, 8]


def test_a_fit_is_given_up_after_as_many_tells() -> None:
    study, sampler = start_search(asks_per_fit=4)
    asked = [study.ask(SPACE) for _ in range(2)]
    first = sampler._fit
    for trial in asked:
        study.tell(trial, 0.5)
    study.ask(SPACE)
    assert sampler._fit is first
    for number in (22, *[study.ask(SPACE).number]):
        study.tell(number, 0.5)
    study.ask(SPACE)
    assert sampler._fit is not first


def test_a_fit_for_each_ask_reacts_to_each_tell() -> None:
    study, sampler = start_search(asks_per_fit=1)
    study.tell(study.ask(SPACE), -1.0)
    study.ask(SPACE)
    assert sampler._fit is not None
    assert 20 in sampler._fit._below


def test_what_is_proposed_follows_from_the_order_of_asks_and_tells() -> None:
    assert run(tpe(16), 100, at_once=10) == run(tpe(16), 100, at_once=10)
    assert run(tpe(16), 100, at_once=10) != run(tpe(16), 100, at_once=5)


def test_asks_at_once_learn_from_what_was_told_before() -> None:
    early, late = [], []
    for seed in range(3):
        errors = [error(params) for params in run(tpe(64, seed), 320, at_once=64)]
        early.append(np.median(errors[:64]))
        late.append(np.median(errors[-64:]))
    assert np.mean(late) < 0.5 * np.mean(early)


def test_a_population_shares_fits_by_quarters() -> None:
    sampler = make_sampler(make_study_file(), 0)
    assert isinstance(sampler, TPE)
    shared = []
    for population in (1, 7, 8, 64, 256, 2000):
        share_fits(sampler, population)
        shared.append(sampler.asks_per_fit)
    assert shared == [1, 1, 2, 16, 64, 64]


def test_optunas_own_is_optunas_own() -> None:
    assert (
        type(
            make_sampler(
                make_study_file("epochs.low = 1\nepochs.high = 9", "sampler.name=optuna:tpe"), 0
            )
        )
        is TPESampler
    )
