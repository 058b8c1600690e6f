"""Models as bytes and back."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from safetensors.torch import save
from torch import zeros

from sweep.config import TrialConfig, typed_config
from sweep.enums import Activation, Loss, Optimizer, Output
from sweep.errors import DataError
from sweep.messages import ImageShape
from sweep.trainer import load_model, reconstruct
from tests.support.factories import make_images
from tests.support.trainer_factories import SHORT, make_data, train


def trained_bytes(config: TrialConfig = SHORT) -> bytes:
    content = train(config).result().weights
    assert content is not None
    return content


def test_a_weights_file_tells_how_it_was_trained() -> None:
    saved = load_model(trained_bytes())
    assert saved.config == SHORT
    assert saved.seed == 7
    assert saved.shape == ImageShape(height=6, width=6)
    assert saved.data_sha256 == make_images().sha256


@pytest.mark.parametrize("output", Output)
def test_reconstructing_the_test_set_gives_the_test_error(output: Output) -> None:
    config = replace(SHORT, loss=Loss.L1, output_activation=output, activation=Activation.TANH)
    data = make_data()
    result = train(config, data).result()
    assert result.weights is not None
    again = reconstruct(result.weights, make_images().test_images)
    assert again.image_mse.mean() == pytest.approx(result.results[0].test_mse)
    exact = (again.pixels == make_images().test_images).mean()
    assert exact == pytest.approx(result.results[0].exact_pixel_share)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match="takes images of 6 x 6 = 36 numbers, given 784"):
        reconstruct(trained_bytes(), np.zeros((2, 784), np.uint8))


@pytest.mark.parametrize("content", [b"", b"not weights at all", save({"a": zeros(2)})])
def test_bytes_that_are_no_trials_weights_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="not the weights of a trial"):
        load_model(content)


def test_a_truncated_weights_file_is_refused() -> None:
    with pytest.raises(DataError):
        load_model(trained_bytes()[:-10])


def test_a_configuration_survives_plain_values() -> None:
    config = TrialConfig(optimizer=Optimizer.SGD, momentum=0.9, nesterov=True, huber_delta=0.5)
    again = typed_config({key: _plain(value) for key, value in asdict(config).items()})
    assert again == config
    assert isinstance(again.optimizer, Optimizer)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, str) else value
