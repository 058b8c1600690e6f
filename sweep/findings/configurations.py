"""Describe configurations of trials in a few words."""

from collections.abc import Mapping
from typing import Any

from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, value
from sweep.catalogue.settings import by_setting
from sweep.enums import Noise
from sweep.store.records import TrialRow

_MAIN = {
    *("hidden_width", "hidden_layers", "activation", "loss", "output_activation", "optimizer"),
    *("epochs", "noise"),
}


def network(config: Mapping[str, Any]) -> str:
    """Return the hidden units of a network: ``32 relu units behind 2 further layers``."""
    units = count(config["hidden_width"], f"{config['activation']} unit")
    n_further = config.get("hidden_layers", 0)
    return f"{units} behind {count(n_further, 'further layer')}" if n_further else units


def short_name(row: TrialRow) -> str:
    """Return the main settings of a trial: ``512 relu · mse · adam · 5 epochs``."""
    config = row.config
    if not config:
        return ", ".join(
            f"{column_named(name).title} {value(of)}" for name, of in row.params.items()
        )
    parts = [f"{config['hidden_width']} {config['activation']}"]
    if n_further := config.get("hidden_layers"):
        parts.append(count(n_further, "further layer"))
    parts.append(config["loss"])
    if config["output_activation"] != "sigmoid":
        parts.append(f"{config['output_activation']} output")
    if (noise := config.get("noise", Noise.NONE)) != Noise.NONE:
        parts.append(f"{noise} noise")
    return " · ".join([*parts, config["optimizer"], count(config["epochs"], "epoch")])


def configuration(row: TrialRow) -> str:
    """Return the main settings of a trial, and every other one that was searched."""
    rest = by_setting(row.params)
    said = [
        f"{column_named(name).title} {value(of)}" for name, of in rest.items() if name not in _MAIN
    ]
    return " · ".join([short_name(row), *said]) if row.config else short_name(row)
