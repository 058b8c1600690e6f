"""How charts and pages name and write things."""

import math
from collections.abc import Mapping
from typing import Any

from sweep.analysis.usage import used
from sweep.figures import style
from sweep.store.records import TrialRow
from sweep.store.table import Choices, TrialTable

#: Axis titles, with units.
AXES: Mapping[str, str] = {
    "val_mse": "Validation error (MSE per pixel)",
    "test_mse": "Test error (MSE per pixel)",
    "test_bce": "Test cross-entropy (BCE, nats per pixel)",
    "psnr": "Test PSNR (dB)",
    "exact_pixels": "Exact pixels (share of the test pixels)",
    "hidden_width": "Hidden width (units)",
    "n_parameters": "Parameters",
    "train_seconds": "Training time (s)",
    "epoch": "Epoch",
    "number": "Trial number",
}

#: What is minimised, in a sentence.
OBJECTIVES: Mapping[str, str] = {
    "val_mse": "validation error",
    "hidden_width": "hidden width",
    "train_seconds": "training time",
}

#: Settings whose name is not already plain words.
_SETTINGS: Mapping[str, str] = {
    "hidden_width": "hidden width",
    "beta1": "β₁",
    "beta2": "β₂",
    "alpha": "α",
    "eps": "ε",
    "delta": "Huber δ",
}


#: Settings that a mark tells of.
_MAX_CHOSEN = 9


def axis(name: str) -> str:
    """The axis title of a metric or setting."""
    return AXES.get(name, setting(name))


def setting(name: str) -> str:
    """A setting or parameter in words: ``sgd.learning_rate`` is "sgd learning rate"."""
    *families, last = name.split(".")
    return " ".join([*families, _SETTINGS.get(last, last.replace("_", " "))])


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, the way people write it."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 6:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}·10{_raised(int(power))}"
    if exponent >= digits - 1:
        return f"{value:,.0f}"
    return f"{value:.{digits - 1 - exponent}f}"


def _raised(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def value(of: Any) -> str:
    """A parameter's value as text: 0.001, 512, relu, yes."""
    if isinstance(of, bool):
        return "yes" if of else "no"
    if isinstance(of, float) and not (of.is_integer() and abs(of) < 1e6):
        return f"{of:.4g}"
    return f"{of:.0f}" if isinstance(of, float) else str(of)


def percent(share: float, digits: int = 0) -> str:
    """A share in percent; a small one is not called nothing, nor nearly all of it all."""
    least = 10.0**-digits
    if 0 < 100 * share < least / 2:
        return f"< {least:g} %"
    if 0 < 100 * (1 - share) < least / 2:
        return f"> {100 - least:g} %"
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """A span of time: 0.8 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def short_name(row: TrialRow) -> str:
    """What a trial is, in a few words: ``512 relu · mse · adam · 5 epochs``."""
    config = row.config
    if not config:
        return ", ".join(f"{setting(name)} {value(of)}" for name, of in row.params.items())
    parts = [f"{config['hidden_width']} {config['activation']}", config["loss"]]
    if config["output"] != "sigmoid":
        parts.append(f"{config['output']} output")
    epochs = config["epochs"]
    return " · ".join([*parts, config["optimizer"], f"{epochs} epoch{'' if epochs == 1 else 's'}"])


def hovers(table: TrialTable, *, error: str = "val_mse") -> list[str] | None:
    """The text over each trial's mark: number, errors, searched settings; plotly's HTML.

    None where there are too many marks for that: ``style.hovering`` then tells their numbers.
    """
    if len(table) > style.HOVER_MARKS:
        return None
    lines = [_names(table)]
    lines += [_measured(table, name) for name in dict.fromkeys([error, "val_mse", "test_mse"])]
    lines += [_chosen(table, name) for name in (table.searched or ("hidden_width",))[:_MAX_CHOSEN]]
    return ["<br>".join(filter(None, of_trial)) for of_trial in zip(*lines, strict=True)]


def _names(table: TrialTable) -> list[str]:
    states = (table.states.value(row) for row in range(len(table)))
    return [
        f"<b>Trial {number}</b>" + ("" if state == "COMPLETE" else style.escaped(f" ({state})"))
        for number, state in zip(table.numbers, states, strict=True)
    ]


def _measured(table: TrialTable, name: str) -> list[str]:
    label = axis(name).partition(" (")[0].lower()
    errors = table.metrics[name].tolist()
    return ["" if math.isnan(error) else f"{label} {number(error, 4)}" for error in errors]


def _chosen(table: TrialTable, name: str) -> list[str]:
    label = style.escaped(setting(name))
    shown = zip(texts(table, name), used(table, name), strict=True)
    return [f"{label} {style.escaped(text)}" if text and is_used else "" for text, is_used in shown]


def texts(table: TrialTable, name: str) -> list[str]:
    """A column as text; empty where a trial has no such value."""
    column = table.column(name)
    if isinstance(column, Choices):
        known = [*map(value, column.names), ""]  # code -1 is the last
        return [known[code] for code in column.codes]
    return ["" if math.isnan(of) else value(of) for of in column.tolist()]
