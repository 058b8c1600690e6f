"""Format values, for terminal, pages and reports alike."""

import math
from datetime import UTC, datetime
from typing import Any

from sweep.catalogue.records import Column, Format

#: Relative changes below this are rounding errors.
_NO_CHANGE = 5e-6


def number(value: float | None, digits: int = 3) -> str:
    """Format a number for people, with this many significant digits: 4.35·10⁻⁸."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 6:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}·10{_superscript(int(power))}"
    if exponent >= digits - 1:
        return f"{value:,.0f}"
    return f"{value:.{digits - 1 - exponent}f}"


def _superscript(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def value(of: Any) -> str:
    """Format a parameter's value: 0.001, 512, relu, yes."""
    if isinstance(of, bool):
        return "yes" if of else "no"
    if isinstance(of, float) and not (of.is_integer() and abs(of) < 1e6):
        return f"{of:.4g}"
    return f"{of:.0f}" if isinstance(of, float) else str(of)


def percent(share: float, digits: int = 0) -> str:
    """Format a share in percent; one near 0 or 1 as "< 1 %" or "> 99 %", not as 0 % or 100 %."""
    least = 10.0**-digits
    shown = round(100 * share, digits) + 0.0  # never -0
    if shown == 0 and share > 0:
        return f"< {least:g} %"
    if shown == 100 and share < 1:
        return f"> {100 - least:g} %"
    return f"{shown:.{digits}f} %"


def change(share: float) -> str:
    """Format a relative change in percent, with two significant digits: 0.34 %, 3.4 %, 340 %."""
    if abs(share) < _NO_CHANGE:
        return "0 %"
    return f"{100 * share:.0f} %" if abs(share) >= 0.0995 else f"{100 * share:.2g} %"


def duration(seconds: float | None) -> str:
    """Format a span of time: 0.02 s, 0.8 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "–"
    if 0 < seconds < 0.1:
        return f"{seconds:.1g} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest:02} s"


def moment(at: datetime) -> str:
    """Format a point in time, in UTC: 2026-01-02 03:04:05 UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def memory(used_bytes: int, total_bytes: int) -> str:
    """Format how much of a memory is in use: 1.2 of 80 GiB."""
    return f"{number(used_bytes / 2**30, 2)} of {number(total_bytes / 2**30, 2)} GiB"


def count(n: int, noun: str) -> str:
    """Format a count with its noun: ``1 trial``, ``2 trials``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def device(of: str) -> str:
    """Name a device: ``CPU``, ``GPU 0``."""
    return "CPU" if of == "cpu" else f"GPU {of.removeprefix('cuda:')}"


def cell(column: Column, value: float) -> str:
    """Format a value of a column whose heading has the unit."""
    match column.format:
        case Format.COUNT:
            return f"{value:,.0f}"
        case Format.ORDINAL:
            return f"{value:.0f}"
        case Format.PERCENT:
            return percent(value, 1)
        case Format.SECONDS:
            return number(value, 3)
        case Format.DECIBELS if math.isfinite(value):
            return f"{value:.2f}"
        case Format.MOMENT:
            return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}"
        case _:
            return number(value, 4)


def quantity(column: Column, value: float, spread: float | None = None) -> str:
    """Format a value of a column with its unit, and its spread over seeds."""
    match column.format:
        case Format.SECONDS:
            return duration(value)
        case Format.DECIBELS:
            return f"{cell(column, value)} dB"
        case _:
            text = cell(column, value)
            return text if spread is None else f"{text} ± {number(spread, 2)}"
