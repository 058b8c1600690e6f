"""Check rules between the settings of a trial, for study files and trainers."""

from collections.abc import Mapping
from typing import Any

from sweep.catalogue.settings import SETTINGS
from sweep.enums import Loss, Optimizer, Output


def needs_sigmoid(loss: Any, output: Any) -> bool:
    """Return whether a loss of probabilities gets outputs that may leave (0, 1)."""
    return bool(loss == Loss.BCE and output != Output.SIGMOID)


def needs_momentum(optimizer: Any, nesterov: Any, momentum: Any) -> bool:
    """Return whether nesterov is used without a momentum."""
    return bool(optimizer == Optimizer.SGD and nesterov is True and momentum == 0)


def reference_only(settings: Mapping[str, Any]) -> list[str]:
    """List the settings that only the reference trainer can train, such as "hidden_layers 2"."""
    return [
        f"{name} {settings[name]}"
        for name, setting in SETTINGS.items()
        if setting.fast_value is not None and settings[name] != setting.fast_value
    ]


def conflicts(settings: Mapping[str, Any]) -> list[str]:
    """List the contradictions in a complete configuration, a sentence each."""
    found = []
    if needs_sigmoid(settings["loss"], settings["output_activation"]):
        found.append(
            f"loss bce needs output_activation sigmoid, not {settings['output_activation']}."
        )
    if needs_momentum(settings["optimizer"], settings["nesterov"], settings["momentum"]):
        found.append("nesterov needs a momentum above 0.")
    return found
