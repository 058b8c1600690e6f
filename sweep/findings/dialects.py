"""Render sentences: as ASCII in a terminal, or as pieces of text and code on a page.

Sentences are worded once, as pages show them: with typographic apostrophes, minus signs and powers
of ten, and with commands between backticks.
"""

import re
from typing import NamedTuple

_POWER = re.compile("·10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_ASCII = str.maketrans({"’": "'", "“": '"', "”": '"', "−": "-", "–": "-", "×": "x", "∞": "inf"})
_CODE = re.compile("`([^`]*)`")


class Piece(NamedTuple):
    """Part of a sentence in one typeface."""

    text: str
    is_code: bool


def in_ascii(sentence: str) -> str:
    """Return the sentence for a terminal: ``4.35·10⁻⁸`` as ``4.35e-08``, typewriter quotes."""
    return _POWER.sub(_exponent, sentence).replace(" · ", ", ").translate(_ASCII)


def _exponent(found: re.Match[str]) -> str:
    sign = "-" if found[1] else "+"
    return f"e{sign}{int(found[2].translate(_DIGITS)):02}"


def pieces(sentence: str) -> list[Piece]:
    """Split the sentence at its backticks, which are dropped."""
    parts = _CODE.split(sentence)
    return [Piece(text, place % 2 == 1) for place, text in enumerate(parts) if text]
