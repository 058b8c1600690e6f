"""Draw initial weights.

Notation: D inputs, H hidden units; fan_in and fan_out of a layer are its inputs and outputs.
Sources: Glorot and Bengio 2010 (bound sqrt(6 / (fan_in + fan_out)), deviation sqrt(2 / (fan_in +
fan_out))); He et al. 2015 (bound sqrt(6 / fan_in), deviation sqrt(2 / fan_in)); torch.nn.Linear
(bound 1 / sqrt(fan_in), biases too). Normal draws are not truncated.

A network's layers are drawn one after another, from pixels to pixels; each weight before its bias.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import torch
from torch import Generator, Tensor

from sweep.enums import WeightInit


class LayerWeights(NamedTuple):
    """The parameters of a fully connected layer, in the layout of torch.nn.Linear."""

    weight: Tensor  # (fan_out, fan_in)
    bias: Tensor  # (fan_out,)


#: A network's layers from pixels to pixels; the first half of them encodes.
Layers = Sequence[LayerWeights]


class Weights(NamedTuple):
    """The parameters of a two-layer autoencoder, in the layout of torch.nn.Linear."""

    encoder_weight: Tensor  # (H, D)
    encoder_bias: Tensor  # (H,)
    decoder_weight: Tensor  # (D, H)
    decoder_bias: Tensor  # (D,)

    @classmethod
    def of(cls, layers: Layers) -> Self:
        """Make the weights of two layers. Raises ValueError for a deeper network."""
        encoder, decoder = layers
        return cls(*encoder, *decoder)

    @property
    def layers(self) -> Layers:
        """Return the encoder and the decoder as layers."""
        return (
            LayerWeights(self.encoder_weight, self.encoder_bias),
            LayerWeights(self.decoder_weight, self.decoder_bias),
        )


Draw = Callable[[int, int, Generator], Tensor]


def glorot_uniform(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    """Draw weights by Glorot and Bengio (2010), uniform."""
    return _uniform((fan_out, fan_in), math.sqrt(6.0 / (fan_in + fan_out)), generator)


def glorot_normal(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    """Draw weights by Glorot and Bengio (2010), normal."""
    return _normal((fan_out, fan_in), math.sqrt(2.0 / (fan_in + fan_out)), generator)


def he_uniform(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    """Draw weights by He et al. (2015), uniform."""
    return _uniform((fan_out, fan_in), math.sqrt(6.0 / fan_in), generator)


def he_normal(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    """Draw weights by He et al. (2015), normal."""
    return _normal((fan_out, fan_in), math.sqrt(2.0 / fan_in), generator)


def torch_default(fan_out: int, fan_in: int, generator: Generator) -> LayerWeights:
    """Draw a layer as torch.nn.Linear initialises it, including biases."""
    bound = fan_in**-0.5
    return LayerWeights(
        weight=_uniform((fan_out, fan_in), bound, generator),
        bias=_uniform((fan_out,), bound, generator),
    )


def _zero_biases(draw: Draw) -> Callable[[int, int, Generator], LayerWeights]:
    def layer(fan_out: int, fan_in: int, generator: Generator) -> LayerWeights:
        return LayerWeights(weight=draw(fan_out, fan_in, generator), bias=torch.zeros(fan_out))

    return layer


def _uniform(shape: tuple[int, ...], bound: float, generator: Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


def _normal(shape: tuple[int, ...], deviation: float, generator: Generator) -> Tensor:
    return torch.empty(shape).normal_(0.0, deviation, generator=generator)


#: (fan_out, fan_in, generator) -> the layer.
WEIGHT_INITS: dict[WeightInit, Callable[[int, int, Generator], LayerWeights]] = {
    WeightInit.GLOROT_UNIFORM: _zero_biases(glorot_uniform),
    WeightInit.GLOROT_NORMAL: _zero_biases(glorot_normal),
    WeightInit.HE_UNIFORM: _zero_biases(he_uniform),
    WeightInit.HE_NORMAL: _zero_biases(he_normal),
    WeightInit.TORCH_DEFAULT: torch_default,
}
