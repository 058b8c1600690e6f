"""What codes tell of labels: planted classes are told, and both classifiers are what they claim."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sweep.datasets import Images
from sweep.messages import Probe
from sweep.trainer import DeviceData, load_model
from sweep.trainer.model import Autoencoder
from sweep.trainer.probe import NEIGHBOURS, PENALTIES, Features, Prober, _ridge_weights
from tests.support.factories import make_images, make_unlabelled
from tests.support.trainer_factories import CPU, SHORT, analysed, make_data, train

Array = NDArray[np.float64]


def of_classes(n_train: int = 240, n_test: int = 60) -> Images:
    """Grey images whose class shows: the brighter patch tells it, under noise."""
    images = make_images(n_train, n_test, n_classes=3)
    for pixels, labels in (
        (images.train_images, images.train_labels),
        (images.test_images, images.test_labels),
    ):
        for label in range(3):
            rows = np.ix_(labels == label, range(8 * label, 8 * label + 8))
            pixels[rows] = pixels[rows] // 2 + 120
    return images


def probed(data: DeviceData) -> Probe:
    found = analysed(train(SHORT, data).result().weights, data).probe
    assert found is not None
    return found


def test_classes_that_show_are_told_and_labels_at_random_are_not() -> None:
    images = of_classes()
    found = probed(make_data(images))
    assert min(found.pca.linear, found.pixels.linear, found.pixels.neighbours) > 0.9
    assert (found.n_pixels, found.n_train, found.n_test) == (36, 192, 60)
    labels = (np.random.default_rng(0).permutation(240) % 3).astype(np.uint8)
    assert probed(make_data(replace(images, train_labels=labels))).pixels.linear < 0.6


def features(data: DeviceData) -> Features:
    """Of eight pixels; the last of them never changes."""
    parts = [part[:, :8].float() / 255 for part in (data.train, data.validation, data.test)]
    for part in parts:
        part[:, 7] = 0.5
    return Features(*parts)


def test_the_linear_classifier_is_the_best_ridge_regression_on_the_validation_images() -> None:
    data = make_data(of_classes())
    x, validation, test = (part.double().numpy() for part in features(data))
    y = np.eye(3)[data.train_labels]
    shares = []
    for penalty in PENALTIES:
        centred = x - x.mean(axis=0)
        covariance = centred.T @ centred / len(x)
        ridge = penalty * np.trace(covariance) / 8 * np.eye(8)
        weights = np.linalg.solve(covariance + ridge, centred.T @ (y - y.mean(axis=0)) / len(x))
        told = [
            ((of - x.mean(axis=0)) @ weights + y.mean(axis=0)).argmax(1)
            for of in (validation, test)
        ]
        shares.append(
            ((told[0] == data.validation_labels).mean(), (told[1] == data.test_labels).mean())
        )
    expected = max(shares, key=lambda of: of[0])[1]
    assert Prober(data)._accuracies(features(data)).linear == pytest.approx(expected)


def test_the_nearest_images_vote() -> None:
    data = make_data(make_images(240, 60, n_classes=3))
    x, _, test = (part.double().numpy() for part in features(data))
    right = 0
    for image, label in zip(test, data.test_labels, strict=True):
        nearest = np.argsort(((x - image) ** 2).sum(axis=1))[:NEIGHBOURS]
        votes = np.bincount(data.train_labels[nearest], minlength=3)
        tied = [of for of in data.train_labels[nearest] if votes[of] == votes.max()]
        # Of two tied pairs the one with the nearer images: here, whose places add up to less.
        places = {of: np.flatnonzero(data.train_labels[nearest] == of).sum() for of in tied}
        right += min(places, key=lambda of: places[of]) == label
    assert Prober(data)._accuracies(features(data)).neighbours == pytest.approx(right / 60)


def test_all_principal_components_are_the_pixels() -> None:
    data = make_data(of_classes())
    prober = Prober(data)
    pixels = prober._pixels.features
    turned = Features(*(part @ prober._directions for part in pixels))
    assert prober._accuracies(turned) == prober._pca(36) == prober._of_pixels


def test_pca_is_probed_as_a_code_of_the_first_components_would_be() -> None:
    data = make_data(of_classes())
    prober = Prober(data)
    parts = (data.train, data.validation, data.test)
    for width in (1, 5, 20):
        axes = prober._directions[:, :width]
        code = Features(*(part.float() / 255 @ axes for part in parts))
        assert prober._pca(width) == prober._accuracies(code)


def test_a_code_that_never_changes_tells_the_commonest_class_at_best() -> None:
    data = make_data(of_classes())
    training = train(SHORT, data)
    content = training.result().weights
    assert content is not None
    weights = load_model(content).weights
    dead = weights._replace(encoder_bias=torch.full_like(weights.encoder_bias, -1e6))
    found = Prober(data).probe(Autoencoder(SHORT, dead.layers, CPU))
    assert found is not None and found.code.linear == pytest.approx(1 / 3)


def test_labels_of_one_class_are_not_probed() -> None:
    data = make_data(make_images(60, 20, n_classes=1))
    assert analysed(train(SHORT, data).result().weights, data).probe is None


def test_without_labels_there_is_a_decomposition_and_no_probe() -> None:
    data = make_data(make_unlabelled())
    found = analysed(train(SHORT, data).result().weights, data)
    assert found.probe is None and found.decomposition is not None


def test_a_code_that_overflows_is_not_probed() -> None:
    data = make_data()
    content = train(SHORT, data).result().weights
    assert content is not None
    weights = load_model(content).weights
    huge = weights._replace(encoder_weight=torch.full_like(weights.encoder_weight, 3e38))
    assert Prober(data).probe(Autoencoder(SHORT, huge.layers, CPU)) is None


def test_a_penalty_below_the_rounding_of_the_covariance_is_left_out() -> None:
    penalties = torch.tensor(PENALTIES, dtype=torch.float64)
    covariance = torch.diag(torch.tensor([1.0, 1.0, -2e-3], dtype=torch.float64))
    weights = _ridge_weights(covariance, torch.ones(3, 1, dtype=torch.float64))
    used = penalties[penalties * covariance.diagonal().mean() > 2e-3]
    assert len(weights) == len(used) == 3
    torch.testing.assert_close(weights[:, 0, 0], 1 / (1 + used * covariance.diagonal().mean()))
