"""What training minimises: each a mean over pixels and examples.

Notation: z logits, y = output(z) the reconstruction, x the pixels.
bce is -x ln y - (1 - x) ln(1 - y), computed from z: y rounds to 0 or 1 long before z is lost.
huber is (y - x)^2 / 2 within delta of x, and delta (|y - x| - delta / 2) beyond.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from sweep.names import Loss, Output
from sweep.trainer.model import OUTPUTS
from sweep.trial import TrialConfig

#: (logits (B, D), pixels (B, D), configuration) -> scalar.
LossFunction = Callable[[Tensor, Tensor, TrialConfig], Tensor]


def bce(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    if config.output is not Output.SIGMOID:
        raise ValueError(f"loss bce needs output sigmoid, not {config.output}.")
    return functional.binary_cross_entropy_with_logits(logits, pixels)


def mse(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    return functional.mse_loss(OUTPUTS[config.output](logits), pixels)


def l1(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    return functional.l1_loss(OUTPUTS[config.output](logits), pixels)


def huber(logits: Tensor, pixels: Tensor, config: TrialConfig) -> Tensor:
    return functional.huber_loss(OUTPUTS[config.output](logits), pixels, delta=config.delta)


LOSSES: dict[Loss, LossFunction] = {
    Loss.BCE: bce,
    Loss.MSE: mse,
    Loss.L1: l1,
    Loss.HUBER: huber,
}
