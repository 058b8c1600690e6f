"""Update rules on flat parameters, each made of one or two kernels of torch's fused optimizers.

torch.optim calls the same kernels; its objects add 60 us to a step, a tenth of a narrow network's
step. The kernels are private to torch, so equality tests cover each of their settings.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from sweep.config import TrialConfig
from sweep.enums import Optimizer
from sweep.trainer import optimizers
from sweep.trainer.cpu.parameters import FlatParameters


class FlatOptimizer(Protocol):
    """Updates parameters by their gradient."""

    def step(self, learning_rate: float) -> None:
        """Update the parameters once."""


class Sgd:
    """Stochastic gradient descent; without momentum it has no state."""

    def __init__(self, parameters: FlatParameters, config: TrialConfig) -> None:
        self._parameters, self._config = parameters, config
        self._momenta = [torch.zeros_like(parameters.values)] if config.momentum else []

    def step(self, learning_rate: float) -> None:
        """Update the parameters once."""
        config, parameters = self._config, self._parameters
        torch._fused_sgd_(
            [parameters.values],
            [parameters.gradient],
            self._momenta,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=config.nesterov,
            maximize=False,
            is_first_step=False,
        )


class Adam:
    """Adam, and AdamW, whose kernel decouples the weight decay."""

    def __init__(self, parameters: FlatParameters, config: TrialConfig) -> None:
        self._parameters, self._config = parameters, config
        self._first = torch.zeros_like(parameters.values)
        self._second = torch.zeros_like(parameters.values)
        self._n_steps = torch.zeros(())
        is_decoupled = config.optimizer is Optimizer.ADAMW
        self._kernel = torch._fused_adamw_ if is_decoupled else torch._fused_adam_

    def step(self, learning_rate: float) -> None:
        """Update the parameters once."""
        config, parameters = self._config, self._parameters
        self._kernel(
            [parameters.values],
            [parameters.gradient],
            [self._first],
            [self._second],
            [],
            [self._n_steps.add_(1.0)],
            lr=learning_rate,
            beta1=config.beta1,
            beta2=config.beta2,
            weight_decay=config.weight_decay,
            eps=config.eps,
            amsgrad=False,
            maximize=False,
        )


class Adagrad:
    """Adagrad."""

    def __init__(self, parameters: FlatParameters, config: TrialConfig) -> None:
        self._parameters, self._config = parameters, config
        self._sum = torch.zeros_like(parameters.values)
        self._n_steps = torch.zeros(())

    def step(self, learning_rate: float) -> None:
        """Update the parameters once."""
        config, parameters = self._config, self._parameters
        torch._fused_adagrad_(
            [parameters.values],
            [parameters.gradient],
            [self._sum],
            [self._n_steps.add_(1.0)],
            lr=learning_rate,
            lr_decay=0.0,
            weight_decay=config.weight_decay,
            eps=config.eps,
            maximize=False,
        )


class RmsProp:
    """RMSprop by Adam's kernel: they are equal with beta1 = 0 and without bias correction.

    A bias correction is 1 - beta ** step, and so 1 at step infinity. With a momentum, Adam's step
    of size -1 is added to the momentum's buffer: v <- momentum v + g / (sqrt(s) + eps).
    """

    def __init__(self, parameters: FlatParameters, config: TrialConfig) -> None:
        self._parameters, self._config = parameters, config
        self._unused = torch.zeros_like(parameters.values)
        self._squares = torch.zeros_like(parameters.values)
        self._momentum = torch.zeros_like(parameters.values) if config.momentum else None
        self._n_steps = torch.tensor(math.inf)

    def step(self, learning_rate: float) -> None:
        """Update the parameters once."""
        config, parameters = self._config, self._parameters
        if self._momentum is None:
            self._adam_step(parameters.values, learning_rate, config.weight_decay)
            return
        if config.weight_decay:
            parameters.gradient.add_(parameters.values, alpha=config.weight_decay)
        self._adam_step(self._momentum.mul_(config.momentum), -1.0, 0.0)
        parameters.values.add_(self._momentum, alpha=-learning_rate)

    def _adam_step(self, target: torch.Tensor, learning_rate: float, weight_decay: float) -> None:
        torch._fused_adam_(
            [target],
            [self._parameters.gradient],
            [self._unused],
            [self._squares],
            [],
            [self._n_steps],
            lr=learning_rate,
            beta1=0.0,
            beta2=self._config.rmsprop_alpha,
            weight_decay=weight_decay,
            eps=self._config.eps,
            amsgrad=False,
            maximize=False,
        )


class TorchOptimizer:
    """An optimizer of the reference trainer without a class here, on the flat parameters."""

    def __init__(self, parameters: FlatParameters, config: TrialConfig) -> None:
        flat = nn.Parameter(parameters.values)
        flat.grad = parameters.gradient
        self._optimizer = optimizers.OPTIMIZERS[config.optimizer]([flat], config)

    def step(self, learning_rate: float) -> None:
        """Update the parameters once."""
        (group,) = self._optimizer.param_groups
        group["lr"] = learning_rate
        self._optimizer.step()


OPTIMIZERS: dict[Optimizer, Callable[[FlatParameters, TrialConfig], FlatOptimizer]] = {
    **dict.fromkeys(optimizers.OPTIMIZERS, TorchOptimizer),
    Optimizer.SGD: Sgd,
    Optimizer.ADAM: Adam,
    Optimizer.ADAMW: Adam,
    Optimizer.RMSPROP: RmsProp,
    Optimizer.ADAGRAD: Adagrad,
}
