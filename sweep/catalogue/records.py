"""What is known of a column of trials: how people call, scale, order and write its values."""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """How the values of a column are written; ``catalogue.formats`` does it."""

    #: Significant digits, or a name.
    NUMBER = "number"
    #: A count: digits in groups of three.
    COUNT = "count"
    #: A trial's number: digits alone.
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
    """A column of trials by the name that filters, axes, exports and URLs give it."""

    name: str
    #: What people call it in a sentence, where the name is not plain words already.
    called: str = ""
    unit: str = ""
    #: Heading of a narrow table; empty where the title does.
    short: str = ""
    #: Factor between the ticks of its axis, where its values differ by factors.
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
        return self.short or capitalised(self.title)

    @property
    def axis_title(self) -> str:
        """Its name along an axis, with the unit."""
        return capitalised(self.title) + (f" ({self.unit})" if self.unit else "")

    @property
    def higher_is_better(self) -> bool:
        """Tell whether a higher value is better."""
        return self.better is Better.HIGHER


def capitalised(title: str) -> str:
    """Begin the title with a capital; a Greek symbol stays as it is."""
    first = title[:1] if title[:1] > "z" else title[:1].upper()
    return first + title[1:]
