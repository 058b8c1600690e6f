"""Convert a trial's configuration to rows of the tables that kernels read (``kernels.tables``)."""

import math
from enum import StrEnum
from typing import NamedTuple, TypeVar

from sweep.catalogue import choices
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule
from sweep.trainer.fused.kernels import tables

N = TypeVar("N", bound=StrEnum)


class TableRows(NamedTuple):
    """One slot's row of each table."""

    choices: list[int]
    #: float64 on the device.
    schedule: list[float]
    #: float32 on the device.
    optimizer: list[float]


def rows_of(config: TrialConfig, steps_per_epoch: int) -> TableRows:
    """Convert a configuration to rows of the kernels' tables."""
    return TableRows(
        _choices(config, steps_per_epoch), _schedule_settings(config), _optimizer_settings(config)
    )


def _choices(config: TrialConfig, steps_per_epoch: int) -> list[int]:
    row = [0] * int(tables.CHOICE_COLUMNS)
    row[tables.ACTIVATION] = _value(ACTIVATIONS[config.activation])
    row[tables.OUTPUT] = _value(OUTPUTS[config.output_activation])
    row[tables.LOSS] = _value(LOSSES[config.loss])
    row[tables.OPTIMIZER] = _value(OPTIMIZERS[config.optimizer])
    row[tables.SCHEDULE] = _value(SCHEDULES[config.lr_schedule])
    row[tables.NESTEROV] = int(config.nesterov)
    row[tables.N_STEPS] = config.epochs * steps_per_epoch
    row[tables.N_WARMUP] = max(1, config.warmup_epochs * steps_per_epoch)
    row[tables.USES_FIRST] = int(_uses_first(config))
    row[tables.USES_SECOND] = int(config.optimizer is not Optimizer.SGD)
    row[tables.CAN_DIE] = int(choices.ACTIVATIONS[config.activation].can_die)
    return row


def _value(code: object) -> int:
    return int(getattr(code, "value", code))  # type: ignore[call-overload, no-any-return]


def _uses_first(config: TrialConfig) -> bool:
    if config.optimizer in (Optimizer.SGD, Optimizer.RMSPROP):
        return config.momentum != 0.0
    return config.optimizer is not Optimizer.ADAGRAD


def _schedule_settings(config: TrialConfig) -> list[float]:
    row = [0.0] * int(tables.SCHEDULE_COLUMNS)
    row[tables.LEARNING_RATE] = config.learning_rate
    row[tables.BETA1] = config.beta1
    row[tables.BETA2] = config.beta2
    row[tables.DECOUPLED_DECAY] = config.weight_decay
    row[tables.MOMENTUM_DECAY] = config.momentum_decay
    row[tables.MOMENTUM_PRODUCT] = 1.0
    return row


def _optimizer_settings(config: TrialConfig) -> list[float]:
    row = [0.0] * int(tables.OPTIMIZER_COLUMNS)
    kept = config.rmsprop_alpha if config.optimizer is Optimizer.RMSPROP else config.beta2
    row[tables.DELTA] = config.huber_delta
    row[tables.MOMENTUM] = config.momentum
    row[tables.ONE_MINUS_BETA1] = 1.0 - config.beta1
    row[tables.SECOND_KEPT] = kept
    row[tables.SECOND_ADDED] = 1.0 - kept
    row[tables.EPS] = config.eps
    row[tables.WEIGHT_DECAY] = config.weight_decay
    row[tables.SATURATED_FROM] = choices.ACTIVATIONS[config.activation].saturates_at or math.inf
    return row


def _codes(names: type[N]) -> dict[N, object]:
    """Return the kernels' numbers of an enum's members, in capitals in ``kernels.tables``."""
    return {name: getattr(tables, name.name) for name in names}


ACTIVATIONS = _codes(Activation)
OUTPUTS = _codes(Output)
LOSSES = _codes(Loss)
OPTIMIZERS = _codes(Optimizer)
SCHEDULES = _codes(Schedule)
