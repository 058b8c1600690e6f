"""Describe the error by width: its law in sentences, and what would determine it."""

import math
from shlex import quote

import numpy as np

from sweep.analysis.width_law import (
    MIN_SPAN,
    Interval,
    WidthErrors,
    WidthLaw,
    WidthVerdict,
)
from sweep.catalogue.formats import number
from sweep.store.records import Domain, NumberDomain

_SAID = {
    WidthVerdict.PLATEAU: "The error has stopped falling with the width",
    WidthVerdict.FALLING: "The error is still falling with the width",
    WidthVerdict.TOO_FEW: "The tried widths do not show what wider layers would do",
    WidthVerdict.SCATTERED: "The error follows no law in the width",
    WidthVerdict.BENT: "The error follows no single power law in the width",
}
_PERHAPS = {
    WidthVerdict.PLATEAU: "The error has perhaps stopped falling with the width",
    WidthVerdict.FALLING: "The error is perhaps still falling with the width",
}
#: Maximum number of widths of a study that would determine the law.
_MAX_CHOICES = 9


def verdict_in_short(found: WidthLaw) -> str:
    """Return the verdict on wider layers without its numbers."""
    return _PERHAPS[found.verdict] if found.is_open else _SAID[found.verdict]


def verdict_in_words(found: WidthLaw) -> str:
    """Return the verdict on wider layers."""
    return f"{verdict_in_short(found)}: {found.because}."


def what_would_tell(study: str, found: WidthLaw, errors: WidthErrors, domain: Domain | None) -> str:
    """Name the study that would determine the missing law; empty if there is one.

    ``domain`` is the study's domain of hidden_width: a range can be widened, choices and a fixed
    value (None) cannot.
    """
    widths = errors.widths
    if found.law is not None or found.verdict is WidthVerdict.BENT or not len(widths):
        return ""
    if found.verdict is WidthVerdict.SCATTERED:
        return _of_the_width_alone(errors)
    if not isinstance(domain, NumberDomain):
        return (
            "A study of more widths would show it: `sweep start FILE --name OTHER "
            "--set 'space.hidden_width={ low = 8, high = 1024, log = true }'`."
        )
    wanted, step = MIN_SPAN * widths[0], domain.step or 1
    if wanted <= domain.high:
        return f"More trials would show it: `sweep resume {quote(study)} --trials N`."
    high = domain.low + step * math.ceil((wanted - domain.low) / step)
    return (
        f"A wider range would show it: `sweep resume {quote(study)} --trials N "
        f"--set space.hidden_width.high={high:.0f}`."
    )


def _of_the_width_alone(errors: WidthErrors) -> str:
    """Say that differing other settings hide the effect of the width."""
    n = len(errors.widths)
    places = np.unique(np.linspace(0, n - 1, min(n, _MAX_CHOICES)).round().astype(int))
    choices = ", ".join(f"{width:.0f}" for width in errors.widths[places])
    best = errors.numbers[np.argmin(errors.best)]
    return (
        "A study of only the width would show it, with several seeds and all other settings as "
        f"in trial {best}, whose test error is lowest: `[space] hidden_width = [{choices}]`, "
        '`[sampler] name = "grid"`, `[study] repeat = 3`.'
    )


def about_law(found: WidthLaw) -> str:
    """Return the verdict on wider layers and the law that it is based on, if there is one."""
    said = [verdict_in_words(found)]
    law = found.law
    if law is None:
        return said[0]
    said.append(
        f"Error = {_value(law.e_inf)} + {number(law.a.estimate)} · width^−"
        f"{_value(law.alpha)}, through the best trial of each width; ranges are 90 % intervals."
    )
    if law.knee is not None:
        said.append(
            f"From a knee at {_value(law.knee)} units on, more than half of the error is the "
            "limit that no width removes."
        )
    return " ".join(said)


def _value(of: Interval) -> str:
    return f"{number(of.estimate)} ({number(of.low)} to {number(of.high)})"
