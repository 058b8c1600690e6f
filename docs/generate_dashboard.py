"""Writes the table of figures in docs/dashboard.md from the registry. `make docs` runs it."""

from collections.abc import Iterator
from pathlib import Path

from sweep.figures.registry import FIGURES

TARGET = Path(__file__).with_name("dashboard.md")

BEGIN = "<!-- Written by `make docs`; change sweep/figures/registry.py instead. -->\n"
END = "<!-- End of what `make docs` writes. -->\n"


def render() -> str:
    """Return the page, with the table as the code has it."""
    before, rest = TARGET.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n".join(_figures()) + "\n" + END + after


def _figures() -> Iterator[str]:
    yield "| question | pages | section of the report | `sweep figure NAME …` |"
    yield "|---|---|---|---|"
    for name, figure in FIGURES.items():
        pages = ", ".join(figure.pages)
        yield f"| {figure.question} | {pages} | {figure.section or '–'} | `{name}` |"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
