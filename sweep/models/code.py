"""Python programs that load a trained network and need nothing of sweep."""

from collections.abc import Mapping
from typing import Any

from sweep.catalogue.choices import ACTIVATIONS
from sweep.catalogue.formats import count
from sweep.enums import Activation, Output
from sweep.messages import ImageShape

_PYTORCH = '''\
"""{about}

Needs torch and safetensors. Images are floats from 0 to 1, {shape}.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear({n_inputs}, {width})
        self.decoder = nn.Linear({width}, {n_inputs})

    def encode(self, images):  # codes, ({width},) an image
        z = self.encoder(images.flatten(start_dim=1))
        return {activation}

    def decode(self, codes):  # pixels, ({n_inputs},) an image
        z = self.decoder(codes)
        return {output}

    def forward(self, images):
        return self.decode(self.encode(images))


def load(file=Path(__file__).with_name("{file}")):
    model = Autoencoder()
    model.load_state_dict(load_file(file))
    return model.eval()
'''

_KERAS = '''\
"""{about}

Needs keras 3 and safetensors. Images are floats from 0 to 1, {n_inputs} pixels in a row each.
"""

from pathlib import Path

import keras
from safetensors.numpy import load_file


def load(file=Path(__file__).with_name("{file}")):
    images = keras.Input(({n_inputs},))
    encoder = keras.layers.Dense({width}, activation={activation}, name="encoder")
    decoder = keras.layers.Dense({n_inputs}, activation="{output}", name="decoder")
    model = keras.Model(images, decoder(encoder(images)))
    weights = load_file(file)
    # PyTorch keeps a layer's weights as (outputs, inputs), Keras as (inputs, outputs).
    encoder.set_weights([weights["encoder.weight"].T, weights["encoder.bias"]])
    decoder.set_weights([weights["decoder.weight"].T, weights["decoder.bias"]])
    return model  # codes: keras.Model(model.input, model.get_layer("encoder").output)
'''


def pytorch_code(metadata: Mapping[str, Any], *, whose: str, file: str) -> str:
    """Return a program with the network's class and a function that loads ``file`` beside it.

    ``metadata`` are those of the weights file; ``whose`` names the trial.
    """
    config = metadata["config"]
    is_sigmoid = config["output_activation"] == Output.SIGMOID
    return _PYTORCH.format(
        **_sizes(metadata),
        about=_about(metadata, whose),
        file=file,
        shape=f"(N, {', '.join(map(str, _shape(metadata).array_shape))})",
        activation=ACTIVATIONS[Activation(config["activation"])].pytorch,
        output="torch.sigmoid(z)" if is_sigmoid else "z",
    )


def keras_code(metadata: Mapping[str, Any], *, whose: str, file: str) -> str:
    """Return a program that builds the network in Keras and loads ``file`` beside it."""
    config = metadata["config"]
    return _KERAS.format(
        **_sizes(metadata),
        about=_about(metadata, whose),
        file=file,
        activation=ACTIVATIONS[Activation(config["activation"])].keras,
        output=config["output_activation"],
    )


def _sizes(metadata: Mapping[str, Any]) -> dict[str, int]:
    return {
        "n_inputs": _shape(metadata).n_inputs,
        "width": metadata["config"]["hidden_width"],
    }


def _shape(metadata: Mapping[str, Any]) -> ImageShape:
    return ImageShape(**metadata["shape"])


def _about(metadata: Mapping[str, Any], whose: str) -> str:
    config = metadata["config"]
    units = count(config["hidden_width"], f"{config['activation']} unit")
    return f"{whose}: {units}, {config['output_activation']} output, trained on {config['loss']}."
