"""Pruning rules: what they keep, and that the order of reports does not matter."""

import math

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.enums import Pruner
from sweep.search import make_pruner, most_epochs
from sweep.search.curves import Curves
from sweep.search.pruning import PRUNERS, Hyperband, Percentile, PruningRule, SuccessiveHalving
from tests.support.study_factories import make_study_file

EPOCHS = "epochs = { low = 1, high = 27 }"


def rule_of(pruner: str, *options: str, space: str = EPOCHS) -> PruningRule:
    overrides = [f"pruner.name={pruner}", *(f"pruner.{option}" for option in options)]
    rule = make_pruner(make_study_file(space, *overrides))
    assert rule is not None
    return rule


def decide(rule: PruningRule, curves: dict[int, dict[int, float]], step: int) -> set[int]:
    return rule.decide(Curves.of(curves).at(step))


def at_step_1(*values: float) -> dict[int, dict[int, float]]:
    return {number: {1: value} for number, value in enumerate(values)}


RULES = [
    rule_of("median", "n_startup_trials=1"),
    rule_of("percentile", "percentile=25", "n_startup_trials=3"),
    rule_of("successive_halving"),
    rule_of("hyperband"),
]
CURVES = st.dictionaries(
    st.integers(0, 40),
    st.dictionaries(st.integers(1, 4), st.floats(0, 1) | st.sampled_from([math.nan, math.inf])),
    max_size=20,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@given(data=st.data(), curves=CURVES, step=st.integers(1, 4))
def test_a_decision_depends_on_the_curves_and_not_on_their_order(
    rule: PruningRule, data: st.DataObject, curves: dict[int, dict[int, float]], step: int
) -> None:
    shuffled = {number: curves[number] for number in data.draw(st.permutations(list(curves)))}
    assert decide(rule, shuffled, step) == decide(rule, curves, step)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@given(curves=CURVES, step=st.integers(1, 4))
def test_only_who_reached_the_step_is_judged_and_the_best_goes_on(
    rule: PruningRule, curves: dict[int, dict[int, float]], step: int
) -> None:
    pruned = decide(rule, curves, step)
    reached = {n: curve[step] for n, curve in curves.items() if step in curve}
    finite = {n: value for n, value in reached.items() if math.isfinite(value)}
    assert pruned <= set(reached)
    if finite:
        assert min(finite, key=finite.__getitem__) not in pruned


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@given(curves=CURVES, step=st.integers(1, 4), later=st.floats(0, 1))
def test_what_a_trial_reports_later_does_not_change_a_decision(
    rule: PruningRule, curves: dict[int, dict[int, float]], step: int, later: float
) -> None:
    grown = {number: {**curve, step + 1: later} for number, curve in curves.items()}
    assert decide(rule, grown, step) == decide(rule, curves, step)


def test_median_keeps_the_better_half() -> None:
    rule = rule_of("median")
    assert decide(rule, at_step_1(0.5, 0.1, 0.4, 0.2, 0.3, 0.6), 1) == {0, 2, 5}


def test_median_keeps_ties() -> None:
    assert decide(rule_of("median"), at_step_1(*[0.5] * 8), 1) == set()


def test_median_waits_for_enough_trials() -> None:
    assert decide(rule_of("median"), at_step_1(0.1, 0.2, 0.3, 0.4), 1) == set()
    assert decide(rule_of("median", "n_startup_trials=4"), at_step_1(0.1, 0.2, 0.3, 0.4), 1) == {
        2,
        3,
    }


def test_a_trial_counts_by_its_best_value_so_far() -> None:
    curves = {number: {1: 0.9, 2: 0.1 * number} for number in range(6)}
    curves[5][1] = 0.05  # an outlier now, but it was better than the median is
    assert decide(rule_of("median"), curves, 2) == {3, 4}


def test_nothing_is_pruned_in_the_warm_up_or_between_decisions() -> None:
    rule = rule_of("median", "n_warmup_steps=2", "interval_steps=3")
    curves = {n: dict.fromkeys(range(1, 10), 0.1 * n) for n in range(6)}
    assert [step for step in range(1, 10) if decide(rule, curves, step)] == [3, 6, 9]


def test_percentile_keeps_that_share() -> None:
    rule = rule_of("percentile", "percentile=25")
    assert decide(rule, at_step_1(*(0.1 * n for n in range(8))), 1) == set(range(2, 8))


def test_what_is_not_finite_is_pruned_even_among_its_like() -> None:
    values = at_step_1(math.nan, math.inf, math.nan, 0.5, math.inf, math.inf)
    assert decide(rule_of("median"), values, 1) == {0, 1, 2, 4, 5}
    assert decide(rule_of("successive_halving"), values, 1) == {0, 1, 2, 4, 5}


def test_successive_halving_keeps_one_in_the_reduction_factor() -> None:
    # 16 trials in lockstep: Optuna's own keeps 1, 5 or 16, by the order of asking.
    rule = rule_of("successive_halving", "reduction_factor=4")
    assert decide(rule, at_step_1(*(0.01 * n for n in range(16))), 1) == set(range(4, 16))


def test_successive_halving_decides_at_its_rungs() -> None:
    rule = rule_of("successive_halving", "min_resource=2", "reduction_factor=3")
    curves = {n: dict.fromkeys(range(1, 30), 0.1 * n) for n in range(9)}
    assert [step for step in range(1, 30) if decide(rule, curves, step)] == [2, 6, 18]


def test_the_only_trial_at_a_rung_goes_on() -> None:
    assert decide(rule_of("successive_halving"), at_step_1(0.5), 1) == set()


def hyperband(name: str = "test", epochs: int = 27) -> Hyperband:
    return Hyperband(study_name=name, min_resource=1, max_resource=epochs, reduction_factor=3)


@pytest.mark.parametrize(("epochs", "n"), [(1, 1), (2, 1), (3, 2), (26, 3), (27, 4)])
def test_hyperband_has_a_bracket_for_each_rung(epochs: int, n: int) -> None:
    assert hyperband(epochs=epochs).n_brackets == n


def test_hyperband_puts_most_trials_where_pruning_begins_first() -> None:
    brackets = [hyperband().bracket(number) for number in range(4000)]
    counts = [brackets.count(bracket) for bracket in range(4)]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) > 0


def test_hyperband_brackets_are_optunas() -> None:
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3)
    study = optuna.create_study(study_name="test", pruner=pruner)
    trials = [study.ask() for _ in range(50)]
    pruner._try_initialization(study)
    theirs = [pruner._get_bracket_id(study, study.trials[trial.number]) for trial in trials]
    assert [hyperband().bracket(number) for number in range(50)] == theirs


def test_hyperband_brackets_are_another_studys_others() -> None:
    ours, others = hyperband(), hyperband("other")
    assert [ours.bracket(n) for n in range(50)] != [others.bracket(n) for n in range(50)]


def test_hyperband_prunes_within_a_bracket_from_its_first_rung() -> None:
    rule = hyperband()
    curves = {n: {1: 0.001 * n, 3: 0.001 * n} for n in range(60)}
    first = {n for n in curves if rule.bracket(n) == 0}
    second = {n for n in curves if rule.bracket(n) == 1}
    assert decide(rule, curves, 1) == set(sorted(first)[len(first) // 3 :])
    assert decide(rule, curves, 3) & second == set(sorted(second)[len(second) // 3 :])


@pytest.mark.parametrize(
    ("space", "longest"),
    [
        ("epochs = 7", 7),
        ("hidden_width = 8", 5),  # the default
        ("epochs = { low = 1, high = 9 }", 9),
        ("loss = { choices = ['mse', 'l1'], when.l1.epochs = { choices = [3, 12] } }", 12),
    ],
)
def test_the_longest_training_is_known(space: str, longest: int) -> None:
    assert most_epochs(make_study_file(space)) == longest


def test_options_reach_the_rules() -> None:
    assert rule_of("percentile", "percentile=10", "n_warmup_steps=4") == Percentile(
        percentile=10.0, n_startup_trials=5, n_warmup_steps=4, interval_steps=1
    )
    assert rule_of("successive_halving", "min_resource=2") == SuccessiveHalving(
        min_resource=2, reduction_factor=3
    )


def test_every_pruner_of_the_study_file_is_there() -> None:
    assert set(PRUNERS) == set(Pruner)
    assert make_pruner(make_study_file()) is None
