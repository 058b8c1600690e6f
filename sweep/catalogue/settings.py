"""Define every setting of a trial: its type, limits, default, and the choices that use it.

All settings except ``seed`` are fields of ``TrialConfig``, which takes its defaults from here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from sweep.catalogue.records import Column
from sweep.enums import Activation, Loss, Noise, Optimizer, Output, Schedule, WeightInit

#: A setting's value as TOML and Optuna hold it; names are plain strings.
Value = str | int | float | bool

T = TypeVar("T", bound=Value)

#: Maximum of a seed, of a study or of a trial.
LARGEST_SEED = 2**31 - 1


class AblationGroup(StrEnum):
    """Settings that change together along an ablation path, in the order that breaks ties.

    A setting that is used only with another one's choice changes with that one.
    """

    EPOCHS = "epochs"
    LEARNING_RATE = "learning rate"
    OUTPUT = "output"
    LOSS = "loss"
    ACTIVATION = "activation"
    WIDTH = "width"
    DEPTH = "depth"
    OPTIMIZER = "optimizer"
    INITIAL_WEIGHTS = "initial weights"
    BATCH_SIZE = "batch size"
    NOISE = "noise"


class Cause(StrEnum):
    """Ablation groups that a factorial analysis changes together, in the order of its tables.

    They act by the same thing, or one is no use without the other.
    """

    UPDATES = "number of updates"
    OUTPUT = "output and loss"
    ACTIVATION = "activation"
    LEARNING_RATE = "learning rate and schedule"
    OPTIMIZER = "optimizer"
    WIDTH = "width"
    DEPTH = "depth"
    INITIAL_WEIGHTS = "initial weights"
    NOISE = "noise"


class UsedWith(NamedTuple):
    """The choices of another setting that a setting is used with."""

    setting: str
    choices: tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class Setting(Column, Generic[T]):
    """A single setting: its values and its purpose."""

    kind: type[T]
    default: T
    #: None for the seed, which is not part of a configuration.
    group: AblationGroup | None
    about: str
    #: Limits of a number, inclusive unless ``open_low`` or ``open_high``.
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    #: None for a setting that every trial uses.
    used_with: UsedWith | None = None
    #: The only value that trainers other than the reference trainer can train; None if they can
    #: train all.
    fast_value: T | None = None

    @property
    def choices(self) -> tuple[str, ...]:
        """The names that this setting accepts; none if it accepts numbers or a bool."""
        return tuple(str(name) for name in self.kind) if issubclass(self.kind, StrEnum) else ()

    @property
    def limits(self) -> str:
        """The limits in words, such as ``at least 0 and below 1``."""
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'above' if self.open_low else 'at least'} {_number(self.low)}")
        if self.high < math.inf:
            parts.append(f"{'below' if self.open_high else 'at most'} {_number(self.high)}")
        return " and ".join(parts)

    def to_type(self, value: Value) -> T:
        """Return the value as ``TrialConfig`` holds it: names as members of their enum."""
        kind: Any = self.kind
        typed: T = kind(value)
        return typed

    def allows(self, value: float) -> bool:
        """Tell whether a number is within the limits; NaN is not."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


_ADAMS = (Optimizer.ADAM, Optimizer.ADAMW, Optimizer.NADAM)

HIDDEN_WIDTH = Setting(
    name="hidden_width",
    unit="units",
    kind=int,
    default=784,
    low=1,
    high=65_536,
    factor=2,
    group=AblationGroup.WIDTH,
    about="Number of hidden units: the length of the code.",
)
#: Maximum number of further hidden layers on each side of the code.
MOST_LAYERS = 4

HIDDEN_LAYERS = Setting(
    name="hidden_layers",
    called="further hidden layers",
    unit="on each side of the code",
    kind=int,
    default=0,
    low=0,
    high=MOST_LAYERS,
    fast_value=0,
    group=AblationGroup.DEPTH,
    about="Number of further hidden layers on each side of the code.",
)
LAYER_WIDTH_FACTOR = Setting(
    name="layer_width_factor",
    kind=float,
    default=1.0,
    low=0.1,
    high=10,
    factor=2,
    used_with=UsedWith("hidden_layers", tuple(range(1, MOST_LAYERS + 1))),
    group=AblationGroup.DEPTH,
    about=(
        "Factor on the widths of the further layers, which at 1 lead from the pixels to the code "
        "in equal ratios."
    ),
)
ACTIVATION = Setting(
    name="activation",
    kind=Activation,
    default=Activation.RELU,
    group=AblationGroup.ACTIVATION,
    about="Activation of the hidden units.",
)
OUTPUT_ACTIVATION = Setting(
    name="output_activation",
    kind=Output,
    default=Output.SIGMOID,
    group=AblationGroup.OUTPUT,
    about="Activation of the output units: a pixel in (0, 1), or any number.",
)
LOSS = Setting(
    name="loss",
    kind=Loss,
    default=Loss.BCE,
    group=AblationGroup.LOSS,
    about="Training loss, per pixel; bce needs the sigmoid output.",
)
HUBER_DELTA = Setting(
    name="huber_delta",
    called="Huber δ",
    kind=float,
    default=1.0,
    low=0,
    high=1e6,
    open_low=True,
    used_with=UsedWith("loss", (Loss.HUBER,)),
    group=AblationGroup.LOSS,
    about="Error at which the Huber loss turns from quadratic to linear, in pixel units (0 to 1).",
)
EPOCHS = Setting(
    name="epochs",
    kind=int,
    default=5,
    low=1,
    high=100_000,
    group=AblationGroup.EPOCHS,
    about="Passes over the training images.",
)
BATCH_SIZE = Setting(
    name="batch_size",
    kind=int,
    default=128,
    low=1,
    high=65_536,
    factor=2,
    group=AblationGroup.BATCH_SIZE,
    about="Images per training step.",
)
OPTIMIZER = Setting(
    name="optimizer",
    kind=Optimizer,
    default=Optimizer.ADAM,
    group=AblationGroup.OPTIMIZER,
    about="The family of the update rule.",
)
LEARNING_RATE = Setting(
    name="learning_rate",
    kind=float,
    default=1e-3,
    low=0,
    high=1e6,
    open_low=True,
    factor=10,
    group=AblationGroup.LEARNING_RATE,
    about="Step size of the update, at the maximum of the schedule.",
)
MOMENTUM = Setting(
    name="momentum",
    kind=float,
    default=0.0,
    low=0,
    high=1,
    open_high=True,
    used_with=UsedWith("optimizer", (Optimizer.SGD, Optimizer.RMSPROP)),
    group=AblationGroup.OPTIMIZER,
    about="Share of the last step that the next one keeps.",
)
NESTEROV = Setting(
    name="nesterov",
    kind=bool,
    default=False,
    used_with=UsedWith("optimizer", (Optimizer.SGD,)),
    group=AblationGroup.OPTIMIZER,
    about="Look ahead along the momentum; needs a momentum above 0.",
)
BETA1 = Setting(
    name="beta1",
    called="β₁",
    kind=float,
    default=0.9,
    low=0,
    high=1,
    open_high=True,
    used_with=UsedWith("optimizer", _ADAMS),
    group=AblationGroup.OPTIMIZER,
    about="Decay per step of the mean of gradients.",
)
BETA2 = Setting(
    name="beta2",
    called="β₂",
    kind=float,
    default=0.999,
    low=0,
    high=1,
    open_high=True,
    used_with=UsedWith("optimizer", _ADAMS),
    group=AblationGroup.OPTIMIZER,
    about="Decay per step of the mean of squared gradients.",
)
MOMENTUM_DECAY = Setting(
    name="momentum_decay",
    kind=float,
    default=4e-3,
    low=0,
    high=1,
    factor=10,
    used_with=UsedWith("optimizer", (Optimizer.NADAM,)),
    group=AblationGroup.OPTIMIZER,
    about="How fast nadam's momentum rises from half of beta1 to beta1.",
)
RMSPROP_ALPHA = Setting(
    name="rmsprop_alpha",
    called="RMSprop α",
    kind=float,
    default=0.99,
    low=0,
    high=1,
    open_high=True,
    used_with=UsedWith("optimizer", (Optimizer.RMSPROP,)),
    group=AblationGroup.OPTIMIZER,
    about="Decay per step of rmsprop's mean of squared gradients.",
)
EPS = Setting(
    name="eps",
    called="ε",
    kind=float,
    default=1e-8,
    low=0,
    high=1,
    open_low=True,
    factor=10,
    used_with=UsedWith("optimizer", (*_ADAMS, Optimizer.RMSPROP, Optimizer.ADAGRAD)),
    group=AblationGroup.OPTIMIZER,
    about="Added to the root of the squared gradients, against division by zero.",
)
WEIGHT_DECAY = Setting(
    name="weight_decay",
    kind=float,
    default=0.0,
    low=0,
    high=1e6,
    factor=10,
    group=AblationGroup.OPTIMIZER,
    about="L2 penalty in the gradient; in adamw, decoupled from it.",
)
LR_SCHEDULE = Setting(
    name="lr_schedule",
    called="learning-rate schedule",
    kind=Schedule,
    default=Schedule.CONSTANT,
    group=AblationGroup.LEARNING_RATE,
    about="Schedule of the learning rate during training.",
)
WARMUP_EPOCHS = Setting(
    name="warmup_epochs",
    kind=int,
    default=1,
    low=1,
    high=100_000,
    used_with=UsedWith("lr_schedule", (Schedule.LINEAR_WARMUP,)),
    group=AblationGroup.LEARNING_RATE,
    about="Epochs until linear_warmup reaches the learning rate.",
)
WEIGHT_INIT = Setting(
    name="weight_init",
    kind=WeightInit,
    default=WeightInit.GLOROT_UNIFORM,
    group=AblationGroup.INITIAL_WEIGHTS,
    about="Initialisation of the weights.",
)
NOISE = Setting(
    name="noise",
    kind=Noise,
    default=Noise.NONE,
    fast_value=Noise.NONE,
    group=AblationGroup.NOISE,
    about="Noise added to the input images in training; the loss compares with the clean images.",
)
NOISE_STD = Setting(
    name="noise_std",
    called="standard deviation of the noise",
    short="Noise std",
    kind=float,
    default=0.3,
    low=0,
    high=10,
    open_low=True,
    factor=2,
    used_with=UsedWith("noise", (Noise.GAUSSIAN,)),
    group=AblationGroup.NOISE,
    about="Standard deviation of Gaussian noise, in pixel units (0 to 1).",
)
MASKED_SHARE = Setting(
    name="masked_share",
    kind=float,
    default=0.25,
    low=0,
    high=1,
    open_low=True,
    open_high=True,
    used_with=UsedWith("noise", (Noise.MASKING,)),
    group=AblationGroup.NOISE,
    about="Share of the numbers of an image that masking noise sets to 0, on average.",
)
#: No default: if omitted, each trial has its own seed.
SEED: Setting[Any] = Setting(
    name="seed",
    kind=int,
    default=None,
    low=0,
    high=LARGEST_SEED,
    group=None,
    about="Seed of weights and data order; by default each trial has its own.",
)

#: By name, in the order of docs and messages.
SETTINGS: Mapping[str, Setting[Any]] = {
    setting.name: setting
    for setting in (
        HIDDEN_WIDTH,
        HIDDEN_LAYERS,
        LAYER_WIDTH_FACTOR,
        ACTIVATION,
        OUTPUT_ACTIVATION,
        LOSS,
        HUBER_DELTA,
        EPOCHS,
        BATCH_SIZE,
        OPTIMIZER,
        LEARNING_RATE,
        MOMENTUM,
        NESTEROV,
        BETA1,
        BETA2,
        MOMENTUM_DECAY,
        RMSPROP_ALPHA,
        EPS,
        WEIGHT_DECAY,
        LR_SCHEDULE,
        WARMUP_EPOCHS,
        WEIGHT_INIT,
        NOISE,
        NOISE_STD,
        MASKED_SHARE,
        SEED,
    )
}

#: The settings of each group, in the order of the groups.
ABLATION_GROUPS: Mapping[AblationGroup, tuple[str, ...]] = {
    group: tuple(name for name, setting in SETTINGS.items() if setting.group is group)
    for group in AblationGroup
}

#: The ablation groups of each cause, in the order of the causes.
CAUSES: Mapping[Cause, tuple[AblationGroup, ...]] = {
    Cause.UPDATES: (AblationGroup.EPOCHS, AblationGroup.BATCH_SIZE),
    # Cross-entropy needs the sigmoid, so that neither changes without the other.
    Cause.OUTPUT: (AblationGroup.OUTPUT, AblationGroup.LOSS),
    Cause.ACTIVATION: (AblationGroup.ACTIVATION,),
    Cause.LEARNING_RATE: (AblationGroup.LEARNING_RATE,),
    Cause.OPTIMIZER: (AblationGroup.OPTIMIZER,),
    Cause.WIDTH: (AblationGroup.WIDTH,),
    Cause.DEPTH: (AblationGroup.DEPTH,),
    Cause.INITIAL_WEIGHTS: (AblationGroup.INITIAL_WEIGHTS,),
    Cause.NOISE: (AblationGroup.NOISE,),
}


def setting_of(param: str) -> str:
    """Return the setting of an Optuna parameter: ``learning_rate`` for ``sgd.learning_rate``."""
    return param.rpartition(".")[2]


def by_setting(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's parameters by setting; a trial has no setting twice."""
    return {setting_of(param): value for param, value in params.items()}


def is_used(name: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a setting has an effect given the others; momentum has none with adam.

    True for a name that is not a setting, and if its deciding setting is unknown.
    """
    rule = SETTINGS[name].used_with if name in SETTINGS else None
    return rule is None or settings.get(rule.setting, rule.choices[0]) in rule.choices


def in_use(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that have an effect given the others."""
    return {name: value for name, value in settings.items() if is_used(name, settings)}
