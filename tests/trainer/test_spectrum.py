"""The error spectrum, against what it is by definition."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sweep.analysis.spectrum import Spectrum, front_law
from sweep.config import TrialConfig
from sweep.datasets import Images
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, Trainer
from sweep.errors import DataError
from sweep.messages import N_BANDS, ImageShape, pack_spectrum, unpack_spectrum
from sweep.store.records import SpectrumPoint
from sweep.trainer.data import as_floats
from sweep.trainer.initialisation import LayerWeights
from sweep.trainer.model import Autoencoder
from sweep.trainer.spectrum import (
    FEWEST_IMAGES,
    LARGEST,
    SMALL,
    SpectrumBasis,
    n_images,
    with_spectrum,
)
from tests.support.trainer_factories import CPU, SHORT, make_data, start

LINEAR = TrialConfig(
    hidden_width=36,
    activation=Activation.LINEAR,
    output_activation=Output.LINEAR,
    loss=Loss.MSE,
)


def basis_of_all() -> SpectrumBasis:
    """Measures all of the validation images."""
    data = make_data()
    assert data.spectrum is not None
    assert len(data.spectrum.images) == len(data.validation)
    return data.spectrum


def linear(matrix: Tensor, bias: Tensor) -> Autoencoder:
    """A network that gives back ``matrix x + bias``."""
    n = len(bias)
    layers = LayerWeights(torch.eye(n), torch.zeros(n)), LayerWeights(matrix, bias)
    return Autoencoder(LINEAR, layers, CPU)


def shares(basis: SpectrumBasis, model: Autoencoder) -> list[float]:
    packed = basis.measure(model)
    assert packed is not None
    whole = basis.bands.mean_image_errors
    return [e / of for e, of in zip(unpack_spectrum(packed), whole, strict=True) if of]


@pytest.mark.parametrize("trainer", [Trainer.CPU, Trainer.REFERENCE])
def test_the_bands_add_up_to_the_validation_error(trainer: Trainer) -> None:
    (metrics,) = start(SHORT, make_data(), trainer).train_epoch()
    assert metrics.spectrum is not None
    assert sum(unpack_spectrum(metrics.spectrum)) == pytest.approx(metrics.val_mse, rel=1e-5)


def test_all_is_missing_from_the_mean_image_and_nothing_from_a_copy() -> None:
    basis, data = basis_of_all(), make_data()
    mean = as_floats(data.train).mean(dim=0)
    nothing, everything = torch.zeros(36, 36), torch.eye(36)
    missing = shares(basis, linear(nothing, mean))
    assert len(missing) == sum(n > 0 for n in basis.bands.n_directions)
    assert missing == pytest.approx([1.0] * len(missing), rel=1e-4)
    assert shares(basis, linear(everything, torch.zeros(36))) == [0.0] * len(missing)


def test_a_copy_of_the_widest_directions_misses_the_other_bands() -> None:
    basis, data = basis_of_all(), make_data()
    widest = basis.directions[:, : basis.bands.n_directions[0]]
    project = widest @ widest.T
    mean = as_floats(data.train).mean(dim=0)
    first, *others = shares(basis, linear(project, mean - project @ mean))
    assert first == pytest.approx(0.0, abs=1e-6)
    assert others == pytest.approx([1.0] * len(others), rel=1e-4)


def test_bands_are_equally_wide_in_the_logarithm_of_the_variance() -> None:
    basis, data = basis_of_all(), make_data()
    pixels = as_floats(data.train).double()
    variances = torch.linalg.eigvalsh(torch.cov(pixels.T, correction=0)).flip(0)
    depth = torch.log(variances / variances[0]) / math.log(1e-5) * N_BANDS
    band_of = depth.long().clamp(max=N_BANDS - 1)
    expected = torch.bincount(band_of, minlength=N_BANDS).tolist()
    assert list(basis.bands.n_directions) == expected
    first = variances[: expected[0]].log().mean().exp()
    assert basis.bands.variances[0] == pytest.approx(float(first), rel=1e-4)


def test_directions_without_variance_are_in_the_last_band() -> None:
    data = make_data(train_limit=10)  # of 10 images, 9 directions have any
    assert data.spectrum is not None
    assert data.spectrum.bands.n_directions[-1] >= 36 - 9
    assert sum(data.spectrum.bands.n_directions) == 36
    (metrics,) = start(SHORT, data).train_epoch()
    assert metrics.spectrum is not None
    assert sum(unpack_spectrum(metrics.spectrum)) == pytest.approx(metrics.val_mse, rel=1e-5)


def test_images_that_are_all_the_same_have_a_spectrum_too() -> None:
    same = torch.full((20, 9), 77, dtype=torch.uint8)
    basis = SpectrumBasis.of(same, same[:4])
    assert basis.bands.n_directions[-1] == 9
    assert sum(basis.bands.mean_image_errors) == pytest.approx(0.0, abs=1e-9)


def test_few_images_of_large_ones_are_measured_from_all_over() -> None:
    assert n_images(54_000, 6_000, 784) == 826
    assert n_images(5_400, 600, 784) == 82
    assert n_images(500, 60, 784) == FEWEST_IMAGES
    assert n_images(500, 20, 784) == 20
    validation = torch.arange(200, dtype=torch.uint8)[:, None].expand(200, 100)
    basis = SpectrumBasis.of(torch.randint(0, 256, (300, 100), dtype=torch.uint8), validation)
    assert len(basis.images) == 36
    assert basis.images[[0, -1], 0].tolist() == [0, 194]


def test_a_spectrum_is_measured_of_small_images_unless_the_study_says() -> None:
    small, large = make_data(), replace(make_data(), shape=ImageShape(height=1, width=SMALL + 1))
    bare = replace(small, spectrum=None)
    assert with_spectrum(bare).spectrum is not None
    assert with_spectrum(bare, wanted=False).spectrum is None
    assert with_spectrum(replace(large, spectrum=None)).spectrum is None
    too_large = torch.zeros(2, LARGEST + 1, dtype=torch.uint8)
    with pytest.raises(DataError, match=r"the limit is 4,096: set `study\.spectrum = false`"):
        with_spectrum(replace(bare, train=too_large, validation=too_large), wanted=True)


def test_without_a_basis_nothing_is_measured() -> None:
    (metrics,) = start(SHORT, replace(make_data(), spectrum=None)).train_epoch()
    assert metrics.spectrum is None


def test_an_error_that_is_not_finite_has_no_spectrum() -> None:
    assert pack_spectrum([math.inf] + [0.0] * (N_BANDS - 1)) is None
    assert pack_spectrum([1e300] + [0.0] * (N_BANDS - 1)) is None
    for wrong in (b"", bytes(63), np.full(N_BANDS, np.nan, "<f4").tobytes()):
        with pytest.raises(ValueError, match="spectrum|negative or not finite"):
            unpack_spectrum(wrong)


def planted_images(variances: np.ndarray, n: int) -> Images:
    """Images whose principal directions have these variances, about grey."""
    rng, d = np.random.default_rng(0), len(variances)
    directions, _ = np.linalg.qr(rng.normal(size=(d, d)))
    scores = rng.uniform(-math.sqrt(3), math.sqrt(3), (2 * n, d)) * np.sqrt(variances)
    pixels = np.clip(np.round(255 * (0.5 + scores @ directions.T)), 0, 255).astype(np.uint8)
    return Images(
        name="planted",
        train_images=pixels[:n],
        train_labels=None,
        test_images=pixels[n:],
        test_labels=None,
        shape=ImageShape(height=8, width=d // 8),
    )


def test_a_linear_network_learns_a_direction_in_a_time_that_goes_with_one_over_its_variance() -> (
    None
):
    # Along u_k the part that is missing falls as exp(-4 g lambda_k lr n / D) after n steps, where
    # W'W is about g in both layers: 2 H / (H + D) for many units of Glorot's weights.
    d, h, rate, n_steps = 64, 512, 0.4, 16
    data = make_data(planted_images(0.2 * 0.8 ** np.arange(d), 400))
    config = replace(
        LINEAR,
        hidden_width=h,
        epochs=30,
        batch_size=len(data.train) // n_steps,
        optimizer=Optimizer.SGD,
        learning_rate=rate,
    )
    training = start(config, data, Trainer.CPU)
    points = []
    for epoch in range(1, config.epochs + 1):
        (metrics,) = training.train_epoch()
        assert metrics.spectrum is not None
        points.append(SpectrumPoint(epoch, unpack_spectrum(metrics.spectrum)))
    assert data.spectrum is not None
    spectrum = Spectrum.of(data.spectrum.bands, points)
    assert spectrum is not None
    law = front_law(spectrum, Schedule.CONSTANT)
    assert law is not None
    expected = math.log(2) * d / (8 * (2 * h / (h + d)) * rate * n_steps)
    assert law.constant == pytest.approx(expected, rel=0.25)
    assert spectrum.fronts[law.first].variance > 3 * spectrum.fronts[law.last].variance
