"""How weights begin.

Notation: D inputs, H hidden units; fan_in and fan_out of a layer are its inputs and outputs.
Sources: Glorot and Bengio 2010 (bound sqrt(6 / (fan_in + fan_out)), deviation
sqrt(2 / (fan_in + fan_out))); He et al. 2015 (bound sqrt(6 / fan_in), deviation sqrt(2 / fan_in));
torch.nn.Linear (bound 1 / sqrt(fan_in), biases too). Normal draws are not truncated.

Drawn in this order: encoder weight, (encoder bias,) decoder weight, (decoder bias).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from sweep.enums import WeightInit


class Weights(NamedTuple):
    """The parameters of a two-layer autoencoder, laid out as torch.nn.Linear's are."""

    encoder_weight: Tensor  # (H, D)
    encoder_bias: Tensor  # (H,)
    decoder_weight: Tensor  # (D, H)
    decoder_bias: Tensor  # (D,)


Draw = Callable[[int, int, Generator], Tensor]


def glorot_uniform(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    return _uniform((fan_out, fan_in), math.sqrt(6.0 / (fan_in + fan_out)), generator)


def glorot_normal(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    return _normal((fan_out, fan_in), math.sqrt(2.0 / (fan_in + fan_out)), generator)


def he_uniform(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    return _uniform((fan_out, fan_in), math.sqrt(6.0 / fan_in), generator)


def he_normal(fan_out: int, fan_in: int, generator: Generator) -> Tensor:
    return _normal((fan_out, fan_in), math.sqrt(2.0 / fan_in), generator)


def torch_default(n_inputs: int, hidden_width: int, generator: Generator) -> Weights:
    """As a new torch.nn.Linear begins, biases included."""
    encoder_bound, decoder_bound = n_inputs**-0.5, hidden_width**-0.5
    return Weights(
        encoder_weight=_uniform((hidden_width, n_inputs), encoder_bound, generator),
        encoder_bias=_uniform((hidden_width,), encoder_bound, generator),
        decoder_weight=_uniform((n_inputs, hidden_width), decoder_bound, generator),
        decoder_bias=_uniform((n_inputs,), decoder_bound, generator),
    )


def _zero_biases(draw: Draw) -> Callable[[int, int, Generator], Weights]:
    def weights(n_inputs: int, hidden_width: int, generator: Generator) -> Weights:
        return Weights(
            encoder_weight=draw(hidden_width, n_inputs, generator),
            encoder_bias=torch.zeros(hidden_width),
            decoder_weight=draw(n_inputs, hidden_width, generator),
            decoder_bias=torch.zeros(n_inputs),
        )

    return weights


def _uniform(shape: tuple[int, ...], bound: float, generator: Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


def _normal(shape: tuple[int, ...], deviation: float, generator: Generator) -> Tensor:
    return torch.empty(shape).normal_(0.0, deviation, generator=generator)


#: (D, H, generator) -> the weights.
WEIGHT_INITS: dict[WeightInit, Callable[[int, int, Generator], Weights]] = {
    WeightInit.GLOROT_UNIFORM: _zero_biases(glorot_uniform),
    WeightInit.GLOROT_NORMAL: _zero_biases(glorot_normal),
    WeightInit.HE_UNIFORM: _zero_biases(he_uniform),
    WeightInit.HE_NORMAL: _zero_biases(he_normal),
    WeightInit.TORCH_DEFAULT: torch_default,
}
