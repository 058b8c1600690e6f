"""How charts and pages name and write things."""

import html
import math
from collections.abc import Mapping
from typing import Any

from sweep.store.records import TrialRow

#: Axis titles, with units.
AXES: Mapping[str, str] = {
    "val_mse": "Validation error (MSE per pixel)",
    "test_mse": "Test error (MSE per pixel)",
    "hidden_width": "Hidden width (units)",
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
    return f"{of:.4g}" if isinstance(of, float) else str(of)


def percent(share: float, digits: int = 0) -> str:
    """A share in percent; a small one is not called nothing."""
    least = 10.0**-digits
    if 0 < 100 * share < least / 2:
        return f"< {least:g} %"
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


def hover(row: TrialRow, *, error: str = "val_mse") -> str:
    """The text that appears over a trial's mark: number, errors, params; plotly's HTML."""
    lines = [f"<b>Trial {row.number}</b>" + ("" if row.state == "COMPLETE" else f" ({row.state})")]
    for name in dict.fromkeys([error, "val_mse", "test_mse"]):
        measured = getattr(row, name)
        if measured is not None:
            label = axis(name).removesuffix(" (MSE per pixel)").lower()
            lines.append(f"{label} {number(measured, 4)}")
    params = row.params or {"hidden_width": row.hidden_width}
    lines += [
        f"{html.escape(setting(name))} {html.escape(value(of))}" for name, of in params.items()
    ]
    return "<br>".join(lines)
