"""Derive a trial's random numbers from its own seed only.

All functions draw on the CPU whatever the device, so that a seed gives the same numbers everywhere.
Streams are ``numpy.random.SeedSequence((seed, *stream))``: stream (0,) draws the weights, (e,) the
order of epoch e, counted from 1, (0, 1) the noise of all steps.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sweep.config import TrialConfig, layer_widths
from sweep.trainer.initialisation import WEIGHT_INITS, Layers, Weights

_WEIGHTS_STREAM = 0
_NOISE_STREAM = (0, 1)


def initial_layers(config: TrialConfig, n_inputs: int, seed: int) -> Layers:
    """Draw a trial's layers before its first step, float32 on the CPU."""
    generator = _generator(seed, _WEIGHTS_STREAM)
    draw = WEIGHT_INITS[config.weight_init]
    widths = layer_widths(config, n_inputs)
    return tuple(draw(fan_out, fan_in, generator) for fan_in, fan_out in pairwise(widths))


def initial_weights(config: TrialConfig, n_inputs: int, seed: int) -> Weights:
    """Draw the weights of a two-layer network. Raises ValueError for a deeper one."""
    return Weights.of(initial_layers(config, n_inputs, seed))


def noise_generator(seed: int) -> torch.Generator:
    """Return the generator of the noise that training adds to the inputs, step after step."""
    return _generator(seed, *_NOISE_STREAM)


def data_order(seed: int, epoch: int, n: int) -> Tensor:
    """Draw the order in which epoch ``epoch`` (from 1) visits n training images, (n,) int64."""
    return torch.randperm(n, generator=_generator(seed, epoch))


def _generator(seed: int, *stream: int) -> torch.Generator:
    # torch's CPU generator uses only 32 bits of its seed, so it gets 32 well-mixed bits.
    state = np.random.SeedSequence((seed, *stream)).generate_state(1)[0]
    return torch.Generator().manual_seed(int(state))
