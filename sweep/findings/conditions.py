"""Parse filters that people type: ``relu``, ``hidden_width<=64``, ``loss:bce;value:..0.01``.

The syntax is more lenient than that of an address; the result is shown as its conditions.
"""

import difflib
import re
from collections.abc import Sequence

import numpy as np

from sweep.analysis.filters import Filter, short_enough, spellings
from sweep.errors import UsageError
from sweep.store.table import Choices, TrialTable

_COMPARED = re.compile(r"(\w+)(>=|<=|>|<|=|:)(\S+)")
#: A comma before a part, and the part.
_PARTS = re.compile(r"(,?)[,; …]*([^,; …]+)")
_SPACED = re.compile(r" ?(>=|<=|>|<|=|:) ?")


def add_typed(filtered: Filter, text: str, table: TrialTable) -> Filter:
    """Add typed conditions to a filter; they are separated by spaces, commas, semicolons or "and".

    Two values of one setting are alternatives. Raises UsageError for a part that has no meaning in
    this table.
    """
    # The pattern would search a run of spaces from each of its positions.
    plain = _with_names(" ".join(short_enough(text).split()), table)
    name = ""  # of the condition that values after a comma belong to
    for comma, part in _PARTS.findall(_SPACED.sub(r"\1", plain)):
        if part.lower() == "and":
            continue
        if comma and name and _is_value(name, part, table):
            part = f"{name}:{part}"
        filtered, name = _add(filtered, part, table)
    filtered.mask(table)  # raise for an unknown column here, not when the grid asks
    return filtered


def _with_names(text: str, table: TrialTable) -> str:
    """Replace titles, headings and short names of columns in the text by the columns' names."""
    known = spellings(table)
    longest_first = sorted(known, key=len, reverse=True)
    pattern = rf"(?<![\w.])({'|'.join(map(re.escape, longest_first))})(?= ?[<>=:])"
    return re.sub(pattern, lambda found: known[found[1].lower()], text, flags=re.IGNORECASE)


def _is_value(name: str, word: str, table: TrialTable) -> bool:
    """Return whether a word after a comma is a further value of the column."""
    column = table.column(name) if name in table.column_names else None
    if isinstance(column, Choices):
        return word.lower() in {str(known).lower() for known in column.names}
    return column is not None and word.replace(".", "", 1).isdecimal()


def _add(filtered: Filter, part: str, table: TrialTable) -> tuple[Filter, str]:
    """Add one condition; also return the column that values after a comma belong to, if any."""
    compared = _COMPARED.fullmatch(part)
    if compared is None:
        name, value = _interpret(part, table)
        return _either(filtered, name, (value,)), name
    name, sign, value = compared.groups()
    if sign in (":", "="):
        given = Filter.parse(f"{name}:{value}")
        if name in given.ranges:
            return filtered.without(name).between(name, *given.ranges[name]), ""
        return _either(filtered, name, _to_spelling(name, given.choices[name], table)), name
    low, high = filtered.ranges.get(name, (-np.inf, np.inf))
    end = _number(part, value)
    if sign in (">", ">="):
        low = end if sign == ">=" else _beyond(end, np.inf, name, table)
    else:
        high = end if sign == "<=" else _beyond(end, -np.inf, name, table)
    return filtered.among(name, ()).between(name, low, high), ""


def add_values(filtered: Filter, name: str, values: Sequence[str], table: TrialTable) -> Filter:
    """Add values of a column, in any case. Raises UsageError for one that no trial can have."""
    return _either(filtered, name, _to_spelling(name, tuple(values), table))


def _either(filtered: Filter, name: str, values: tuple[str, ...]) -> Filter:
    wanted = dict.fromkeys((*filtered.choices.get(name, ()), *values))
    return filtered.between(name).among(name, tuple(wanted))


def _beyond(end: float, towards: float, name: str, table: TrialTable) -> float:
    """Return the value next to ``end``, to exclude ``end`` from a range with closed ends."""
    column = table.column(name) if name in table.column_names else None
    if not isinstance(column, np.ndarray) or not np.any(column == end):
        return end
    beyond = column[column > end] if towards > end else column[column < end]
    if not len(beyond):
        return end + (1 if towards > end else -1)
    return float(beyond.min() if towards > end else beyond.max())


def _number(part: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"'{part}': a number has to follow < and >.") from None


def _to_spelling(name: str, values: tuple[str, ...], table: TrialTable) -> tuple[str, ...]:
    """Return the values in the column's spelling, whatever case was typed."""
    column = table.column(name) if name in table.column_names else None
    if not isinstance(column, Choices):
        return values
    by_name = {str(known).lower(): str(known) for known in column.names}
    aliases = {"yes": "true", "no": "false"}
    lowered = [aliases.get(value.lower(), value.lower()) for value in values]
    for value, key in zip(values, lowered, strict=True):
        if key not in by_name:
            known = ", ".join(by_name.values())
            raise UsageError(f"no trial has {name} '{value}'.{_hint(key, by_name)} Known: {known}.")
    return tuple(by_name[key] for key in lowered)


def _interpret(word: str, table: TrialTable) -> tuple[str, str]:
    """Find column and value of a single word: a trial's number, or a value such as relu."""
    if word.isdecimal():
        return "number", word
    if word.lower() in ("valid", "invalid"):
        return "invalid", str(word.lower() == "invalid")
    values: dict[str, tuple[str, str]] = {}
    for name in (*table.settings, "state", "outcome", "worker"):
        column = table.column(name)
        if isinstance(column, Choices):
            texts = [value for value in column.names if isinstance(value, str)]
            values = {value.lower(): (name, value) for value in texts} | values
    if word.lower() in values:
        return values[word.lower()]
    raise UsageError(
        f"'{word}' is not a value of any trial.{_hint(word.lower(), values)} "
        "Write a value such as relu, a range such as hidden_width:32..64, or value<0.01."
    )


def _hint(word: str, known: dict[str, str] | dict[str, tuple[str, str]]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
