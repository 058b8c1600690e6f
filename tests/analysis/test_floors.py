"""The floors against an independent computation, and against training."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from sweep.analysis import floors as floors_module
from sweep.analysis.floors import (
    Floors,
    clipped_pca_errors,
    compute_floors,
    pca_equivalent,
    pca_errors,
    pixel_entropy,
    principal_directions,
)
from sweep.datasets.images import data_key
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule
from sweep.errors import DataError
from tests.support.factories import make_images
from tests.support.trainer_factories import SHORT, make_data, train

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


def test_directions_of_few_images_are_those_of_the_covariance() -> None:
    """Fewer images than numbers: by the Gram matrix, in chunks, beside the direct method."""
    pixels = make_images(n_train=30, height=8, width=7, channels=3).train_images
    mean, directions = principal_directions(pixels)
    assert directions.shape == (168, 30)
    values, vectors = np.linalg.eigh(np.cov(pixels.T.astype(float), bias=True))
    assert np.abs(np.sum(directions[:, :29] * vectors[:, ::-1][:, :29], axis=0)) == pytest.approx(
        np.ones(29), abs=1e-6
    )
    assert not directions[:, 29].any(), "the mean takes one direction away"
    errors = pca_errors(pixels, mean, directions)
    direct = [values[: 168 - width].sum() / 168 / 255**2 for width in range(30)]
    assert errors[:30] == pytest.approx(direct, abs=1e-12)
    assert len(errors) == 169 and errors[-1] == 0.0


def test_what_no_training_image_knows_of_is_lost_at_every_width_but_the_last() -> None:
    images = make_images(n_train=30, height=8, width=7, channels=3)
    curve = compute_floors(images, 0.2, 0).test_pca_mse
    assert 0 < curve[167] == pytest.approx(curve[24]) and curve[168] == 0.0
    clipped = compute_floors(images, 0.2, 0, clipped_widths=[20, 100, 168]).clipped.test_mse
    assert 0 < clipped[1] <= curve[100] and clipped[2] == 0.0


def test_chunks_of_any_size_give_the_same_floors(
    floors: Floors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floors_module, "_CHUNK_NUMBERS", 500)
    monkeypatch.setattr(floors_module, "_COPIED_NUMBERS", 100)
    again = compute_floors(IMAGES, 0.2, 0)
    assert again.test_pca_mse == pytest.approx(floors.test_pca_mse)
    assert again.clipped.val_mse == pytest.approx(floors.clipped.val_mse)
    few = make_images(n_train=30, height=8, width=7)
    in_chunks = compute_floors(few, 0.2, 0).test_pca_mse
    monkeypatch.undo()
    assert in_chunks == pytest.approx(compute_floors(few, 0.2, 0).test_pca_mse)


def test_no_matrix_of_floats_as_large_as_the_images_is_held() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300_000, 64), np.uint8)
    tracemalloc.start()
    mean, directions = principal_directions(pixels)
    pca_errors(pixels, mean, directions)
    clipped_pca_errors(pixels, mean, directions, [8])
    pixel_entropy(pixels)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A chunk, its square and its scores; all of the images as float64 are 154 MB.
    assert most < 3.5 * 8 * floors_module._CHUNK_NUMBERS


def test_images_too_many_and_too_large_are_refused() -> None:
    pixels = np.broadcast_to(np.zeros(1, np.uint8), (20_000, 40_000))
    with pytest.raises(DataError, match="takes too much memory: 19 GB"):
        principal_directions(pixels)


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
