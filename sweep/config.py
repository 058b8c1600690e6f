"""Define a trial's configuration: every setting, searched or fixed, that a trainer reads."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sweep.catalogue import settings
from sweep.catalogue.rules import conflicts, reference_only
from sweep.catalogue.settings import SETTINGS, Value, in_use
from sweep.enums import Activation, Loss, Noise, Optimizer, Output, Schedule, WeightInit


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """A complete configuration, searched and fixed settings alike.

    ``catalogue.settings`` describes each.
    """

    hidden_width: int = settings.HIDDEN_WIDTH.default
    hidden_layers: int = settings.HIDDEN_LAYERS.default
    layer_width_factor: float = settings.LAYER_WIDTH_FACTOR.default
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
    noise: Noise = settings.NOISE.default
    noise_std: float = settings.NOISE_STD.default
    masked_share: float = settings.MASKED_SHARE.default


#: The configuration whose blurred copies this product set out to explain: as many hidden units as
#: pixels, and Keras's defaults. All values are explicit, so that a changed default does not affect
#: it.
BASELINE = TrialConfig(
    hidden_width=784,
    hidden_layers=0,
    activation=Activation.RELU,
    output_activation=Output.SIGMOID,
    loss=Loss.BCE,
    epochs=5,
    batch_size=128,
    optimizer=Optimizer.ADAM,
    learning_rate=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-7,
    weight_decay=0.0,
    lr_schedule=Schedule.CONSTANT,
    weight_init=WeightInit.GLOROT_UNIFORM,
    noise=Noise.NONE,
)


@dataclass(frozen=True, kw_only=True)
class StudyBaseline:
    """What a study compares its trials with: one trial, or the first with certain settings."""

    #: The trial's number; None if settings choose it.
    number: int | None = None
    #: Settings in use, as TOML and SQL hold them; empty if a number chooses the trial.
    settings: Mapping[str, Value] = field(default_factory=dict)


def _comparable(config: TrialConfig) -> dict[str, Value]:
    # Without eps: Keras, in which the question was asked, and PyTorch use different values for
    # Adam, 1e-7 and 1e-8, and a trial with either counts as the baseline.
    return {name: of for name, of in in_use(asdict(config)).items() if name != settings.EPS.name}


#: The baseline of a study that names none.
DEFAULT_BASELINE = StudyBaseline(settings=_comparable(BASELINE))


def is_question(config: Mapping[str, object]) -> bool:
    """Return whether a configuration is BASELINE, which some texts refer to."""
    return all(config.get(name) == value for name, value in DEFAULT_BASELINE.settings.items())


def typed_config(values: Mapping[str, Value]) -> TrialConfig:
    """Build the configuration from stored settings; missing ones have their default."""
    typed: dict[str, Any] = {name: SETTINGS[name].to_type(of) for name, of in values.items()}
    return TrialConfig(**typed)


def check_config(config: TrialConfig) -> None:
    """Raise ValueError for settings that contradict each other."""
    if found := conflicts(vars(config)):
        raise ValueError(" ".join(found))


def check_fast(config: TrialConfig) -> None:
    """Raise ValueError for settings that only the reference trainer can train."""
    if found := reference_only(vars(config)):
        raise ValueError(f"{' and '.join(found)}: only the reference trainer can train that.")


def layer_widths(config: TrialConfig, n_inputs: int) -> tuple[int, ...]:
    """Return the widths from pixels to pixels, with the code's in the middle.

    At a factor of 1 the ratio of each layer's width to the next is constant on the way to the code,
    so each has the same share of the compression: 784, 170, 37, 8 with two further layers.
    """
    n_further, factor = config.hidden_layers, config.layer_width_factor
    ratio = (config.hidden_width / n_inputs) ** (1 / (n_further + 1))
    further = [max(1, round(factor * n_inputs * ratio**i)) for i in range(1, n_further + 1)]
    return n_inputs, *further, config.hidden_width, *reversed(further), n_inputs


def width_class(hidden_width: int) -> int:
    """Return the class of a width; there are two classes per octave."""
    return round(2 * math.log2(hidden_width))
