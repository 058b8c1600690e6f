"""A trial's configuration as rows of the tables that kernels read; columns are in ``codes``."""

import math
from typing import NamedTuple

from sweep.names import Activation, Loss, Optimizer, Output, Schedule
from sweep.trainer.fused.kernels import codes
from sweep.trainer.units import CAN_DIE, SATURATED_FROM
from sweep.trial import TrialConfig


class Rows(NamedTuple):
    """One slot's row of each table."""

    codes: list[int]
    #: float64 on the device.
    settings: list[float]
    #: float32 on the device.
    numbers: list[float]


def rows_of(config: TrialConfig, steps_per_epoch: int) -> Rows:
    return Rows(_codes(config, steps_per_epoch), _settings(config), _numbers(config))


def check(config: TrialConfig) -> None:
    """Raises ValueError for what the reference trainer refuses."""
    if config.loss is Loss.BCE and config.output is not Output.SIGMOID:
        raise ValueError(f"loss bce needs output sigmoid, not {config.output}.")


def _codes(config: TrialConfig, steps_per_epoch: int) -> list[int]:
    row = [0] * int(codes.N_CODES)
    row[codes.ACTIVATION] = _value(ACTIVATIONS[config.activation])
    row[codes.OUTPUT] = _value(OUTPUTS[config.output])
    row[codes.LOSS] = _value(LOSSES[config.loss])
    row[codes.OPTIMIZER] = _value(OPTIMIZERS[config.optimizer])
    row[codes.SCHEDULE] = _value(SCHEDULES[config.schedule])
    row[codes.NESTEROV] = int(config.nesterov)
    row[codes.N_STEPS] = config.epochs * steps_per_epoch
    row[codes.N_WARMUP] = max(1, config.warmup_epochs * steps_per_epoch)
    row[codes.USES_FIRST] = int(_uses_first(config))
    row[codes.USES_SECOND] = int(config.optimizer is not Optimizer.SGD)
    row[codes.CAN_DIE] = int(config.activation in CAN_DIE)
    return row


def _value(code: object) -> int:
    return int(getattr(code, "value", code))  # type: ignore[call-overload, no-any-return]


def _uses_first(config: TrialConfig) -> bool:
    if config.optimizer in (Optimizer.SGD, Optimizer.RMSPROP):
        return config.momentum != 0.0
    return config.optimizer is not Optimizer.ADAGRAD


def _settings(config: TrialConfig) -> list[float]:
    row = [0.0] * int(codes.N_SETTINGS)
    row[codes.LEARNING_RATE] = config.learning_rate
    row[codes.BETA1] = config.beta1
    row[codes.BETA2] = config.beta2
    row[codes.DECOUPLED_DECAY] = config.weight_decay
    return row


def _numbers(config: TrialConfig) -> list[float]:
    row = [0.0] * int(codes.N_NUMBERS)
    kept = config.alpha if config.optimizer is Optimizer.RMSPROP else config.beta2
    row[codes.DELTA] = config.delta
    row[codes.MOMENTUM] = config.momentum
    row[codes.ONE_MINUS_BETA1] = 1.0 - config.beta1
    row[codes.SECOND_KEPT] = kept
    row[codes.SECOND_ADDED] = 1.0 - kept
    row[codes.EPS] = config.eps
    row[codes.WEIGHT_DECAY] = config.weight_decay
    row[codes.SATURATED_FROM] = SATURATED_FROM.get(config.activation, math.inf)
    return row


ACTIVATIONS = {
    Activation.LINEAR: codes.LINEAR,
    Activation.RELU: codes.RELU,
    Activation.LEAKY_RELU: codes.LEAKY_RELU,
    Activation.ELU: codes.ELU,
    Activation.GELU: codes.GELU,
    Activation.SILU: codes.SILU,
    Activation.TANH: codes.TANH,
    Activation.SIGMOID: codes.SIGMOID,
}

OUTPUTS = {Output.LINEAR: codes.LINEAR, Output.SIGMOID: codes.SIGMOID}

LOSSES = {Loss.BCE: codes.BCE, Loss.MSE: codes.MSE, Loss.L1: codes.L1, Loss.HUBER: codes.HUBER}

OPTIMIZERS = {
    Optimizer.SGD: codes.SGD,
    Optimizer.ADAM: codes.ADAM,
    Optimizer.ADAMW: codes.ADAMW,
    Optimizer.RMSPROP: codes.RMSPROP,
    Optimizer.ADAGRAD: codes.ADAGRAD,
}

SCHEDULES = {
    Schedule.CONSTANT: codes.CONSTANT,
    Schedule.COSINE: codes.COSINE,
    Schedule.LINEAR_WARMUP: codes.LINEAR_WARMUP,
}
