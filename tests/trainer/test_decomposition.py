"""Effective ranks and singular values: known ones are found, and what they are of."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Output
from sweep.messages import Decomposition
from sweep.trainer.decomposition import decompose, effective_rank, end_to_end, singular_values
from sweep.trainer.initialisation import Weights
from sweep.trainer.model import Autoencoder
from tests.support.factories import make_unlabelled
from tests.support.trainer_factories import CPU, SHORT, analyse, make_data, train

LINEAR = replace(
    SHORT, activation=Activation.LINEAR, output_activation=Output.LINEAR, loss=Loss.MSE
)


def of_weights(encoder: Tensor, decoder: Tensor, images: Tensor) -> Decomposition | None:
    """A linear network of these weights and no biases."""
    hidden_width, n_inputs = encoder.shape
    weights = Weights(encoder, torch.zeros(hidden_width), decoder, torch.zeros(n_inputs))
    config = replace(LINEAR, hidden_width=hidden_width)
    return decompose(Autoencoder(config, weights.layers, CPU), images, config)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_equal_parts_count_one_each_and_none_count_nothing() -> None:
    assert effective_rank(torch.tensor([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert effective_rank(torch.tensor([1.0, 1e-9])) == pytest.approx(1, rel=1e-6)
    assert effective_rank(torch.zeros(4)) == 0


@pytest.mark.parametrize("shape", [(5, 12), (12, 5)])
def test_singular_values_are_those_of_the_svd(shape: tuple[int, int]) -> None:
    matrix = noise(*shape).double()
    expected = torch.linalg.svdvals(matrix).flip(0)
    torch.testing.assert_close(singular_values(matrix), expected)


@pytest.mark.parametrize("hidden_width", [3, 12])
def test_end_to_end_is_the_product_of_the_layers(hidden_width: int) -> None:
    encoder, decoder = noise(hidden_width, 7).double(), noise(7, hidden_width).double()
    found = end_to_end(encoder, decoder)
    expected = torch.linalg.svdvals(decoder @ encoder)
    torch.testing.assert_close(found, expected[: len(found)])


def test_units_that_say_the_same_are_one_in_the_code() -> None:
    images = torch.arange(40, dtype=torch.uint8).reshape(10, 4)
    images[::2, 0] = 200
    found = of_weights(torch.tensor([[1.0, 0, 0, 0]] * 3), noise(4, 3), images)
    assert found is not None
    assert found.code_rank == pytest.approx(1, abs=1e-3)
    assert found.encoder_rank == pytest.approx(1, abs=1e-3)
    assert found.decoder_rank > 2


def test_a_code_that_never_changes_has_rank_0_and_one_that_overflows_none() -> None:
    images = torch.full((10, 4), 9, dtype=torch.uint8)
    same = of_weights(noise(3, 4), noise(4, 3), images)
    assert same is not None and same.code_rank == 0
    assert of_weights(torch.full((3, 4), 3e38), noise(4, 3), images + 200) is None


@pytest.mark.parametrize(
    ("config", "n_values"),
    [(LINEAR, 8), (replace(LINEAR, hidden_width=50), 36), (SHORT, None)],
)
def test_only_a_linear_network_has_singular_values(
    config: TrialConfig, n_values: int | None
) -> None:
    data = make_data(make_unlabelled())  # which nothing is probed on
    found = analyse(train(config, data).result().weights, data).decomposition
    assert found is not None
    assert (None if found.end_to_end is None else len(found.end_to_end)) == n_values
