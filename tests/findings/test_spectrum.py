"""What is said of error spectra."""

from dataclasses import asdict, replace

import pytest

from sweep.config import TrialConfig
from sweep.enums import Loss, Output, Schedule
from sweep.findings.spectrum import pixel_table, spectrum_sentences
from sweep.store.records import SpectrumPoint
from tests.support.spectrum_factories import (
    by_the_law,
    plant_spectrum,
    point,
    stop_learning,
    with_jitter,
)

SIGMOID = TrialConfig(hidden_width=784)
LINEAR = replace(SIGMOID, output_activation=Output.LINEAR, loss=Loss.MSE)


def describe(
    points: list[SpectrumPoint], config: TrialConfig = SIGMOID, dead_share: float = 0.0
) -> list[str]:
    return spectrum_sentences(plant_spectrum(points), asdict(config), {"dead_share": dead_share})


def test_front_and_law_are_told_with_what_they_predict() -> None:
    front, law = describe(by_the_law(0.3, range(1, 9)))
    assert front.startswith("After 8 epochs half of the variance along principal component 71 of ")
    assert law.startswith("Half of a component is learned after about 0.30/λ epochs")
    assert law.endswith("(epochs 1 to 8): component 661 would take about 392.")


def test_a_narrow_network_is_not_promised_more_components_than_it_has_units() -> None:
    _, law = describe(by_the_law(0.3, range(1, 9)), replace(SIGMOID, hidden_width=40))
    assert law.endswith("(epochs 1 to 8).")


def test_nothing_learned_and_everything_learned_are_told() -> None:
    assert describe([point(1, lambda _: 1.0)]) == [
        "After 1 epoch not even the widest principal components are half learned."
    ]
    assert describe([point(1, lambda _: 0.0)]) == [
        "After 1 epoch nearly all of the 784 principal components are half learned."
    ]


@pytest.mark.parametrize(
    ("width", "dead_share", "why"),
    [
        (100, 0.5, ": 50 % of the units are dead, which leaves 50."),
        (40, 0.0, ": the capacity of its 40 units."),
        (784, 0.0, "; more epochs at this learning rate hardly move it."),
        (784, 0.3, "; more epochs at this learning rate hardly move it."),
    ],
)
def test_a_front_that_stands_has_a_cause_only_where_units_explain_it(
    width: int, dead_share: float, why: str
) -> None:
    *_, stands = describe(stop_learning(4, 12), replace(SIGMOID, hidden_width=width), dead_share)
    assert stands.startswith("The front has been at component ")
    assert stands.endswith(f"since epoch 4{why}")


def test_jitter_is_told_from_an_output_that_misses_where_the_rate_tells() -> None:
    stays, goes = with_jitter([0.004] * 12), with_jitter([0.004] * 11 + [4e-5])
    cosine = Schedule.COSINE
    assert "jitter of steps at a constant learning rate, which" in describe(stays, LINEAR)[-1]
    assert "jitter of steps at a constant learning rate, or values" in describe(stays)[-1]
    assert "it was jitter of the steps" in describe(goes, replace(LINEAR, lr_schedule=cosine))[-1]
    assert "does not reach, not jitter" in describe(stays, replace(SIGMOID, lr_schedule=cosine))[-1]


@pytest.mark.parametrize(
    "config",
    [
        replace(LINEAR, weight_decay=0.1),
        replace(LINEAR, loss=Loss.L1),
        replace(LINEAR, lr_schedule=Schedule.COSINE),
        replace(SIGMOID, lr_schedule=Schedule.LINEAR_WARMUP),
    ],
)
def test_an_error_that_may_have_another_cause_is_given_none(config: TrialConfig) -> None:
    assert not any("jitter" in of for of in describe(with_jitter([0.004] * 12), config))


def test_without_a_spectrum_nothing_is_said() -> None:
    assert spectrum_sentences(None, asdict(SIGMOID)) == []


def test_the_error_by_pixel_value_adds_up_to_all() -> None:
    table = pixel_table(
        {"black_pixels": 0.5, "white_pixels": 0.01, "black_error": 0.06, "white_error": 0.03}
    )
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["exactly 0", "50.0 %", "6.0 %"],
        ["between", "49.0 %", "91.0 %"],
        ["exactly 1", "1.0 %", "3.0 %"],
    ]
    assert not pixel_table(None)
