"""Describe a column of trials: how its values are named, scaled, ordered and written."""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """How the values of a column are written, by ``catalogue.formats``."""

    #: Significant digits, or a name.
    NUMBER = "number"
    #: A count: digits in groups of three.
    COUNT = "count"
    #: A trial's number: digits without grouping.
    ORDINAL = "ordinal"
    PERCENT = "percent"
    DECIBELS = "decibels"
    SECONDS = "seconds"
    #: Seconds since the epoch.
    MOMENT = "moment"


class Better(StrEnum):
    """Which of two values is the better one."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of trials by the name that filters, axes, exports and URLs use."""

    name: str
    #: Its name in a sentence, if it differs from ``name`` in plain words.
    called: str = ""
    unit: str = ""
    #: Heading of a narrow table; empty if the title serves.
    short: str = ""
    #: Factor between the ticks of its axis, if its values differ by factors.
    factor: int | None = None
    format: Format = Format.NUMBER
    better: Better | None = None

    @property
    def title(self) -> str:
        """Its name in a sentence, such as "hidden width"."""
        return self.called or self.name.replace("_", " ")

    @property
    def heading(self) -> str:
        """Its name above a column of a table."""
        return self.short or capitalise(self.title)

    @property
    def axis_title(self) -> str:
        """Its name along an axis, with the unit."""
        return capitalise(self.title) + (f" ({self.unit})" if self.unit else "")

    @property
    def higher_is_better(self) -> bool:
        """Tell whether a higher value is better."""
        return self.better is Better.HIGHER


def capitalise(title: str) -> str:
    """Begin the title with a capital; Greek symbols do not change."""
    first = title[:1] if title[:1] > "z" else title[:1].upper()
    return first + title[1:]
