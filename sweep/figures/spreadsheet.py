"""Cells of CSV files that a spreadsheet shows as they are (OWASP, "CSV Injection")."""

import re
from typing import Any

#: How a text begins that a spreadsheet would run; some take the wide forms for the narrow ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def harmless(value: Any) -> Any:
    """The value; a text that would be taken for a formula has an apostrophe before it.

    Numbers stay numbers, those written as text too.
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"
