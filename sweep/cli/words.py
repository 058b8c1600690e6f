"""Format numbers, times and texts for people."""

import json
import re
import shlex
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sweep.catalogue import formats
from sweep.catalogue.formats import count as count
from sweep.catalogue.formats import duration
from sweep.findings.dialects import in_ascii

NOTHING = "-"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def number(value: float | None, digits: int = 4) -> str:
    """Format a number in ASCII, with this many significant digits: 4.35e-08."""
    return in_ascii(formats.number(value, digits))


def percent(share: float | None) -> str:
    """Format a share of 1 in percent."""
    return NOTHING if share is None else formats.percent(share, 1)


def text(value: Any) -> str:
    """Format the value of a setting or parameter."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def seconds(value: float | None) -> str:
    """Format a duration."""
    return NOTHING if value is None else duration(value)


def moment(time: datetime | None) -> str:
    """Format a point in time in the reader's time zone."""
    return NOTHING if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def clean(given: str) -> str:
    """Replace control characters, with which a note could rewrite a terminal."""
    harmless = (c if c.isprintable() or c in "\n\t" else _REPLACEMENT for c in given)
    return "".join(harmless)


def escape(json_text: str) -> str:
    r"""Escape in JSON the characters that ``clean`` replaces, such as ``\u009b``.

    The line feeds between its values stay.
    """
    return _CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], json_text)


#: C0 and C1 controls, DEL, bidirectional controls, and line separators.
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)


def unroll(given: str) -> str:
    """Join the text to one line."""
    return " ".join(given.split())


def command(words: str, storage: str | None = None) -> str:
    """Write a command to paste, with the --storage that it needs to reach the same database."""
    if storage is None or passwords_in(storage):  # passwords must not be shown
        return f"`{words}`"
    return f"`{words} --storage {shlex.quote(storage)}`"


def in_terminal(sentence: str, storage: str | None = None) -> str:
    """Write a sentence of findings in ASCII; its commands reach the same database."""
    return in_ascii(_COMMAND.sub(lambda found: command(found[1], storage), sentence))


_COMMAND = re.compile("`(sweep [^`]*)`")


def passwords_in(url: str) -> set[str]:
    """Return every password in a URL, before its host or as an option; as written, and decoded.

    PostgreSQL's driver accepts ``?password=`` and ``?sslpassword=`` too.
    """
    try:
        parts = urlsplit(url)
        named = {parts.password or ""}
        named |= {value for key, value in _options(parts.query) if "password" in key.lower()}
    except ValueError:
        return set()
    return {secret for word in named for secret in (word, unquote(word))} - {""}


def _options(query: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in query.split("&"))
    return [*((key, value) for key, _, value in pairs), *parse_qsl(query)]


def shorten(given: str, longest: int = 60) -> str:
    """Shorten a text for a message."""
    return given if len(given) <= longest else given[:longest] + "…"
