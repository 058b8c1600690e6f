"""Hold a network's parameters and gradients in one array each, updated by a single call."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.trainer.initialisation import Weights
from sweep.trainer.model import Autoencoder

#: Floats in a cache line; each parameter begins at the start of one.
_ALIGNMENT = 16


class Parts(NamedTuple):
    """Views of the parameters, or of their gradients, in a flat array.

    Both layers have a row per hidden unit: products with few rows are up to four times as fast as
    with few columns.
    """

    encoder: Tensor  # (H, D)
    encoder_bias: Tensor  # (H,)
    decoder: Tensor  # (H, D), the transpose of torch.nn.Linear's weight
    decoder_bias: Tensor  # (D,)


class FlatParameters:
    """Parameters and their gradients, (P,) float32 each.

    P includes the padding between parts; values and gradients stay 0 there.
    """

    def __init__(self, initial: Weights) -> None:
        n_units, n_inputs = initial.encoder_weight.shape
        shapes = [(n_units, n_inputs), (n_units,), (n_units, n_inputs), (n_inputs,)]
        self.values, self.parts = _allocate(shapes)
        self.gradient, self.gradients = _allocate(shapes)
        for view, weights in zip(self._as_weights(), initial, strict=True):
            view.copy_(weights)

    def as_model(self, config: TrialConfig) -> Autoencoder:
        """Return a network that shares these parameters."""
        weights = self._as_weights()
        model = Autoencoder(config, weights.layers, self.values.device).requires_grad_(False)
        for parameter, view in zip(model.parameters(), weights, strict=True):
            parameter.data = view
        return model

    def _as_weights(self) -> Weights:
        return Weights(*self.parts)._replace(decoder_weight=self.parts.decoder.t())


def _allocate(shapes: list[tuple[int, ...]]) -> tuple[Tensor, Parts]:
    """Allocate a flat array of zeros with views of these shapes."""
    starts, end = [], 0
    for shape in shapes:
        starts.append(end)
        end += -(-math.prod(shape) // _ALIGNMENT) * _ALIGNMENT
    flat = torch.zeros(end)
    views = (
        flat[start : start + math.prod(shape)].view(shape)
        for start, shape in zip(starts, shapes, strict=True)
    )
    return flat, Parts(*views)
