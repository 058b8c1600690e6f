"""Planted studies get the advice that they deserve, and no other."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.best_region import BestRegion
from sweep.analysis.effects import Effects, SettingEffect
from sweep.analysis.study_reader import StudyReader
from sweep.findings.advice import Advice, AdviceKind, widen
from sweep.findings.study import gather_study
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.records import ChoiceDomain, NumberDomain
from tests.support.planted import SPACE, Plant, bowl, draw, slope, store
from tests.support.store_factories import sqlite_store

TERMS: Mapping[str, Any] = {
    "learning_rate": bowl(0.5, 6.0),
    "hidden_width": slope(0.8),
    "activation": {"relu": 0.6, "gelu": 0.0, "tanh": 0.1},
}
INSIDE = Plant(terms=TERMS)
BEYOND = Plant(terms={**TERMS, "learning_rate": bowl(1.3, 4.0)})


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def advice(
    engine: Engine, plant: Plant, n_trials: int = 120, sampler: str = "random", seed: int = 0
) -> list[Advice]:
    store(engine, draw(plant, sampler, n_trials, seed, "study"), plant)
    return advise(engine)


def advise(engine: Engine) -> list[Advice]:
    reader = StudyReader(open_study(engine, "study"), lambda _: None)
    return list(gather_study(reader, in_short=True).advice)


def widths_tried(engine: Engine) -> set[Any]:
    return {row.config["hidden_width"] for row in open_study(engine, "study").trials()}


def of_kind(found: list[Advice], kind: AdviceKind) -> list[Advice]:
    return [of for of in found if of.kind is kind]


def widened_ends(found: list[Advice]) -> set[str]:
    widen = of_kind(found, AdviceKind.WIDEN)
    return {f"{of.evidence['param']} {of.evidence['end']}" for of in widen}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_range_whose_optimum_lies_beyond_its_end_is_to_be_widened_there(
    engine: Engine, sampler: str
) -> None:
    found = advice(engine, BEYOND, sampler=sampler)
    assert widened_ends(found) >= {"learning_rate high"}
    (rate,) = [of for of in found if of.evidence.get("param") == "learning_rate"]
    assert "best 12 trials have a learning rate in the top" in rate.sentence
    assert rate.sentence.endswith("widen it to 0.0001 to 1.")
    assert rate.changes[0].to == {"low": 1e-4, "high": 1.0, "log": True}
    assert rate.command == "sweep next study -o next.toml"


@pytest.mark.parametrize("at", [0.5, 0.85])
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_range_whose_optimum_lies_inside_is_not(engine: Engine, sampler: str, at: float) -> None:
    found = advice(engine, Plant(terms={**TERMS, "learning_rate": bowl(at, 6.0)}), sampler=sampler)
    assert widened_ends(found) <= {"hidden_width high"}


def test_where_nothing_has_an_effect_nothing_is_widened_or_narrowed(engine: Engine) -> None:
    """A sampler that learns crowds its trials all the same."""
    found = advice(engine, Plant(noise=0.1), sampler="tpe")
    assert not of_kind(found, AdviceKind.WIDEN) and not of_kind(found, AdviceKind.NARROW)


def test_settings_without_effect_are_to_be_fixed_at_the_best_trial_s_values(
    engine: Engine,
) -> None:
    (found,) = of_kind(advice(engine, INSIDE), AdviceKind.FIX)
    best = open_study(engine, "study").best(1)[0].config
    to = {change.param: change.to for change in found.changes}
    assert to.keys() == {"beta1", "batch_size", "weight_init"}
    assert to["weight_init"] == best["weight_init"]
    assert to["beta1"] == pytest.approx(best["beta1"], rel=5e-3)
    assert "No effect on the error is detectable for" in found.sentence


def test_too_much_noise_leaves_open_whether_a_setting_has_an_effect(engine: Engine) -> None:
    assert not of_kind(advice(engine, replace(INSIDE, noise=0.5), 60), AdviceKind.FIX)


def test_a_setting_whose_effect_another_one_turns_round_is_not_fixed(engine: Engine) -> None:
    """Its mean effect is none; what is best depends on the other."""
    plant = Plant(terms=TERMS, noise=0.02)
    drawn = draw(plant, "random", 150, 0, "study")
    for place, config in enumerate(drawn.configs):
        sign = 1 if config.activation == "gelu" else -1 if config.activation == "tanh" else 0
        drawn.errors[place] *= 2 ** (sign * (config.beta1 - 0.725))
    store(engine, drawn, plant)
    fixed = of_kind(advise(engine), AdviceKind.FIX)
    assert "beta1" not in {change.param for of in fixed for change in of.changes}


def parts(found: list[Advice]) -> dict[str, Any]:
    narrow = of_kind(found, AdviceKind.NARROW)
    return {change.param: change.to for of in narrow for change in of.changes}


def test_a_part_of_a_range_that_holds_all_good_trials_is_enough(engine: Engine) -> None:
    rate = parts(advice(engine, INSIDE, 120, "tpe"))["learning_rate"]
    assert 1e-4 < rate["low"] < 3.16e-3 < rate["high"] < 1e-1


def test_a_name_that_no_good_trial_has_is_left_out(engine: Engine) -> None:
    plant = Plant(terms={**TERMS, "activation": {"relu": 1.5, "gelu": 0.0, "tanh": 0.1}})
    assert parts(advice(engine, plant))["activation"] == {"choices": ["gelu", "tanh"]}


def test_trials_that_still_fall_at_the_end_of_all_epochs_are_to_get_more(engine: Engine) -> None:
    (found,) = of_kind(advice(engine, replace(INSIDE, fall_per_epoch=0.15), 20),
                       AdviceKind.MORE_EPOCHS)  # fmt: skip
    assert found.sentence == (
        "Twice the epochs would lower the error of all of the best 5 trials by 10 % or more, "
        "after 5 epochs: train for up to 10 epochs."
    )
    assert [(of.param, of.to) for of in found.changes] == [("epochs", {"low": 5, "high": 10})]


def test_a_grid_of_few_trials_gets_twice_the_epochs_as_a_choice(engine: Engine) -> None:
    plant = Plant(space="hidden_width = [16, 64, 256]\nepochs = 5", fall_per_epoch=0.15)
    (found,) = of_kind(advice(engine, plant, 3, "grid"), AdviceKind.MORE_EPOCHS)
    assert "all of the best 3 trials" in found.sentence
    assert found.changes[0].to == {"choices": [5, 10]}


def test_the_only_trial_of_a_study_is_called_so(engine: Engine) -> None:
    plant = Plant(space="hidden_width = [16]\nepochs = 5", fall_per_epoch=0.15)
    (found,) = of_kind(advice(engine, plant, 1, "grid"), AdviceKind.MORE_EPOCHS)
    assert "of the only finished trial by 10 % or more" in found.sentence


def test_trials_that_have_settled_are_not(engine: Engine) -> None:
    assert not of_kind(advice(engine, INSIDE, 20), AdviceKind.MORE_EPOCHS)


def test_the_best_that_use_the_most_epochs_of_a_range_are_to_get_more(engine: Engine) -> None:
    space = SPACE.replace("epochs = 5", "epochs = { low = 2, high = 6 }")
    plant = Plant(terms={**TERMS, "epochs": slope(3.0)}, space=space)
    (found,) = of_kind(advice(engine, plant), AdviceKind.MORE_EPOCHS)
    assert "have the highest epochs tried, 6" in found.sentence
    assert found.changes[0].to == {"low": 6, "high": 12}


def test_a_search_that_has_found_the_optimum_has_converged(engine: Engine) -> None:
    plant = Plant(terms={"learning_rate": bowl(0.5, 6.0)}, noise=0.01)
    found = advice(engine, plant, 150, "tpe")
    (converged,) = of_kind(found, AdviceKind.CONVERGED)
    assert converged.evidence["trials_since"] >= 75
    assert not of_kind(found, AdviceKind.MORE_TRIALS)


def test_a_search_that_still_improves_wants_more_trials(engine: Engine) -> None:
    plant = Plant(terms={**TERMS, "learning_rate": bowl(0.5, 30.0)})
    drawn = draw(plant, "random", 60, 0, "study")
    drawn.errors[55] = 0.5 * min(drawn.errors)
    store(engine, drawn, plant)
    (found,) = of_kind(advise(engine), AdviceKind.MORE_TRIALS)
    assert found.evidence["last_improvement"] == 55
    assert found.command == "sweep resume study --trials 120"
    assert not of_kind(advise(engine), AdviceKind.CONVERGED)


def test_widths_too_close_for_a_law_are_to_be_widened(engine: Engine) -> None:
    space = SPACE.replace("low = 16, high = 512", "low = 128, high = 512")
    (found,) = of_kind(advice(engine, Plant(terms=TERMS, space=space), 20), AdviceKind.MORE_WIDTHS)
    assert found.changes[0].to == {"low": 128, "high": 1024, "log": True}


def test_a_range_wide_enough_for_a_law_is_left_as_it_is(engine: Engine) -> None:
    found = advice(engine, Plant(terms=TERMS), 4)
    assert len(widths_tried(engine)) < 5
    assert not of_kind(found, AdviceKind.MORE_WIDTHS)


def test_best_trials_within_chance_of_one_another_want_seeds(engine: Engine) -> None:
    (found,) = of_kind(advice(engine, Plant(noise=0.02), 20), AdviceKind.MORE_SEEDS)
    assert found.command == "sweep ties study --run"
    assert found.evidence["n_close"] >= 2


def test_a_few_trials_are_told_nothing_of_ranges_effects_or_the_search(engine: Engine) -> None:
    kinds = {of.kind for of in advice(engine, BEYOND, 30)}
    assert kinds <= {AdviceKind.MORE_SEEDS}


@pytest.mark.parametrize("kind", [AdviceKind.FIX, AdviceKind.NARROW])
def test_a_parameter_that_needs_other_values_is_not_fixed_or_narrowed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: AdviceKind
) -> None:
    def all_effects(found: Effects, *_: Any) -> list[SettingEffect]:
        return list(found.by_param.values())

    def all_parts(found: Effects, *_: Any) -> list[BestRegion]:
        return [
            BestRegion(effect=of, n_best=12, choices=of.searched.domain.choices)
            if isinstance(of.searched.domain, ChoiceDomain)
            else BestRegion(effect=of, n_best=12, low=1.0, high=2.0)
            for of in found.by_param.values()
        ]

    monkeypatch.setattr("sweep.findings.advice.without_effect", all_effects)
    monkeypatch.setattr("sweep.findings.advice.needed_parts", all_parts)
    space = SPACE.replace("low = 16, high = 512", "low = 128, high = 512")
    space = space.replace("epochs = 5", "epochs = { low = 9, high = 10 }")
    found = advice(engine, replace(BEYOND, space=space, fall_per_epoch=0.15))
    earlier = {
        change.param: of.kind
        for of in found
        if of.kind not in (AdviceKind.FIX, AdviceKind.NARROW)
        for change in of.changes
    }
    assert earlier == {
        "learning_rate": AdviceKind.WIDEN,
        "epochs": AdviceKind.MORE_EPOCHS,
        "hidden_width": AdviceKind.MORE_WIDTHS,
    }
    (later,) = of_kind(found, kind)
    assert {change.param for change in later.changes} == {
        "activation", "beta1", "batch_size", "weight_init"
    }  # fmt: skip
    assert "hidden width" not in later.sentence


def test_diverged_and_invalid_trials_count_as_bad_and_not_at_all(engine: Engine) -> None:
    drawn = draw(BEYOND, "random", 120, 0, "study")
    store(engine, drawn, BEYOND)
    study = open_study(engine, "study")
    for row in study.best(3):
        annotate.invalidate(engine, "study", row.number, "a test")
    found = of_kind(advise(engine), AdviceKind.WIDEN)
    assert found[0].evidence["n_best"] == 12


@pytest.mark.parametrize(
    ("setting", "domain", "is_high", "to"),
    [
        ("batch_size", ChoiceDomain(choices=(32, 64, 128)), True, {"choices": [32, 64, 128, 256]}),
        ("batch_size", ChoiceDomain(choices=(1, 2, 4)), False, None),
        ("epochs", ChoiceDomain(choices=(5, 10, 15)), True, {"choices": [5, 10, 15, 20]}),
        ("beta1", NumberDomain(low=0.5, high=0.95, log=False, step=None, integer=False), False,
         {"low": 0.28, "high": 0.95}),
        ("beta1", NumberDomain(low=0.5, high=0.95, log=False, step=None, integer=False), True,
         {"low": 0.5, "high": 0.975}),
        ("momentum", NumberDomain(low=0.0, high=0.5, log=False, step=None, integer=False), True,
         {"low": 0.0, "high": 0.75}),
        ("momentum", NumberDomain(low=0.0, high=0.5, log=False, step=0.1, integer=False), True,
         {"low": 0.0, "high": 0.7, "step": 0.1}),
        ("momentum", NumberDomain(low=0.0, high=0.9, log=False, step=0.1, integer=False), True,
         None),
        ("momentum", NumberDomain(low=0.0, high=0.5, log=False, step=None, integer=False), False,
         None),
        ("masked_share", NumberDomain(low=0.2, high=0.8, log=False, step=None, integer=False), True,
         {"low": 0.2, "high": 0.9}),
        ("noise_std", NumberDomain(low=0.2, high=1.0, log=False, step=None, integer=False), False,
         {"low": 0.1, "high": 1.0}),
        ("noise_std", NumberDomain(low=0.2, high=1.0, log=True, step=None, integer=False), False,
         {"low": 0.089, "high": 1.0, "log": True}),
        ("hidden_width", NumberDomain(low=8, high=1024, log=True, step=None, integer=True), True,
         {"low": 8, "high": 4096, "log": True}),
        ("hidden_width", NumberDomain(low=1, high=64, log=True, step=None, integer=True), False,
         None),
        ("epochs", NumberDomain(low=2, high=10, log=False, step=2, integer=True), True,
         {"low": 2, "high": 14, "step": 2}),
    ],
)  # fmt: skip
def test_a_range_is_widened_within_what_the_setting_can_be(
    setting: str, domain: Any, is_high: bool, to: Any
) -> None:
    assert widen(setting, domain, is_high) == to
