"""Where a trial's random numbers come from: its own seed, and nothing else.

Both functions draw on the CPU whatever the device, so that one seed means one trial everywhere.
Streams are told apart by ``numpy.random.SeedSequence((seed, stream))``: stream 0 draws the weights,
stream e the order of epoch e, counted from 1.
"""

import numpy as np
import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.trainer.initialisation import WEIGHT_INITS, Weights

_WEIGHTS_STREAM = 0


def initial_weights(config: TrialConfig, n_inputs: int, seed: int) -> Weights:
    """A trial's weights before its first step, float32 on the CPU."""
    generator = _generator(seed, _WEIGHTS_STREAM)
    return WEIGHT_INITS[config.weight_init](n_inputs, config.hidden_width, generator)


def data_order(seed: int, epoch: int, n: int) -> Tensor:
    """The order in which epoch ``epoch`` (from 1) visits n training images, (n,) int64."""
    return torch.randperm(n, generator=_generator(seed, epoch))


def _generator(seed: int, stream: int) -> torch.Generator:
    # torch's CPU generator takes in 32 bits of its seed, so 32 well-mixed bits are what it gets.
    state = np.random.SeedSequence((seed, stream)).generate_state(1)[0]
    return torch.Generator().manual_seed(int(state))
