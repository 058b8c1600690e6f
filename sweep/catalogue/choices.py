"""Describe every name that a setting, or a section of a study file, accepts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from sweep.catalogue.settings import SETTINGS
from sweep.enums import (
    Activation,
    Loss,
    Noise,
    Objective,
    Optimizer,
    Output,
    Pruner,
    Sampler,
    Schedule,
    WeightInit,
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A name that a setting accepts."""

    name: StrEnum
    #: What it means, in a line of a table.
    about: str


@dataclass(frozen=True, kw_only=True)
class ActivationChoice(Choice):
    """An activation f(z) of the hidden units."""

    #: An expression of a tensor ``z`` in PyTorch, with ``F`` for ``torch.nn.functional``.
    pytorch: str
    #: An activation argument of Keras 3.
    keras: str
    #: Whether its slope (nearly) vanishes for z below 0: a unit that is never above 0 is dead.
    can_die: bool = False
    #: |z| above which its slope is below about 1/50 of the largest; None if it is not bounded.
    saturates_at: float | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether its values have an upper and a lower limit."""
        return self.saturates_at is not None


@dataclass(frozen=True, kw_only=True)
class OptimizerChoice(Choice):
    """An update rule."""

    #: Whether each weight steps by about the learning rate, whatever the size of the gradients:
    #: such rules have comparable learning rates.
    normalises_steps: bool = False

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that it uses and others do not, in the order of the catalogue."""
        rules = ((name, setting.used_with) for name, setting in SETTINGS.items())
        return tuple(
            name
            for name, rule in rules
            if rule and rule.setting == "optimizer" and self.name in rule.choices
        )


C = TypeVar("C", bound=Choice)


def _by_name(choices: Iterable[C]) -> dict[StrEnum, C]:
    return {choice.name: choice for choice in choices}


ACTIVATIONS: Mapping[StrEnum, ActivationChoice] = _by_name(
    [
        ActivationChoice(
            name=Activation.LINEAR,
            pytorch="z",
            keras='"linear"',
            about="x: with a linear output, the model is equivalent to PCA",
        ),
        ActivationChoice(
            name=Activation.RELU,
            pytorch="F.relu(z)",
            keras='"relu"',
            about="max(0, x)",
            can_die=True,
        ),
        ActivationChoice(
            name=Activation.LEAKY_RELU,
            pytorch="F.leaky_relu(z)",
            keras="keras.layers.LeakyReLU(negative_slope=0.01)",
            about="x above 0, 0.01 x below",
            can_die=True,
        ),
        ActivationChoice(
            name=Activation.ELU,
            pytorch="F.elu(z)",
            keras='"elu"',
            about="x above 0, exp(x) - 1 below",
            can_die=True,
        ),
        ActivationChoice(
            name=Activation.GELU,
            pytorch="F.gelu(z)",
            keras='"gelu"',
            about="x Φ(x), Φ the normal distribution function (the exact one)",
            can_die=True,
        ),
        ActivationChoice(
            name=Activation.SILU,
            pytorch="F.silu(z)",
            keras='"silu"',
            about="x sigmoid(x)",
            can_die=True,
        ),
        ActivationChoice(
            name=Activation.TANH,
            pytorch="torch.tanh(z)",
            keras='"tanh"',
            about="tanh(x)",
            saturates_at=2.65,
        ),
        ActivationChoice(
            name=Activation.SIGMOID,
            pytorch="torch.sigmoid(z)",
            keras='"sigmoid"',
            about="1 / (1 + exp(-x))",
            saturates_at=5.3,
        ),
        ActivationChoice(
            name=Activation.MISH,
            pytorch="F.mish(z)",
            keras='"mish"',
            about="x tanh(ln(1 + exp(x)))",
            can_die=True,
        ),
    ]
)

OPTIMIZERS: Mapping[StrEnum, OptimizerChoice] = _by_name(
    [
        OptimizerChoice(name=Optimizer.SGD, about="stochastic gradient descent"),
        OptimizerChoice(name=Optimizer.ADAM, about="Adam", normalises_steps=True),
        OptimizerChoice(
            name=Optimizer.ADAMW, about="Adam with decoupled weight decay", normalises_steps=True
        ),
        OptimizerChoice(name=Optimizer.RMSPROP, about="RMSprop, not centred"),
        OptimizerChoice(name=Optimizer.ADAGRAD, about="Adagrad"),
        OptimizerChoice(
            name=Optimizer.NADAM, about="Adam with Nesterov's momentum", normalises_steps=True
        ),
    ]
)

_MEANINGS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Output: {
        Output.SIGMOID: "a pixel between 0 and 1",
        Output.LINEAR: "any number",
    },
    Loss: {
        Loss.BCE: "binary cross-entropy, in nats; needs the sigmoid output",
        Loss.MSE: "mean squared error",
        Loss.L1: "mean absolute error",
        Loss.HUBER: "squared (halved) within `huber_delta`, absolute beyond",
    },
    Schedule: {
        Schedule.CONSTANT: "constant",
        Schedule.COSINE: "from the learning rate towards 0, along half a cosine",
        Schedule.LINEAR_WARMUP: "rises over `warmup_epochs`, then constant",
    },
    WeightInit: {
        WeightInit.GLOROT_UNIFORM: "uniform, by the mean of a layer's inputs and outputs",
        WeightInit.GLOROT_NORMAL: "normal, by the mean of a layer's inputs and outputs",
        WeightInit.HE_UNIFORM: "uniform, by a layer's inputs",
        WeightInit.HE_NORMAL: "normal, by a layer's inputs",
        WeightInit.TORCH_DEFAULT: (
            "like a new `torch.nn.Linear`, including biases; the others' are 0"
        ),
    },
    Noise: {
        Noise.NONE: "clean images; the default",
        Noise.GAUSSIAN: (
            "a normal number is added to each pixel (each channel's), which may leave [0, 1]"
        ),
        Noise.MASKING: "pixels (each channel's) are set to 0 at random",
    },
    Sampler: {
        Sampler.TPE: "learns from finished trials where good ones are; the default",
        Sampler.OPTUNA_TPE: "Optuna's unmodified `TPESampler()`, for comparison with `tpe`",
        Sampler.RANDOM: "draws each trial independently",
        Sampler.GRID: "every combination, including settings under `when`; ranges need a `step`",
        Sampler.QMC: "a low-discrepancy sequence: more even than random",
        Sampler.CMAES: "an evolution strategy for numbers (extra `samplers`)",
        Sampler.GP: "a Gaussian process, for few and costly trials",
        Sampler.NSGA2: "a genetic algorithm, for several objectives",
    },
    Pruner: {
        Pruner.NONE: "every trial runs to its end; the default",
        Pruner.MEDIAN: "prunes trials that are worse than the median at that epoch",
        Pruner.PERCENTILE: "like median, with another share",
        Pruner.SUCCESSIVE_HALVING: ("at growing intervals, one in `reduction_factor` continues"),
        Pruner.HYPERBAND: "several successive halvings that begin at different epochs",
    },
    Objective: {
        Objective.VAL_MSE: ("mean squared error per pixel on validation images; always the first"),
        Objective.HIDDEN_WIDTH: "the number of hidden units",
        Objective.TRAIN_SECONDS: "the training time, which makes runs irreproducible",
    },
}

#: By kind, because two kinds may share a name: linear is an activation and an output.
CHOICES: Mapping[type[StrEnum], Mapping[StrEnum, Choice]] = {
    Activation: ACTIVATIONS,
    Optimizer: OPTIMIZERS,
    **{
        kind: _by_name(Choice(name=name, about=about) for name, about in meanings.items())
        for kind, meanings in _MEANINGS.items()
    },
}
