"""Cells of CSV files that a spreadsheet shows as they are."""

from typing import Any

#: How a text begins that a spreadsheet would run.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(value: Any) -> Any:
    """The value; a text that would be taken for a formula has a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
