"""Writes the pages from the stored studies."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile

from jinja2 import Environment, FileSystemLoader

from docs.answer.facts import Facts, gather
from docs.answer.keras_code import keras_code
from docs.answer.run import RESULTS
from sweep.analysis.explanation import ChangeEffect
from sweep.analysis.floors import ROUNDING
from sweep.catalogue import formats
from sweep.datasets.registry import SOURCES
from sweep.enums import Dataset
from sweep.findings.configurations import short_name
from sweep.report.render import environment as report_environment
from sweep.store.engine import Engine
from sweep.store.migrate import existing_store, upgrade

DOCS = Path(__file__).parents[1]
#: What README.md says of the answer, between its marks.
SUMMARY = "summary.md.j2"
README = DOCS.parent / "README.md"
_MARKS = "<!-- make answer -->\n", "<!-- /make answer -->\n"
#: Pages by their templates, in this folder.
PAGES = {"answer.md.j2": DOCS / "answer.md", "answer.ja.md.j2": DOCS / "answer.ja.md"}


def write() -> None:
    """Both pages, their pictures and README.md's summary, from ``RESULTS``."""
    from docs.answer.pictures import draw  # needs a browser, which the text does not

    with results() as engine:
        facts = gather(engine)
        draw(engine, facts, DOCS / "images")
    for template, page in PAGES.items():
        page.write_text(render(template, facts), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(with_summary(text, render(SUMMARY, facts)), encoding="utf-8")


@contextmanager
def results() -> Iterator[Engine]:
    """A copy of ``RESULTS`` in the schema of today: the file stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / RESULTS.name
        copyfile(RESULTS, path)
        upgrade(engine := existing_store(f"sqlite:///{path}"))
        yield engine
        engine.dispose()


def render(template: str, facts: Facts) -> str:
    """A page's text."""
    text = _environment().get_template(template).render(facts=facts)
    return text.rstrip() + "\n"


def with_summary(readme: str, summary: str) -> str:
    """A text with the summary between its marks. Raises ValueError where it has none."""
    before, _, rest = readme.partition(_MARKS[0])
    _, mark, after = rest.partition(_MARKS[1])
    if not mark:
        raise ValueError(f"the text has no {_MARKS[0].strip()} and {_MARKS[1].strip()}")
    return f"{before}{_MARKS[0]}{summary}{mark}{after}"


def _environment() -> Environment:
    # The report's words, in Markdown.
    environment = report_environment().overlay(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.globals["keras_code"] = keras_code
    environment.filters |= {
        "number": formats.number,
        "percent": formats.percent,
        "value": formats.value,
        "short_name": short_name,
        "thousands": thousands,
        "n_train": lambda dataset: thousands(SOURCES[Dataset(dataset)].n_train),
        "floor": floor,
        "ratio": ratio,
        "factor": factor,
    }
    return environment


def thousands(n: int) -> str:
    """With commas."""
    return f"{n:,}"


def floor(error: float) -> str:
    """A floor, of which rounding is called nothing."""
    return "0" if error < ROUNDING else formats.number(error)


def ratio(error: float, floor: float) -> str:
    """An error over a floor."""
    return "–" if floor < ROUNDING else formats.number(error / floor, 2)


def factor(of: ChangeEffect, to: str = " to ") -> str:
    """A factor with its interval, where there is one."""
    said = formats.number(of.estimate)
    if of.low is None or of.high is None:
        return said
    return f"{said} ({formats.number(of.low)}{to}{formats.number(of.high)})"
