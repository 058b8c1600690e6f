"""The atlas: errors from pictures, saturated pixels apart, widths beyond which nothing falls."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.analysis.atlas import RESOLUTION, AtlasTrial, atlas_trial, image_stops, stops
from sweep.analysis.strips import images_of
from sweep.config import TrialConfig
from tests.support.store_factories import strip_png, trial_row

#: Two images of 1 x 4 pixels: black, grey, grey, white.
ORIGINALS = np.array([[[0, 100, 100, 255]], [[0, 100, 100, 255]]], dtype=np.uint8)


def images(*pixels: list[int]) -> NDArray[np.uint8]:
    return np.array([[row] for row in pixels], dtype=np.uint8)


def make_trial(copies: NDArray, error_map: NDArray, number: int = 0, width: int = 8) -> AtlasTrial:
    config = TrialConfig(hidden_width=width)
    row = trial_row(number=number, values=(0.1,), config=config)
    return atlas_trial(row, ORIGINALS, copies, error_map)


def plant_errors() -> AtlasTrial:
    """The first image is off by the whole scale at its white pixel, the second by 0.1 at a grey."""
    copies = images([0, 100, 100, 0], [0, 100, 126, 255])
    return make_trial(copies, images([0, 0, 0, 255], [0, 0, 51, 0]))


def test_errors_come_from_the_maps_and_where_they_are_white_from_the_copies() -> None:
    found = plant_errors()
    assert found.image_mse.tolist() == pytest.approx([1 / 4, 0.1**2 / 4])
    assert found.image_exact.tolist() == [0.75, 0.75]


def test_pixels_that_are_exactly_0_or_1_are_counted_apart() -> None:
    kinds = {of.kind.value: of for of in plant_errors().kinds}
    assert [(name, of.share, of.exact) for name, of in kinds.items()] == [
        ("black", 0.25, 1.0),
        ("in between", 0.5, 0.75),
        ("white", 0.25, 0.5),
    ]
    assert [of.mse for of in kinds.values()] == pytest.approx([0, 0.01 / 4, 0.5])
    shares = sum(of.share * of.mse for of in kinds.values())
    assert shares == pytest.approx(plant_errors().image_mse.mean())


def test_a_kind_of_pixel_that_does_not_occur_is_not_told() -> None:
    grey = np.full((2, 1, 4), 7, dtype=np.uint8)
    row = trial_row(number=0, values=(0.1,))
    assert [of.kind for of in atlas_trial(row, grey, grey, grey).kinds] == ["in between"]


def test_an_error_stops_where_no_wider_layer_lowers_it_by_a_tenth() -> None:
    widths = [
        trial_row(number=n, values=(0.1,), config=TrialConfig(hidden_width=2**n)) for n in range(4)
    ]
    errors = np.array([[0.4, 0.4], [0.2, 0.2], [0.3, 0.1], [0.19, 0.05]])
    found = stops(widths, errors, ["early", "never"])
    assert [(of.name, of.width, of.error, of.n_wider) for of in found] == [
        ("early", 2, 0.2, 2),
        ("never", 8, 0.05, 0),
    ]
    assert stops(widths[:1], errors[:1], ["early", "never"]) == []


def test_errors_below_the_pictures_steps_are_not_told_apart() -> None:
    exact = images([0, 100, 100, 255], [0, 100, 100, 255])
    none, least = images([0] * 4, [0] * 4), images([0, 1, 0, 0], [0] * 4)
    trials = [make_trial(exact, of, width=width) for of, width in ((none, 8), (least, 16))]
    assert trials[0].image_mse[0] < RESOLUTION < trials[1].image_mse[0]
    assert [of.width for of in image_stops(trials, ["a", "b"])] == [8, 8]


def test_images_come_back_out_of_a_strip() -> None:
    found = images_of(strip_png(height=6, width=9))
    assert found is not None and found.shape == (10, 6, 9)
    assert [image.min() for image in found] == [image.max() for image in found]
    assert found[:, 0, 0].tolist() == [20 * n for n in range(10)]
    assert images_of(strip_png(n=3)) is None
