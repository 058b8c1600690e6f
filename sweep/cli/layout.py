"""Lay out tables for a terminal, in its number of columns.

Numbers are never split: the parts would be read as two numbers. If a table is too wide, headings
break between their words first, then texts wrap, and finally columns are omitted and named.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.table import Table

from sweep.cli.words import clean

#: Wider than any table.
ENDLESS = 10_000
_GAP = 2
#: Minimum width of a wrapped text.
_NARROWEST = 16
_WORDS = re.compile("[^ _]*[ _]?")


@dataclass(frozen=True, kw_only=True)
class TextColumn:
    """A column of a table."""

    heading: str
    cells: Sequence[str]
    is_number: bool

    @cached_property
    def natural(self) -> int:
        """Return the length of the longest line."""
        return max(_longest_line(self.heading), self.compact)

    @cached_property
    def compact(self) -> int:
        """Return the length with the heading broken between all its words."""
        return max(self._longest_word, self._longest_cell)

    @cached_property
    def narrowest(self) -> int:
        """Return the least width that splits neither a number nor a word of the heading."""
        cells = self._longest_cell
        return max(self._longest_word, cells if self.is_number else min(cells, _NARROWEST))

    @cached_property
    def _longest_word(self) -> int:
        return max(len(word.rstrip()) for word in _WORDS.findall(self.heading))

    @cached_property
    def _longest_cell(self) -> int:
        return max(map(_longest_line, self.cells), default=0)


def _longest_line(text: str) -> int:
    return max(map(len, text.split("\n")))


def fit(columns: Sequence[TextColumn], room: int) -> tuple[Table, list[str]]:
    """Fit columns into ``room`` characters; also return the headings of omitted ones."""
    kept = list(columns)
    while len(kept) > 1 and _total([of.narrowest for of in kept]) > room:
        # The last number is omitted first: remarks after it, and words before, say more.
        last = max((n for n, of in enumerate(kept) if of.is_number and n), default=len(kept) - 1)
        del kept[last]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    table.show_header = any(of.heading for of in kept)
    widths = _widths(kept, room)
    headings = [_broken(clean(of.heading), width) for of, width in zip(kept, widths, strict=True)]
    height = max((heading.count("\n") for heading in headings), default=0)
    for of, heading, width in zip(kept, headings, widths, strict=True):
        raised = "\n" * (height - heading.count("\n")) + heading  # headings align at the bottom
        table.add_column(
            raised, justify="right" if of.is_number else "left", overflow="fold", width=width
        )
    for row in zip(*(of.cells for of in kept), strict=True):
        table.add_row(*map(clean, row))
    return table, [of.heading for of in columns if of not in kept]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _widths(columns: Sequence[TextColumn], room: int) -> list[int]:
    """Return natural widths if they fit; else break headings and narrow the widest texts."""
    widths = [of.natural for of in columns]
    if _total(widths) > room:
        widths = [of.compact for of in columns]
    while (excess := _total(widths) - room) > 0:
        able = [n for n, of in enumerate(columns) if widths[n] > of.narrowest]
        if not able:  # a single column
            break
        widest = max(able, key=lambda n: widths[n])
        next_width = max((widths[n] for n in able if widths[n] < widths[widest]), default=0)
        spare = widths[widest] - max(next_width, columns[widest].narrowest)
        widths[widest] -= min(max(spare, 1), excess)
    return widths


def _broken(heading: str, width: int) -> str:
    """Break a heading between its words, also after an underscore."""
    lines = [""]
    for word in _WORDS.findall(heading):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)
