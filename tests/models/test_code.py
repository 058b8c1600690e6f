"""Programs that load a trained network elsewhere give what the trainer's own network gives."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch.onnx._internal.exporter._registration import ONNXRegistry

from sweep.enums import Activation, Loss, Output
from sweep.models.code import keras_code, pytorch_code
from sweep.models.header import read_metadata
from sweep.trainer import trained_model
from sweep.trainer.onnx_export import onnx_model
from tests.support.trainer_factories import SHORT, train

#: Some units are below 0 for them and some above: activations differ.
IMAGES = torch.rand(5, 36, generator=torch.Generator().manual_seed(1))
WHOSE = "Trial 19 of study 'quickstart'"
FILE = "quickstart-19.safetensors"
OUTPUTS = pytest.mark.parametrize("output", Output)
#: Every activation in a network of two layers, and in a deep one.
DEPTHS = {Output.SIGMOID: 0, Output.LINEAR: 2}
ACTIVATIONS = pytest.mark.parametrize("activation", Activation)


@cache
def weights_of(activation: Activation, output: Output) -> bytes:
    shape = {"output_activation": output, "hidden_layers": DEPTHS[output]}
    config = replace(SHORT, activation=activation, loss=Loss.MSE, **shape)
    content = train(config).result().weights
    assert content is not None
    return content


def run_program(code: str, weights: bytes, folder: Path) -> SimpleNamespace:
    """Run a program beside its weights; return its names."""
    assert "import sweep" not in code and "from sweep" not in code
    (folder / FILE).write_bytes(weights)
    names = {"__file__": str(folder / "network.py"), "__name__": "network"}
    exec(compile(code, "network.py", "exec"), names)  # noqa: S102
    return SimpleNamespace(**names)


@OUTPUTS
@ACTIVATIONS
def test_the_pytorch_program_rebuilds_the_network(
    activation: Activation, output: Output, tmp_path: Path
) -> None:
    weights = weights_of(activation, output)
    code = pytorch_code(read_metadata(weights), whose=WHOSE, file=FILE)
    model, ours = run_program(code, weights, tmp_path).load(), trained_model(weights)
    with torch.no_grad():
        assert torch.equal(model.encode(IMAGES), ours.encode(IMAGES))
        assert torch.equal(model(IMAGES.reshape(5, 6, 6)), ours(IMAGES))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@OUTPUTS
@ACTIVATIONS
def test_the_keras_program_rebuilds_the_network(
    activation: Activation, output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "torch")
    import keras

    weights = weights_of(activation, output)
    code = keras_code(read_metadata(weights), whose=WHOSE, file=FILE)
    model, ours = run_program(code, weights, tmp_path).load(), trained_model(weights)
    name = "encoder_4" if DEPTHS[output] else "encoder"
    encoder = keras.Model(model.input, model.get_layer(name).output)
    with torch.no_grad():
        for theirs, expected in ((encoder, ours.encode(IMAGES)), (model, ours(IMAGES))):
            found = keras.ops.convert_to_numpy(theirs(IMAGES.numpy()))
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def _one_registry() -> Iterator[None]:
    """Make torch's registry of ONNX operators once: it takes most of the time of an export."""
    made_once = staticmethod(cache(ONNXRegistry.from_torchlib))
    with patch.object(ONNXRegistry, "from_torchlib", made_once):
        yield


@pytest.mark.usefixtures("_one_registry")
@ACTIVATIONS  # torch translates them
def test_the_onnx_file_gives_codes_and_pixels(activation: Activation) -> None:
    output = Output.LINEAR if activation is Activation.LINEAR else Output.SIGMOID
    weights = weights_of(activation, output)
    session = ReferenceEvaluator(onnx.load_from_string(onnx_model(weights)))
    codes, pixels = session.run(None, {"images": IMAGES.numpy()})
    with torch.no_grad():
        ours = trained_model(weights)
        np.testing.assert_allclose(codes, ours.encode(IMAGES).numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(pixels, ours(IMAGES).numpy(), rtol=1e-5, atol=1e-6)


def test_a_program_says_what_it_loads() -> None:
    metadata = read_metadata(weights_of(Activation.GELU, Output.SIGMOID))
    code = pytorch_code(metadata, whose=WHOSE, file=FILE)
    assert code.startswith(f'"""{WHOSE}: 8 gelu units, sigmoid output, trained on mse.\n')
    assert "(N, 6, 6)" in code and FILE in code


def test_a_program_says_how_deep_its_network_is_and_with_which_noise_it_was_trained() -> None:
    metadata = read_metadata(weights_of(Activation.GELU, Output.LINEAR))
    metadata["config"]["noise"] = "masking"
    for code in (of(metadata, whose=WHOSE, file=FILE) for of in (pytorch_code, keras_code)):
        assert f"{WHOSE}: 8 gelu units, 2 further layers on each side, linear output" in code
        assert "trained on mse with masking noise." in code
