"""The floors against an independent computation, and against training."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sweep.analysis.floors import (
    Floors,
    compute_floors,
    data_key,
    pca_equivalent,
    pixel_entropy,
)
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule
from tests.factories import make_images
from tests.trainer_factories import SHORT, make_data, train

IMAGES = make_images()
#: Nearly black and white, so that PCA's copies leave [0, 1].
STARK = replace(
    IMAGES,
    train_images=np.where(IMAGES.train_images > 120, np.uint8(250), np.uint8(3)),
    test_images=np.where(IMAGES.test_images > 120, np.uint8(250), np.uint8(3)),
)


@pytest.fixture(scope="module")
def floors() -> Floors:
    return compute_floors(IMAGES, 0.2, 0)


def test_pca_errors_agree_with_a_singular_value_decomposition(floors: Floors) -> None:
    train_rows, validation_rows = IMAGES.split(0.2, 0)
    pixels = IMAGES.train_images / 255.0
    mean = pixels[train_rows].mean(axis=0)
    directions = np.linalg.svd(pixels[train_rows] - mean)[2]
    for images, curve in (
        (pixels[train_rows], floors.train_pca_mse),
        (pixels[validation_rows], floors.val_pca_mse),
        (IMAGES.test_images / 255.0, floors.test_pca_mse),
    ):
        for width in range(37):
            kept = directions[:width]
            copies = mean + (images - mean) @ kept.T @ kept
            assert curve[width] == pytest.approx(((copies - images) ** 2).mean(), abs=1e-6)


def test_clipped_errors_agree_with_copies_by_a_singular_value_decomposition() -> None:
    floors = compute_floors(STARK, 0.2, 0)
    train_rows, validation_rows = STARK.split(0.2, 0)
    pixels = STARK.train_images / 255.0
    mean = pixels[train_rows].mean(axis=0)
    directions = np.linalg.svd(pixels[train_rows] - mean)[2]
    clipped = floors.clipped
    assert clipped.widths == (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 36)
    for images, curve in (
        (pixels[train_rows], clipped.train_mse),
        (pixels[validation_rows], clipped.val_mse),
        (STARK.test_images / 255.0, clipped.test_mse),
    ):
        for width, error in zip(clipped.widths, curve, strict=True):
            kept = directions[:width]
            copies = np.clip(mean + (images - mean) @ kept.T @ kept, 0.0, 1.0)
            assert error == pytest.approx(((copies - images) ** 2).mean(), abs=1e-6)
    assert clipped.test_mse[3] < 0.99 * floors.test_pca_mse[4]  # otherwise nothing was cut


def test_the_error_falls_with_the_width_from_the_mean_image_to_nothing(floors: Floors) -> None:
    assert len(floors.test_pca_mse) == floors.n_inputs + 1 == 37
    assert np.all(np.diff(floors.test_pca_mse) <= 0)
    assert floors.test_pca_mse[-1] == 0.0
    mean = IMAGES.train_images[IMAGES.split(0.2, 0)[0]].mean(axis=0)
    expected = (((IMAGES.test_images - mean) / 255.0) ** 2).mean()
    assert floors.test_mean_mse == pytest.approx(expected)


def test_fewer_training_images_than_pixels_are_enough() -> None:
    few = compute_floors(IMAGES, 0.2, 0, train_limit=5)
    assert few.test_pca_mse[0] > few.test_pca_mse[4] > 0
    assert few.test_pca_mse[-1] == 0.0


def test_entropy_is_nothing_for_black_and_white_and_most_for_grey() -> None:
    assert pixel_entropy(np.array([[0, 255]], np.uint8)) == 0.0
    assert pixel_entropy(np.array([[127, 128]], np.uint8)) == pytest.approx(np.log(2), rel=1e-4)


def test_no_binary_cross_entropy_is_below_the_pixels_entropy(floors: Floors) -> None:
    pixels = np.clip(IMAGES.test_images / 255.0, 1e-12, 1 - 1e-12)
    own = -(pixels * np.log(pixels) + (1 - pixels) * np.log(1 - pixels)).mean()
    assert floors.test_entropy == pytest.approx(own)
    test_bce = train(replace(SHORT, epochs=30)).result().results[0].test_bce
    assert test_bce is not None
    assert test_bce > floors.test_entropy


def test_an_error_is_as_good_as_the_pca_that_first_reaches_it(floors: Floors) -> None:
    curve = floors.test_pca_mse
    assert pca_equivalent(floors, curve[4]) == 4
    assert pca_equivalent(floors, (curve[4] + curve[5]) / 2) == 5
    assert pca_equivalent(floors, 1.0) == 0
    assert pca_equivalent(floors, 0.0) == floors.n_inputs
    assert pca_equivalent(floors, floors.val_pca_mse[3], on="val") == 3


def test_floors_survive_json(floors: Floors) -> None:
    assert Floors.from_json(json.loads(json.dumps(floors.to_json()))) == floors


def test_the_key_names_data_and_split(floors: Floors) -> None:
    assert floors.data_key == data_key(IMAGES.sha256, 0.2, 0)
    keys = {
        data_key(sha, fraction, seed, limit)
        for sha in ("a" * 64, "b" * 64)
        for fraction in (0.1, 0.2)
        for seed in (0, 1)
        for limit in (None, 100)
    }
    assert len(keys) == 16
    assert max(map(len, keys)) <= 160


def test_a_linear_autoencoder_approaches_the_pca_line() -> None:
    images = make_images(n_train=400, n_test=200)
    floors = compute_floors(images, 0.2, 0)
    config = replace(
        SHORT,
        hidden_width=3,
        activation=Activation.LINEAR,
        output_activation=Output.LINEAR,
        loss=Loss.MSE,
        optimizer=Optimizer.ADAM,
        learning_rate=0.05,
        batch_size=16,
        lr_schedule=Schedule.COSINE,
        epochs=60,
    )
    test_mse = train(config, make_data(images)).result().results[0].test_mse
    assert floors.test_pca_mse[2] > test_mse
    assert test_mse == pytest.approx(floors.test_pca_mse[3], rel=0.05)
