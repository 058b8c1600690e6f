"""Planted causes: their order is found, steps make the whole, only what is needed is trained."""

import math
import zlib
from dataclasses import replace

import numpy as np
import pytest

from sweep.analysis.explanation import (
    ChangeEffect,
    Errors,
    Explanation,
    effect,
    explain,
    is_valid,
    most_configurations,
    parameter_groups,
)
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule
from sweep.errors import UsageError

BASELINE = TrialConfig()
TARGET = TrialConfig(
    epochs=100,
    learning_rate=3e-3,
    lr_schedule=Schedule.COSINE,
    loss=Loss.MSE,
    activation=Activation.GELU,
    output_activation=Output.LINEAR,
)
#: How many times smaller the error is with each; loss and output, which hurts, from the sum.
PLANTED = {"epochs": 8.0, "learning rate": 1.5, "loss": 3.0, "activation": 1.2, "output": 0.9}
TRUE_ORDER = ["epochs", "loss", "learning rate", "activation", "output"]


def planted_error(config: TrialConfig, seed: int = 0, noise: float = 0.0) -> float:
    """A configuration's error where the causes' factors multiply."""
    with_it = {
        "epochs": config.epochs == 100,
        "learning rate": config.learning_rate == 3e-3,
        "loss": config.loss is Loss.MSE,
        "activation": config.activation is Activation.GELU,
        "output": config.output_activation is Output.LINEAR,
    }
    product = math.prod(PLANTED[name] for name, has in with_it.items() if has)
    spread = np.random.default_rng([seed, zlib.crc32(repr(config).encode())]).normal(0.0, noise)
    return 0.01 / product * math.exp(0.1 * seed + spread)


def train_all(
    *, n_seeds: int = 3, noise: float = 0.0
) -> tuple[Explanation, dict[TrialConfig, int]]:
    """An explanation that is whole, and in which round each configuration was trained."""
    errors: dict[TrialConfig, tuple[float, ...]] = {}
    rounds: dict[TrialConfig, int] = {}
    for number in range(20):
        found = explain(BASELINE, TARGET, errors)
        if not found.missing:
            return found, rounds
        for config in found.missing:
            rounds[config] = number
            errors[config] = tuple(planted_error(config, seed, noise) for seed in range(n_seeds))
    raise AssertionError("the planner does not end")


def order(found: Explanation) -> list[str]:
    return [cause for step in found.forward.steps for cause in step.groups]


def test_the_planted_order_is_found_forward_and_undone_in_reverse() -> None:
    found, _ = train_all()
    assert order(found) == TRUE_ORDER
    # Undoing the output helps, but with bce the linear output could not be trained: it goes first.
    assert [step.groups for step in found.reverse.steps] == [
        ("epochs",),
        ("learning rate",),
        ("activation",),
        ("output", "loss"),
    ]
    assert [step.effect.estimate for step in found.forward.steps] == pytest.approx(
        [PLANTED[name] for name in TRUE_ORDER]
    )


def test_the_steps_of_both_paths_multiply_to_the_whole() -> None:
    found, _ = train_all(noise=0.3)
    assert found.whole is not None
    assert found.baseline_errors is not None
    assert found.forward.steps[-1].errors == found.target_errors
    assert found.reverse.steps[-1].errors == found.baseline_errors
    for path in (found.forward, found.reverse):
        product = math.prod(step.effect.estimate for step in path.steps)
        assert product == pytest.approx(found.whole.estimate, rel=1e-12)


def test_only_what_can_be_trained_and_is_needed_is_asked_for() -> None:
    found, rounds = train_all()
    assert found.is_whole
    assert all(map(is_valid, rounds))
    assert len(rounds) <= most_configurations(len(found.groups)) == 30
    assert max(rounds.values()) <= len(found.groups)


def test_the_first_round_has_both_ends_and_every_single_change() -> None:
    missing = explain(BASELINE, TARGET, {}).missing
    assert {BASELINE, TARGET, replace(BASELINE, epochs=100)} <= set(missing)
    # bce needs the sigmoid
    assert replace(BASELINE, output_activation=Output.LINEAR) not in missing
    assert len(missing) == 2 + 4 + 4


def test_seeds_that_would_choose_otherwise_are_counted() -> None:
    target = TrialConfig(epochs=10, learning_rate=2e-3)
    longer, faster = replace(BASELINE, epochs=10), replace(BASELINE, learning_rate=2e-3)
    errors = {
        BASELINE: (8.0, 8.0, 8.0),
        longer: (2.0, 2.0, 5.0),
        faster: (4.0, 4.0, 4.0),  # the third seed gains more by this
        target: (1.0, 1.0, 1.0),
    }
    path = explain(BASELINE, target, errors).forward
    assert order(explain(BASELINE, target, errors)) == ["epochs", "learning rate"]
    assert [step.n_agree for step in path.steps] == [2, 3]
    assert path.n_agree == 2


def sigmoid_and_loss(
    with_loss: tuple[float, ...], with_both: tuple[float, ...]
) -> tuple[Explanation, Errors]:
    """The output can change only once the loss has: cross-entropy needs the sigmoid."""
    target = replace(BASELINE, output_activation=Output.LINEAR, loss=Loss.HUBER, huber_delta=0.1)
    errors = {
        BASELINE: (3.0, 3.3),
        replace(BASELINE, loss=Loss.HUBER, huber_delta=0.1): with_loss,
        target: with_both,
    }
    return explain(BASELINE, target, errors), errors


def test_a_step_that_undoes_the_harm_of_the_one_before_it_is_merged_with_it() -> None:
    found, errors = sigmoid_and_loss((5.67, 6.2), (0.53, 0.58))
    (step,) = found.forward.steps
    assert step.groups == ("loss", "output")
    assert step.effect == found.whole
    assert step.harm == effect(errors[BASELINE], (5.67, 6.2))
    assert step.harm.estimate == pytest.approx(1 / 1.885, rel=1e-3)
    assert (step.n_agree, step.errors) == (2, errors[found.target])
    # Undone from the target, the output first raises the error: nothing to merge.
    assert [of.groups for of in found.reverse.steps] == [("output",), ("loss",)]


@pytest.mark.parametrize(
    ("with_loss", "with_both"),
    [
        ((2.9, 3.1), (0.53, 0.58)),  # the first helps too
        ((3.1, 3.2), (0.53, 0.58)),  # what it does is not told from nothing
        ((5.67, 6.2), (6.5, 7.1)),  # the second hurts too
    ],
)
def test_steps_of_which_none_undoes_another_stay_apart(
    with_loss: tuple[float, ...], with_both: tuple[float, ...]
) -> None:
    found, _ = sigmoid_and_loss(with_loss, with_both)
    assert [of.groups for of in found.forward.steps] == [("loss",), ("output",)]
    assert {of.harm for of in found.forward.steps} == {None}


def test_the_interval_is_of_pairs_and_needs_two_seeds() -> None:
    # The seeds differ a thousandfold, their factors hardly: t of 2 degrees of freedom is 2.92.
    found = effect((2.0, 2000.0, 2.2), (1.0, 1000.0, 1.0))
    reach = 2.919986 * math.log(1.1) / math.sqrt(3) / math.sqrt(3)
    mean = math.log(2.0) + math.log(1.1) / 3
    expected = [math.exp(of) for of in (mean, mean - reach, mean + reach)]
    assert list(found) == pytest.approx(expected)
    assert effect((2.0,), (1.0,)) == ChangeEffect(2.0, None, None)


def test_nine_in_ten_intervals_hold_the_planted_factor() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(500):
        one, other = np.exp(rng.normal([[math.log(3.0)], [0.0]], 0.2, (2, 5)))
        found = effect(one.tolist(), other.tolist())
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 3.0 <= found.high
    assert 425 <= held <= 475


def test_a_whole_that_may_be_chance_has_no_shares() -> None:
    target = replace(BASELINE, epochs=50, hidden_width=1024)
    errors: Errors = {
        BASELINE: (0.020, 0.022, 0.021),
        replace(BASELINE, epochs=50): (0.010, 0.011, 0.0105),
        replace(BASELINE, hidden_width=1024): (0.040, 0.044, 0.042),
        target: (0.021, 0.020, 0.0205),
    }
    found = explain(BASELINE, target, errors)
    assert found.whole is not None
    assert found.whole.may_be_chance
    assert [found.share(step.effect) for step in found.forward.steps] == [None, None]
    assert not any(step.effect.may_be_chance for step in found.forward.steps)


def test_what_diverges_alone_waits_and_goes_in_when_it_can() -> None:
    target = TrialConfig(epochs=10, learning_rate=1.0)
    diverged = replace(BASELINE, learning_rate=1.0)
    errors: Errors = {
        BASELINE: (4.0, 4.0),
        diverged: (math.inf, math.inf),
        replace(BASELINE, epochs=10): (5.0, 5.0),
        target: (1.0, 1.0),
    }
    found = explain(BASELINE, target, errors)
    assert order(found) == ["epochs", "learning rate"]
    assert found.forward.steps[0].options["learning rate"] == math.inf


def test_changes_of_which_each_diverges_alone_go_together() -> None:
    target = TrialConfig(epochs=10, learning_rate=1.0)
    none, both = (math.inf, math.inf), (1.0, 1.0)
    errors: Errors = {
        BASELINE: (4.0, 4.0),
        replace(BASELINE, learning_rate=1.0): none,
        replace(BASELINE, epochs=10): none,
        target: both,
    }
    found = explain(BASELINE, target, errors)
    assert found.forward.steps[0].groups == ("epochs", "learning rate")
    assert found.reverse.steps[0].groups == ("epochs", "learning rate")
    assert found.is_whole


def test_an_end_that_diverged_asks_for_nothing_and_is_named() -> None:
    found = explain(BASELINE, TARGET, {BASELINE: (math.inf,)})
    assert (found.missing, found.diverged, found.is_whole) == ((), ("baseline",), False)


def test_settings_that_nothing_uses_are_no_difference() -> None:
    ignored = replace(BASELINE, momentum=0.9, huber_delta=0.1, warmup_epochs=7)
    assert parameter_groups(BASELINE, ignored) == ()
    with pytest.raises(UsageError, match="nothing to explain"):
        explain(BASELINE, ignored, {})


def test_a_learning_rate_goes_with_its_optimizers_family() -> None:
    sgd = TrialConfig(optimizer=Optimizer.SGD, learning_rate=1.0, momentum=0.9, nesterov=True)
    assert [(of.name, set(of.after)) for of in parameter_groups(BASELINE, sgd)] == [
        ("optimizer", {"learning_rate", "optimizer", "momentum", "nesterov"})
    ]
    adamw = TrialConfig(optimizer=Optimizer.ADAMW, learning_rate=3e-3)
    assert [of.name for of in parameter_groups(BASELINE, adamw)] == ["learning rate", "optimizer"]
