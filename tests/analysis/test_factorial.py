"""Planted effects of causes: Shapley values, interactions and intervals come back."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from sweep.analysis.explanation import ChangeEffect, ParameterGroup, is_valid
from sweep.analysis.factorial import MAX_CAUSES, Factorial, causes_between, factorial
from sweep.catalogue.settings import CAUSES, Cause
from sweep.enums import Activation, Noise, Optimizer, WeightInit
from sweep.errors import UsageError
from tests.support.factorial_factories import (
    BASELINE,
    OUTPUT,
    PLANTED,
    SCHEDULE,
    TARGET,
    plant_factorial,
    product,
    with_interaction,
)

#: Differs in every ablation group.
ALL = replace(
    TARGET,
    hidden_width=32,
    hidden_layers=2,
    optimizer=Optimizer.ADAMW,
    weight_init=WeightInit.HE_NORMAL,
    noise=Noise.GAUSSIAN,
)


def by_cause(found: Factorial, name: str) -> dict[str, ChangeEffect | None]:
    return {of.cause.name: getattr(of, name) for of in found.effects}


@pytest.mark.parametrize("name", ["alone", "shapley", "taken_back"])
def test_effects_that_multiply_are_the_same_alone_taken_back_and_as_shapley_value(
    name: str,
) -> None:
    effects = by_cause(plant_factorial(product), name)
    assert {cause: of and of.estimate for cause, of in effects.items()} == pytest.approx(PLANTED)
    assert all(of and of.low == pytest.approx(of.high) for of in effects.values())


def test_shapley_values_are_the_means_over_all_orders_and_make_the_whole() -> None:
    found = plant_factorial(with_interaction, noise=0.4)
    log_error = {frozenset(of.causes): np.log(of.errors or ()).mean() for of in found.cells}
    gains: dict[str, list[float]] = {of.name: [] for of in found.causes}
    for order in permutations(gains):
        for place, cause in enumerate(order):
            before = frozenset(order[:place])
            gains[cause].append(log_error[before] - log_error[before | {cause}])
    shapley = {cause: of.estimate for cause, of in by_cause(found, "shapley").items() if of}
    expected = {cause: math.exp(np.mean(of)) for cause, of in gains.items()}
    assert shapley == pytest.approx(expected, rel=1e-12)
    assert found.whole is not None
    assert math.prod(shapley.values()) == pytest.approx(found.whole.estimate, rel=1e-12)
    shares = [found.share(of) or math.nan for of in by_cause(found, "shapley").values() if of]
    assert sum(shares) == pytest.approx(1.0)


def test_a_planted_interaction_is_shared_by_its_causes_and_found() -> None:
    found = plant_factorial(with_interaction)
    alone, back, shapley = (by_cause(found, of) for of in ("alone", "taken_back", "shapley"))
    for of, times in ((alone, 1.0), (back, 5.0), (shapley, math.sqrt(5.0))):
        effect = of[SCHEDULE]
        assert effect and effect.estimate == pytest.approx(times * PLANTED[SCHEDULE])
    strongest = found.interaction
    assert strongest is not None
    # The effect that the other changes most: from 1.1 to 5.5 rather than from 0.8 to 4.
    assert (strongest.of.name, strongest.on.name) == (SCHEDULE, OUTPUT)
    effects = strongest.without.estimate, strongest.with_it.estimate, strongest.ratio.estimate
    assert effects == pytest.approx((1.1, 5.5, 5.0))
    assert not strongest.ratio.may_be_chance


def test_an_interaction_that_hinders_is_as_strong() -> None:
    found = plant_factorial(
        lambda causes: 2 * product(frozenset({Cause.UPDATES})) - with_interaction(causes)
    )
    assert found.interaction is not None
    assert {found.interaction.of.name, found.interaction.on.name} == {OUTPUT, SCHEDULE}
    assert found.interaction.ratio.estimate == pytest.approx(1 / 5)


def test_intervals_hold_the_planted_shapley_value_in_nine_of_ten_experiments() -> None:
    held = n = 0
    for seed in range(150):
        for cause, of in by_cause(plant_factorial(product, 4, 0.3, seed), "shapley").items():
            assert of is not None and of.low is not None and of.high is not None
            held += of.low <= PLANTED[Cause(cause)] <= of.high
            n += 1
    assert 0.86 * n <= held <= 0.94 * n


def test_where_no_causes_interact_the_strongest_interaction_is_rarely_told_from_none() -> None:
    found = [plant_factorial(product, 4, 0.3, seed).interaction for seed in range(150)]
    told = [of for of in found if of and not of.ratio.may_be_chance]
    assert len(told) <= 0.15 * len(found)


def test_causes_whose_difference_is_within_chance_share_the_first_place() -> None:
    alone = plant_factorial(product, noise=0.01)
    assert [of.cause.name for of in alone.largest] == [Cause.UPDATES]
    noisy = plant_factorial(product, noise=1.0)
    assert noisy.by_size[0] is noisy.largest[0] and len(noisy.largest) > 1
    assert len(plant_factorial(product, n_seeds=1, noise=1.0).largest) == 1


def test_one_seed_gives_effects_without_intervals() -> None:
    shapley = by_cause(plant_factorial(product, n_seeds=1), "shapley")
    assert {of and (of.low, of.high) for of in shapley.values()} == {(None, None)}


def test_every_combination_is_a_cell_from_the_baseline_to_the_target() -> None:
    cells = factorial(BASELINE, TARGET, {}).cells
    assert (len(cells), len({cell.config for cell in cells})) == (16, 16)
    assert (cells[0].config, cells[0].causes, cells[-1].config) == (BASELINE, (), TARGET)
    assert all(is_valid(cell.config) for cell in cells)


def test_a_cell_that_diverged_leaves_no_shapley_value_and_is_named() -> None:
    errors = {cell.config: cell.errors or () for cell in plant_factorial(product).cells}
    bad = replace(BASELINE, activation=Activation.LINEAR)
    found = factorial(BASELINE, TARGET, {**errors, bad: (0.1, math.inf, 0.1)})
    assert [cell.causes for cell in found.diverged] == [(Cause.ACTIVATION,)]
    assert (found.missing, found.is_whole, found.interaction) == ((), False, None)
    assert set(by_cause(found, "shapley").values()) == {None}
    alone = by_cause(found, "alone")
    assert [cause for cause, of in alone.items() if of is None] == [Cause.ACTIVATION]
    assert None not in by_cause(found, "taken_back").values()


def test_what_is_trained_so_far_gives_the_effects_that_it_can() -> None:
    longer = replace(BASELINE, epochs=15, batch_size=64)
    found = factorial(BASELINE, TARGET, {BASELINE: (0.2, 0.3), longer: (0.1, 0.15)})
    assert (len(found.missing), found.whole, found.is_whole) == (14, None, False)
    assert {cause: of for cause, of in by_cause(found, "alone").items() if of} == {
        Cause.UPDATES: pytest.approx((2.0, 2.0, 2.0))
    }


def test_every_difference_of_two_configurations_is_in_a_cause() -> None:
    causes = causes_between(BASELINE, ALL)
    assert [of.name for of in causes] == list(CAUSES)
    assert replace(BASELINE, **{k: v for of in causes for k, v in of.after.items()}) == ALL


def test_output_and_loss_change_together_and_so_do_epochs_and_batch_size() -> None:
    causes: dict[str, ParameterGroup] = {of.name: of for of in causes_between(BASELINE, TARGET)}
    assert {*causes[Cause.OUTPUT].after} == {"output_activation", "loss"}
    assert causes[Cause.UPDATES].text == "epochs 5 → 15, batch size 128 → 64"


def test_too_many_causes_are_refused_by_name_with_what_to_do() -> None:
    with pytest.raises(UsageError) as refused:
        factorial(BASELINE, ALL, {})
    said = str(refused.value)
    assert f"{len(CAUSES)} causes" in said and f"at most {MAX_CAUSES}" in said
    assert all(f"{cause} (" in said for cause in CAUSES)
    assert all(option in said for option in ("--from", "--to", "--path"))


def test_configurations_that_do_not_differ_have_nothing_to_explain() -> None:
    with pytest.raises(UsageError, match="nothing to explain"):
        factorial(BASELINE, replace(BASELINE, momentum=0.9), {})
