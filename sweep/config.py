"""A trial's configuration: every setting, searched or fixed, that a trainer reads."""

import math
from dataclasses import dataclass

from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, WeightInit


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """One configuration in full, searched and fixed settings alike; what a trainer reads.

    The defaults are the configuration whose blurred copies this product set out to explain.
    """

    hidden_width: int = 784
    activation: Activation = Activation.RELU
    output: Output = Output.SIGMOID
    loss: Loss = Loss.BCE
    #: Where the Huber loss turns from quadratic to linear, in pixel units; other losses ignore it.
    delta: float = 1.0
    epochs: int = 5
    batch_size: int = 128
    optimizer: Optimizer = Optimizer.ADAM
    learning_rate: float = 1e-3
    #: sgd and rmsprop.
    momentum: float = 0.0
    #: sgd; needs a momentum above 0.
    nesterov: bool = False
    #: adam and adamw.
    beta1: float = 0.9
    beta2: float = 0.999
    #: rmsprop's smoothing constant.
    alpha: float = 0.99
    #: adam, adamw, rmsprop and adagrad.
    eps: float = 1e-8
    #: L2 penalty in the gradient; decoupled from it in adamw.
    weight_decay: float = 0.0
    schedule: Schedule = Schedule.CONSTANT
    #: linear_warmup: epochs until the learning rate is reached, from 0, step by step.
    warmup_epochs: int = 1
    weight_init: WeightInit = WeightInit.GLOROT_UNIFORM


def width_class(hidden_width: int) -> int:
    """Widths of one class are about the same: two classes to an octave."""
    return round(2 * math.log2(hidden_width))
