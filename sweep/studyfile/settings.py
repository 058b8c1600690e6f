"""Every setting a study file's ``[space]`` can hold: its kind, its limits, and what uses it.

The settings are the fields of ``TrialConfig``, and ``seed``; their defaults are that record's.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, WeightInit
from sweep.studyfile.words import hint, show

#: A setting's value as TOML and Optuna hold it; names are plain strings.
Value = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: what values it takes and what it is for."""

    name: str
    kind: type[StrEnum] | type[int] | type[float] | type[bool]
    about: str
    #: Inclusive limits of a number, unless ``open_low`` or ``open_high``.
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    #: Only used when another setting has one of these values.
    used_with: tuple[str, tuple[str, ...]] | None = None

    @property
    def noun(self) -> str:
        """What messages call a value of this setting."""
        return {"weight_init": "weight initialisation"}.get(self.name, self.name)

    @property
    def choices(self) -> tuple[str, ...]:
        """The names this setting takes; none when it takes numbers or a bool."""
        return tuple(str(name) for name in self.kind) if issubclass(self.kind, StrEnum) else ()

    @property
    def default(self) -> Value | None:
        """The value where a study file does not give one; None for the seed alone."""
        return _DEFAULTS.get(self.name)

    @property
    def limits(self) -> str:
        """The limits in words, such as ``at least 0 and below 1``."""
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'above' if self.open_low else 'at least'} {_number(self.low)}")
        if self.high < math.inf:
            parts.append(f"{'below' if self.open_high else 'at most'} {_number(self.high)}")
        return " and ".join(parts)

    def read(self, value: object) -> Value:
        """The value as this setting holds it; ValueError with a sentence when it cannot be."""
        if issubclass(self.kind, StrEnum):
            return self._read_name(value)
        if self.kind is bool:
            if not isinstance(value, bool):
                raise ValueError(f"must be true or false, got {show(value)}.")
            return value
        return self._read_number(value)

    def typed(self, value: Value) -> Value:
        """The value as ``TrialConfig`` holds it: names as members of their enum."""
        return self.kind(str(value)) if issubclass(self.kind, StrEnum) else self.kind(value)

    def _read_name(self, value: object) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        known = hint(value, self.choices)
        raise ValueError(f"unknown {self.noun} {show(value)}. {known}")

    def _read_number(self, value: object) -> int | float:
        whole = self.kind is int
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            kind = "whole number" if whole else "number"
            raise ValueError(f"must be a {kind}, got {show(value)}.")
        if not self._within(value):
            raise ValueError(f"must be {self.limits}, got {show(value)}.")
        return value if whole else float(value)

    def _within(self, value: int | float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below  # NaN is neither


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _plain(value: object) -> Value:
    if isinstance(value, StrEnum):
        return str(value)
    assert isinstance(value, int | float | bool)
    return value


_DEFAULTS: Mapping[str, Value] = {
    field.name: _plain(field.default) for field in dataclasses.fields(TrialConfig)
}


def typed_config(values: Mapping[str, Value]) -> TrialConfig:
    """A configuration from its settings as they are stored; those left out have their default."""
    settings: dict[str, Any] = {name: SETTINGS[name].typed(of) for name, of in values.items()}
    return TrialConfig(**settings)


_SGD, _RMSPROP = (Optimizer.SGD,), (Optimizer.RMSPROP,)
_ADAMS = (Optimizer.ADAM, Optimizer.ADAMW)
_WITH_EPS = (*_ADAMS, Optimizer.RMSPROP, Optimizer.ADAGRAD)

SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            name="hidden_width",
            kind=int,
            low=1,
            high=65_536,
            about="Number of hidden units: the length of the code.",
        ),
        Setting(name="activation", kind=Activation, about="What the hidden units compute."),
        Setting(
            name="output",
            kind=Output,
            about="What the output units compute: a pixel in (0, 1), or any number.",
        ),
        Setting(
            name="loss",
            kind=Loss,
            about="What training minimises, per pixel; bce needs the sigmoid output.",
        ),
        Setting(
            name="delta",
            kind=float,
            low=0,
            high=1e6,
            open_low=True,
            used_with=("loss", (Loss.HUBER,)),
            about="Where the Huber loss turns from quadratic to linear, in pixel units (0 to 1).",
        ),
        Setting(
            name="epochs", kind=int, low=1, high=100_000, about="Passes over the training images."
        ),
        Setting(name="batch_size", kind=int, low=1, high=65_536, about="Images per training step."),
        Setting(name="optimizer", kind=Optimizer, about="The family of update rule."),
        Setting(
            name="learning_rate",
            kind=float,
            low=0,
            high=1e6,
            open_low=True,
            about="Step size of the update, at its highest point of the schedule.",
        ),
        Setting(
            name="momentum",
            kind=float,
            low=0,
            high=1,
            open_high=True,
            used_with=("optimizer", _SGD + _RMSPROP),
            about="Share of the last step that the next one keeps.",
        ),
        Setting(
            name="nesterov",
            kind=bool,
            used_with=("optimizer", _SGD),
            about="Look ahead along the momentum; needs a momentum above 0.",
        ),
        Setting(
            name="beta1",
            kind=float,
            low=0,
            high=1,
            open_high=True,
            used_with=("optimizer", _ADAMS),
            about="Decay of the mean of gradients, a step.",
        ),
        Setting(
            name="beta2",
            kind=float,
            low=0,
            high=1,
            open_high=True,
            used_with=("optimizer", _ADAMS),
            about="Decay of the mean of squared gradients, a step.",
        ),
        Setting(
            name="alpha",
            kind=float,
            low=0,
            high=1,
            open_high=True,
            used_with=("optimizer", _RMSPROP),
            about="Decay of rmsprop's mean of squared gradients, a step.",
        ),
        Setting(
            name="eps",
            kind=float,
            low=0,
            high=1,
            open_low=True,
            used_with=("optimizer", _WITH_EPS),
            about="Added to the root of the squared gradients, against division by zero.",
        ),
        Setting(
            name="weight_decay",
            kind=float,
            low=0,
            high=1e6,
            about="L2 penalty in the gradient; in adamw, decoupled from it.",
        ),
        Setting(name="schedule", kind=Schedule, about="How the learning rate moves over training."),
        Setting(
            name="warmup_epochs",
            kind=int,
            low=1,
            high=100_000,
            used_with=("schedule", (Schedule.LINEAR_WARMUP,)),
            about="Epochs until linear_warmup reaches the learning rate.",
        ),
        Setting(name="weight_init", kind=WeightInit, about="How the weights begin."),
        Setting(
            name="seed",
            kind=int,
            low=0,
            high=2**31 - 1,
            about="Seed of weights and data order; left out, each trial gets its own.",
        ),
    )
}
