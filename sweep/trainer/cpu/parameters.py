"""A network's parameters and gradients in one array each, so that an optimizer steps over all."""

import torch
from torch import Size, Tensor

from sweep.trainer.initialisation import Weights
from sweep.trainer.model import Autoencoder
from sweep.trial import TrialConfig

#: Floats in a cache line; each parameter begins at the start of one.
_ALIGNMENT = 16


class FlatParameters:
    """Parameters and their gradient, (P,) float32 each, with views of the four parts in each.

    P counts the padding between parts too; values and gradient stay 0 there.
    """

    def __init__(self, initial: Weights) -> None:
        spans, end = [], 0
        for part in initial:
            spans.append(slice(end, end + part.numel()))
            end += -(-part.numel() // _ALIGNMENT) * _ALIGNMENT
        shapes = [part.shape for part in initial]
        self.values = torch.zeros(end)
        self.gradient = torch.zeros(end)
        self.weights = _views(self.values, spans, shapes)
        self.gradients = _views(self.gradient, spans, shapes)
        for view, part in zip(self.weights, initial, strict=True):
            view.copy_(part)

    def as_model(self, config: TrialConfig) -> Autoencoder:
        """A network whose parameters are these, not copies of them."""
        model = Autoencoder(config, self.weights, self.values.device).requires_grad_(False)
        for parameter, view in zip(model.parameters(), self.weights, strict=True):
            parameter.data = view
        return model


def _views(flat: Tensor, spans: list[slice], shapes: list[Size]) -> Weights:
    return Weights(*(flat[span].view(shape) for span, shape in zip(spans, shapes, strict=True)))
