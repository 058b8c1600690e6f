"""Compute training losses, each a mean over pixels and examples.

Notation: z logits, y = output(z) the reconstruction, x the pixels. bce is -x ln y - (1 - x) ln(1 -
y), computed from z, because y rounds to 0 or 1 for large |z|. It is max(z, 0) - z x + ln(1 +
exp(-|z|)), and its derivative by z is y - x. torch's version uses log1p, where the logarithm of a
number of at least 1 suffices: on CPUs log1p is ten times as slow, half of a narrow step. huber is
(y - x)^2 / 2 within delta of x, and delta (|y - x| - delta / 2) beyond.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sweep.config import TrialConfig
from sweep.enums import Loss
from sweep.trainer.model import OUTPUTS

#: (logits (B, D), pixels (B, D), configuration) -> scalar.
LossFunction = Callable[[Tensor, Tensor, TrialConfig], Tensor]


class BceWithLogits(torch.autograd.Function):
    """Mean binary cross-entropy of logits; within 1e-7 of torch's."""

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, pixels: Tensor) -> Tensor:
        """Compute the mean loss."""
        softplus = logits.abs().neg().exp().add(1.0).log()
        return (logits.clamp(min=0.0) - logits * pixels + softplus).mean()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Save the tensors that the backward pass needs."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Return the gradient with respect to the logits."""
        logits, pixels = ctx.saved_tensors
        return (torch.sigmoid(logits) - pixels) * (grad / logits.numel()), None


def bce(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    """Compute the mean binary cross-entropy of sigmoid outputs."""
    loss: Tensor = BceWithLogits.apply(logits, pixels)
    return loss


def mse(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    """Compute the mean squared error."""
    return functional.mse_loss(OUTPUTS[config.output_activation](logits), pixels)


def l1(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    """Compute the mean absolute error."""
    return functional.l1_loss(OUTPUTS[config.output_activation](logits), pixels)


def huber(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    """Compute the mean Huber loss."""
    return functional.huber_loss(
        OUTPUTS[config.output_activation](logits), pixels, delta=config.huber_delta
    )


LOSSES: dict[Loss, LossFunction] = {
    Loss.BCE: bce,
    Loss.MSE: mse,
    Loss.L1: l1,
    Loss.HUBER: huber,
}


#: A plain number would be converted to a tensor in each call.
_ONE = torch.ones(())


def bce_sum(
    logits: Tensor,  # (B, D), overwritten
    outputs: Tensor,  # (B, D), their sigmoid
    pixels: Tensor,  # (B, D)
    *,
    unit: float = 1.0,
) -> Tensor:
    """Sum the binary cross-entropy in nats over pixels and images, without derivatives.

    ``pixels`` are in units of ``unit``: 1 on the [0, 1] scale, 1/255 for levels.

    ln(1 + exp(-|z|)) is -ln t with t = max(y, 1 - y). A logarithm takes as long as ten products,
    and t is at least 1/2: so up to 64 factors are multiplied before a logarithm is taken.
    """
    by_pixels = torch.dot(logits.view(-1), pixels.view(-1))
    linear = logits.clamp_min_(0.0).sum().sub_(by_pixels, alpha=unit)
    likelier = torch.sub(_ONE, outputs, out=logits)
    likelier = torch.maximum(likelier, outputs, out=likelier)
    factors = likelier.view(_n_factors(likelier.numel()), -1)
    return linear.sub_(factors.prod(dim=0).log_().sum())


@cache
def _n_factors(n: int) -> int:
    """Return the largest divisor of n up to 64: a product of 64 halves is a normal number."""
    return next(divisor for divisor in range(64, 0, -1) if n % divisor == 0)
