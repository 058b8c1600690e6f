"""A trial's configuration: every setting, searched or fixed, that a trainer reads."""

import math
from dataclasses import dataclass

from sweep.catalogue import settings
from sweep.catalogue.rules import conflicts
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, WeightInit


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """One configuration in full, searched and fixed settings alike; what a trainer reads.

    ``catalogue.settings`` says what each is. The defaults are the configuration whose blurred
    copies this product set out to explain.
    """

    hidden_width: int = settings.HIDDEN_WIDTH.default
    activation: Activation = settings.ACTIVATION.default
    output_activation: Output = settings.OUTPUT_ACTIVATION.default
    loss: Loss = settings.LOSS.default
    huber_delta: float = settings.HUBER_DELTA.default
    epochs: int = settings.EPOCHS.default
    batch_size: int = settings.BATCH_SIZE.default
    optimizer: Optimizer = settings.OPTIMIZER.default
    learning_rate: float = settings.LEARNING_RATE.default
    momentum: float = settings.MOMENTUM.default
    nesterov: bool = settings.NESTEROV.default
    beta1: float = settings.BETA1.default
    beta2: float = settings.BETA2.default
    momentum_decay: float = settings.MOMENTUM_DECAY.default
    rmsprop_alpha: float = settings.RMSPROP_ALPHA.default
    eps: float = settings.EPS.default
    weight_decay: float = settings.WEIGHT_DECAY.default
    lr_schedule: Schedule = settings.LR_SCHEDULE.default
    warmup_epochs: int = settings.WARMUP_EPOCHS.default
    weight_init: WeightInit = settings.WEIGHT_INIT.default


def check_config(config: TrialConfig) -> None:
    """Raise ValueError for settings that contradict each other."""
    if found := conflicts(vars(config)):
        raise ValueError(" ".join(found))


def width_class(hidden_width: int) -> int:
    """Widths of one class are about the same: two classes to an octave."""
    return round(2 * math.log2(hidden_width))
