"""Write CSV whose cells a spreadsheet shows unchanged (OWASP, "CSV Injection")."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

#: A character that starts a formula (full-width forms included) where a cell can begin: at the
#: start of a text or a line, or after the separator of some locale. Leading quotes and whitespace
#: are skipped, as programs do.
_FORMULA = re.compile(r"(^|[;\t\n\r|])([\s\"'\ufeff\u200b\x00-\x1f]*)(?=[=+\-@＝＋－＠])")
#: Whitespace that some programs strip before they interpret the rest.
_BLANK_FIRST = ("\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def harmless(value: Any) -> Any:
    """Return the value; texts that would be read as a formula get an apostrophe in front.

    Numbers stay numbers, including those written as text.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    defused = _FORMULA.sub(_with_apostrophe, value)
    return f"'{value}" if defused == value and value.startswith(_BLANK_FIRST) else defused


def _with_apostrophe(found: re.Match[str]) -> str:
    separator, passed_over = found.groups()
    if not separator:  # the entire cell is a text, including whitespace
        return f"'{passed_over}"
    return f"{separator}'{passed_over}"


def csv_text(lines: Iterable[Iterable[Any]]) -> str:
    """Format lines of cells as CSV, each line terminated by a line feed.

    A carriage return within a text becomes a line feed, which is quoted: alone, and unquoted as in
    Python's ``csv``, it would begin a row.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([harmless(_one_kind_of_line(value)) for value in line] for line in lines)
    return text.getvalue()


def _one_kind_of_line(value: Any) -> Any:
    if isinstance(value, str) and "\r" in value:
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return value
