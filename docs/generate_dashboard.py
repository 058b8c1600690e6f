"""Writes the table of figures in docs/dashboard.md from the registry. `make docs` runs it."""

from collections.abc import Iterator
from pathlib import Path

from docs.generated_section import with_section
from sweep.figures.registry import FIGURES

TARGET = Path(__file__).with_name("dashboard.md")


def render() -> str:
    """Return the page, with the table as the code has it."""
    return with_section(TARGET, "sweep/figures/registry.py", _figures())


def _figures() -> Iterator[str]:
    yield "| question | pages | section of the report | `sweep figure NAME …` |"
    yield "|---|---|---|---|"
    for name, figure in FIGURES.items():
        pages = ", ".join(figure.pages)
        yield f"| {figure.question} | {pages} | {figure.section or '–'} | `{name}` |"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
