"""Generate Python programs that load a trained network without sweep."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sweep.catalogue.choices import ACTIVATIONS
from sweep.catalogue.formats import count
from sweep.config import TrialConfig, layer_widths, typed_config
from sweep.enums import Noise, Output
from sweep.messages import ImageShape
from sweep.models.header import layer_names

_PYTORCH = '''\
"""{about}

Needs torch and safetensors. Images are floats from 0 to 1, {shape}.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


{activation_class}class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = {encoder}
        self.decoder = {decoder}

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

_ACTIVATION_CLASS = """\
class Activation(nn.Module):
    def forward(self, z):
        return {activation}


"""

_KERAS = '''\
"""{about}

Needs keras 3 and safetensors. Images are floats from 0 to 1, {n_inputs} pixels in a row each.
"""

from pathlib import Path

import keras
from safetensors.numpy import load_file


def load(file=Path(__file__).with_name("{file}")):
    x = images = keras.Input(({n_inputs},))
{layers}
    model = keras.Model(images, x)
    weights = load_file(file)
    for layer in model.layers[1:]:
        name = layer.name.replace("_", ".")
        # PyTorch keeps a layer's weights as (outputs, inputs), Keras as (inputs, outputs).
        layer.set_weights([weights[name + ".weight"].T, weights[name + ".bias"]])
    return model  # codes: keras.Model(model.input, model.get_layer("{code}").output)
'''


def pytorch_code(metadata: Mapping[str, Any], *, whose: str, file: str) -> str:
    """Return a program with the network's class and a function that loads ``file`` from its folder.

    ``metadata`` are those of the weights file; ``whose`` names the trial.
    """
    config, n_inputs = typed_config(metadata["config"]), _shape(metadata).n_inputs
    activation = ACTIVATIONS[config.activation].pytorch
    widths = layer_widths(config, n_inputs)
    half = len(widths) // 2 + 1
    return _PYTORCH.format(
        about=_about(config, whose),
        file=file,
        shape=f"(N, {', '.join(map(str, _shape(metadata).array_shape))})",
        n_inputs=n_inputs,
        width=config.hidden_width,
        activation_class=_ACTIVATION_CLASS.format(activation=activation) if half > 2 else "",
        encoder=_stack(widths[:half]),
        decoder=_stack(widths[half - 1 :]),
        activation=activation,
        output="torch.sigmoid(z)" if config.output_activation is Output.SIGMOID else "z",
    )


def keras_code(metadata: Mapping[str, Any], *, whose: str, file: str) -> str:
    """Return a program that builds the network in Keras and loads ``file`` from its folder."""
    config, n_inputs = typed_config(metadata["config"]), _shape(metadata).n_inputs
    # Keras's torch backend accepts no dots.
    names = [name.replace(".", "_") for name in layer_names(config.hidden_layers)]
    activations = [ACTIVATIONS[config.activation].keras] * (len(names) - 1)
    parts = zip(
        layer_widths(config, n_inputs)[1:],
        [*activations, f'"{config.output_activation}"'],
        names,
        strict=True,
    )
    return _KERAS.format(
        about=_about(config, whose),
        file=file,
        n_inputs=n_inputs,
        layers="\n".join(
            f'    x = keras.layers.Dense({width}, activation={activation}, name="{name}")(x)'
            for width, activation, name in parts
        ),
        code=names[len(names) // 2 - 1],
    )


def _stack(widths: Sequence[int]) -> str:
    """Write layers with an activation in between, as the weights file names them."""
    layers = [f"nn.Linear({fan_in}, {fan_out})" for fan_in, fan_out in pairwise(widths)]
    if len(layers) == 1:
        return layers[0]
    indent = 12 * " "
    between = f",\n{indent}Activation(),\n{indent}"
    return f"nn.Sequential(\n{indent}{between.join(layers)},\n        )"


def _shape(metadata: Mapping[str, Any]) -> ImageShape:
    return ImageShape(**metadata["shape"])


def _about(config: TrialConfig, whose: str) -> str:
    parts = [count(config.hidden_width, f"{config.activation} unit")]
    if config.hidden_layers:
        parts.append(f"{count(config.hidden_layers, 'further layer')} on each side")
    parts.append(f"{config.output_activation} output")
    noise = "" if config.noise is Noise.NONE else f" with {config.noise} noise"
    return f"{whose}: {', '.join(parts)}, trained on {config.loss}{noise}."
