"""Create optimizers of torch.optim; weight decay applies to weights and biases alike.

Fused implementations take a step in one pass over the weights and agree with the plain ones to
rounding; optimizers without one process all weights together (foreach).
"""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn, optim

from sweep.config import TrialConfig
from sweep.enums import Optimizer

Parameters = Iterable[nn.Parameter]


def sgd(parameters: Parameters, config: TrialConfig) -> optim.Optimizer:
    """Make PyTorch's SGD."""
    return optim.SGD(
        parameters,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=True,
    )


def adam(parameters: Parameters, config: TrialConfig) -> optim.Optimizer:
    """Make PyTorch's Adam."""
    return optim.Adam(parameters, **_adam_arguments(config), fused=True)


def adamw(parameters: Parameters, config: TrialConfig) -> optim.Optimizer:
    """Make PyTorch's AdamW."""
    return optim.AdamW(parameters, **_adam_arguments(config), fused=True)


def rmsprop(parameters: Parameters, config: TrialConfig) -> optim.Optimizer:
    """Make PyTorch's RMSprop."""
    return optim.RMSprop(
        parameters,
        lr=config.learning_rate,
        alpha=config.rmsprop_alpha,
        eps=config.eps,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        foreach=True,
    )


def adagrad(parameters: Parameters, config: TrialConfig) -> optim.Optimizer:
    """Make PyTorch's Adagrad."""
    return optim.Adagrad(
        parameters,
        lr=config.learning_rate,
        eps=config.eps,
        weight_decay=config.weight_decay,
        foreach=True,
    )


def nadam(parameters: Parameters, config: TrialConfig) -> optim.Optimizer:
    """Make PyTorch's NAdam."""
    return optim.NAdam(
        parameters,
        **_adam_arguments(config),
        momentum_decay=config.momentum_decay,
        foreach=True,
    )


def _adam_arguments(config: TrialConfig) -> dict[str, Any]:
    return {
        "lr": config.learning_rate,
        "betas": (config.beta1, config.beta2),
        "eps": config.eps,
        "weight_decay": config.weight_decay,
    }


OPTIMIZERS: dict[Optimizer, Callable[[Parameters, TrialConfig], optim.Optimizer]] = {
    Optimizer.SGD: sgd,
    Optimizer.ADAM: adam,
    Optimizer.ADAMW: adamw,
    Optimizer.RMSPROP: rmsprop,
    Optimizer.ADAGRAD: adagrad,
    Optimizer.NADAM: nadam,
}
