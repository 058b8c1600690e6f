"""Compute losses and their derivatives by the logits, without autograd.

Notation: o (B, D) the logits, y = output(o) the reconstruction, x (B, D) the pixels, n = B D.
Pixels come as levels, 255 x: dividing them would take another pass over (B, D).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.enums import Loss, Output
from sweep.trainer.losses import bce_sum

#: Size of a level on the [0, 1] scale.
LEVEL = 1.0 / 255.0


class LossGradient(NamedTuple):
    """A batch's mean loss, and its derivative by the logits: ``scale`` times ``by_logits``.

    The products that sum the derivatives of parameters apply the factor at no cost.
    """

    #: Scalar.
    loss: Tensor
    #: (B, D), in one of the buffers.
    by_logits: Tensor
    scale: float


class LossBuffers(NamedTuple):
    """Scratch memory of a loss, (B, D) each."""

    outputs: Tensor
    errors: Tensor
    slopes: Tensor


#: (logits, levels, buffers, configuration) -> the loss and its derivative.
LossKernel = Callable[[Tensor, Tensor, LossBuffers, TrialConfig], LossGradient]


def bce(o: Tensor, levels: Tensor, buffers: LossBuffers, config: TrialConfig) -> LossGradient:
    """Binary cross-entropy of a sigmoid; derivative (y - x) / n."""
    y = torch.sigmoid(o, out=buffers.outputs)
    loss = bce_sum(o, y, levels, unit=LEVEL).div_(o.numel())
    return LossGradient(loss, y.sub_(levels, alpha=LEVEL), 1.0 / o.numel())


def mse(o: Tensor, levels: Tensor, buffers: LossBuffers, config: TrialConfig) -> LossGradient:
    """Mean squared error; derivative 2 (y - x) output'(o) / n."""
    y, errors = _outputs(o, levels, buffers, config)
    loss = _dot(errors, errors).div_(o.numel())
    return LossGradient(loss, _by_logits(errors, y, config), 2.0 / o.numel())


def l1(o: Tensor, levels: Tensor, buffers: LossBuffers, config: TrialConfig) -> LossGradient:
    """Mean absolute error; derivative sign(y - x) output'(o) / n."""
    y, errors = _outputs(o, levels, buffers, config)
    signs = torch.sign(errors, out=buffers.slopes)
    loss = _dot(errors, signs).div_(o.numel())
    return LossGradient(loss, _by_logits(signs, y, config), 1.0 / o.numel())


def huber(o: Tensor, levels: Tensor, buffers: LossBuffers, config: TrialConfig) -> LossGradient:
    """Huber loss c (y - x - c / 2), c = y - x clipped to delta; derivative c output'(o) / n."""
    y, errors = _outputs(o, levels, buffers, config)
    cut = torch.clamp(errors, -config.huber_delta, config.huber_delta, out=buffers.slopes)
    loss = (_dot(cut, errors) - 0.5 * _dot(cut, cut)).div_(o.numel())
    return LossGradient(loss, _by_logits(cut, y, config), 1.0 / o.numel())


def _outputs(
    o: Tensor, levels: Tensor, buffers: LossBuffers, config: TrialConfig
) -> tuple[Tensor, Tensor]:
    """Compute y and y - x."""
    y = torch.sigmoid(o, out=buffers.outputs) if config.output_activation is Output.SIGMOID else o
    return y, torch.sub(y, levels, alpha=LEVEL, out=buffers.errors)


def _by_logits(by_outputs: Tensor, y: Tensor, config: TrialConfig) -> Tensor:
    """Multiply the derivative by y with output'(o), in place."""
    if config.output_activation is Output.LINEAR:
        return by_outputs
    backward = torch.ops.aten.sigmoid_backward.grad_input
    by_logits: Tensor = backward(by_outputs, y, grad_input=by_outputs)
    return by_logits


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Sum of the elementwise product of two (B, D) tensors."""
    return torch.dot(one.view(-1), other.view(-1))


KERNELS: dict[Loss, LossKernel] = {
    Loss.BCE: bce,
    Loss.MSE: mse,
    Loss.L1: l1,
    Loss.HUBER: huber,
}
