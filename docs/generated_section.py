"""A part of a page that `make docs` writes, between two comments."""

from collections.abc import Iterable
from pathlib import Path

_END = "<!-- End of what `make docs` writes. -->\n"


def with_section(page: Path, source: str, lines: Iterable[str]) -> str:
    """Return the page with these lines in its generated part, which names ``source``."""
    begin = f"<!-- Written by `make docs`; change {source} instead. -->\n"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(_END)
    return before + begin + "\n".join(lines) + "\n" + _END + after
