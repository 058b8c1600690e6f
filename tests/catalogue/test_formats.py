import math

import pytest

from sweep.catalogue.formats import cell, change, duration, number, percent, quantity, value
from sweep.catalogue.metrics import MEASURED, METRICS


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0, 1, "0.0 %"),
        (0.0002, 1, "< 0.1 %"),
        (1 / 200, 0, "< 1 %"),
        (199 / 200, 0, "> 99 %"),
        (0.421, 1, "42.1 %"),
        (0.9996, 1, "> 99.9 %"),
        (1.0, 1, "100.0 %"),
        (-0.2, 0, "-20 %"),
    ],
)
def test_a_share_is_in_percent(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1e-12, "0 %"),
        (0.0034, "0.34 %"),
        (0.034, "3.4 %"),
        (0.0996, "10 %"),
        (0.34, "34 %"),
        (1.5, "150 %"),  # two digits of it would be 1.5e+02
    ],
)
def test_a_change_has_two_significant_digits(share: float, text: str) -> None:
    assert change(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0234, "0.02 s"), (9.94, "9.9 s"), (60, "1 min 00 s"), (3605, "1 h 0 min")],
)
def test_a_duration_is_in_the_units_of_its_size(seconds: float, text: str) -> None:
    assert duration(seconds) == text


VALUES = {
    "val_mse": (0.01234567, "0.01235", "0.01235"),
    "test_mse": (0.01234567, "0.01235", "0.01235"),
    "test_bce": (0.2854321, "0.2854", "0.2854"),
    "psnr": (25.614, "25.61", "25.61 dB"),
    "exact_pixel_share": (0.4213, "42.1 %", "42.1 %"),
    "n_parameters": (1234567, "1,234,567", "1,234,567"),
    "train_seconds": (75.4, "75.4", "1 min 15 s"),
}


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: metric.name)
def test_a_metric_is_written_below_its_heading_and_with_its_unit(metric) -> None:  # type: ignore[no-untyped-def]
    value, in_a_column, alone = VALUES[metric.name]
    assert cell(metric, value) == in_a_column
    assert quantity(metric, value) == alone


def test_a_mean_over_seeds_has_its_spread_beside_it() -> None:
    assert quantity(METRICS["val_mse"], 0.01, 0.0012) == "0.01000 ± 0.0012"


def test_a_perfect_copy_has_an_infinite_signal_to_noise_ratio() -> None:
    assert cell(METRICS["psnr"], math.inf) == "∞"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.0031234, "0.00312"),
        (0.5, "0.500"),
        (25.61, "25.6"),
        (784, "784"),
        (12345.6, "12,346"),
        (0.00001, "1.00·10⁻⁵"),
        (-0.25, "-0.250"),
        (2.5e9, "2.50·10⁹"),
        (float("inf"), "∞"),
        (float("nan"), "not a number"),
    ],
)
def test_a_number_is_written_the_way_people_write_it(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.84, "0.8 s"), (12.2, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_a_span_of_time_is_in_the_units_of_its_size(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.004, "< 1 %"), (0.42, "42 %"), (0.996, "> 99 %"), (1.0, "100 %")],
)
def test_a_small_share_is_not_called_nothing_nor_nearly_all_of_it_all(
    share: float, text: str
) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("column_value", "text"),
    [(784.0, "784"), (0.00123456, "0.001235"), (1e9, "1e+09"), (True, "yes")],
)
def test_a_value_from_a_column_reads_as_it_was_written(column_value: float, text: str) -> None:
    assert value(column_value) == text
