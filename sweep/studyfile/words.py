"""Word problems: values as a user wrote them, and suggestions of similar names."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence

from sweep.catalogue.synonyms import find_synonym

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: Longer text is cut before it is shown or compared; difflib is slow on long strings.
_LONGEST = 60


def show(value: object) -> str:
    """Write a value in a message: short, printable, and as TOML would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    # Python refuses to print an int with more than 4,300 digits.
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of about {int(value.bit_length() * 0.30103)} digits"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else value[:_LONGEST] + "…")
    return str(value)


def show_path(keys: Iterable[object]) -> str:
    """Join keys by dots, quoted if TOML would quote them."""
    return ".".join(_show_key(str(key)) for key in keys)


def _show_key(key: str) -> str:
    cut = key if len(key) <= _LONGEST else key[:_LONGEST] + "…"
    return cut if _BARE_KEY.fullmatch(key) else json.dumps(cut)


def either(values: Sequence[object]) -> str:
    """Join values: ``1, 2 or 3``."""
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last


def hint(word: object, known: Iterable[str], elsewhere: str | None = None) -> str:
    """Return a hint for a problem, like ``Did you mean 'adam'? Known: adam, adamw.``.

    ``elsewhere`` is suggested if no known name is similar.
    """
    names = list(known)
    near = (nearest(word, names) if isinstance(word, str) else None) or elsewhere
    guess = f"Did you mean '{near}'? " if near else ""
    return f"{guess}Known: {', '.join(names)}."


def nearest(word: str, names: Sequence[str]) -> str | None:
    """Find the name that another tool uses for the word, or else the most similar one."""
    close = difflib.get_close_matches(word[:_LONGEST], names, n=1)
    return find_synonym(word, names) or (close[0] if close else None)
