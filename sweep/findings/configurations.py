"""Configurations of trials, in a few words."""

from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, value
from sweep.catalogue.settings import by_setting
from sweep.store.records import TrialRow

_MAIN = {"hidden_width", "activation", "loss", "output_activation", "optimizer", "epochs"}


def short_name(row: TrialRow) -> str:
    """Return the main settings of a trial: ``512 relu · mse · adam · 5 epochs``."""
    config = row.config
    if not config:
        return ", ".join(
            f"{column_named(name).title} {value(of)}" for name, of in row.params.items()
        )
    parts = [f"{config['hidden_width']} {config['activation']}", config["loss"]]
    if config["output_activation"] != "sigmoid":
        parts.append(f"{config['output_activation']} output")
    return " · ".join([*parts, config["optimizer"], count(config["epochs"], "epoch")])


def configuration(row: TrialRow) -> str:
    """Return the main settings of a trial, and every other one that was searched."""
    rest = by_setting(row.params)
    said = [
        f"{column_named(name).title} {value(of)}" for name, of in rest.items() if name not in _MAIN
    ]
    return " · ".join([short_name(row), *said]) if row.config else short_name(row)
