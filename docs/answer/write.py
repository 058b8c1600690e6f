"""Writes the pages from the stored studies."""

import difflib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import log10
from pathlib import Path
from shutil import copyfile

from jinja2 import Environment, FileSystemLoader

from docs.answer.facts import CLAIMS, Corner, Facts, gather, test_error
from docs.answer.run import RESULTS
from sweep.analysis.explanation import ChangeEffect
from sweep.analysis.probe_summary import Classifier
from sweep.catalogue import formats
from sweep.errors import SweepError
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
    from docs.answer.figures import draw  # needs a browser, which the text does not

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
    """Return a page's text. Raises UnbackedClaimError where no study shows what it says."""
    text = _environment(facts).get_template(template).render(facts=facts)
    return text.rstrip() + "\n"


class UnbackedClaimError(SweepError):
    """A page says something of a cause that the stored studies do not show."""


def _backed(facts: Facts, *names: str) -> str:
    """Check the claims of a paragraph; return nothing to print."""
    for name in names:
        if not CLAIMS[name](facts):
            raise UnbackedClaimError(f"the stored studies do not show what the page says: {name}.")
    return ""


def with_summary(readme: str, summary: str) -> str:
    """A text with the summary between its marks. Raises ValueError where it has none."""
    before, _, rest = readme.partition(_MARKS[0])
    _, mark, after = rest.partition(_MARKS[1])
    if not mark:
        raise ValueError(f"the text has no {_MARKS[0].strip()} and {_MARKS[1].strip()}")
    return f"{before}{_MARKS[0]}{summary}{mark}{after}"


def _environment(facts: Facts) -> Environment:
    # The report's words, in Markdown.
    environment = report_environment().overlay(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "backed": partial(_backed, facts),
        "keras_diff": keras_diff,
        "corner": Corner,
        "readouts": {Classifier.LINEAR: "linear classifier", Classifier.NETWORK: "small network"},
        "readouts_ja": {
            Classifier.LINEAR: "線形分類器",
            Classifier.NETWORK: "小さなニューラルネットワーク",
        },
    }
    environment.filters |= {
        "number": formats.number,
        "percent": formats.percent,
        "error": lambda trial: formats.number(test_error(trial), 2),
        "thousands": thousands,
        "factor": factor,
        "times": times,
        "times_ja": times_ja,
        "milli": lambda error: formats.number(1000 * error, 2),
    }
    return environment


def thousands(n: int) -> str:
    """Write a whole number with commas."""
    return f"{n:,}"


def factor(of: ChangeEffect) -> str:
    """Write a factor with its interval, where there is one."""
    said = _two_digits(of.estimate)
    if of.low is None or of.high is None:
        return said
    return f"{said} ({_two_digits(of.low)}–{_two_digits(of.high)})"


def _two_digits(value: float) -> str:
    """Write a factor with two digits; a large one as a whole number, rounded to two."""
    if value < 1000:
        return formats.number(value, 2)
    return thousands(int(round(value, 1 - int(log10(value)))))


def times(factor: float) -> str:
    """Write how many times smaller an error is, or larger."""
    if factor < 1:
        return f"{formats.number(1 / factor, 2)} times larger"
    return f"{formats.number(factor, 2)} times smaller"


def times_ja(factor: float) -> str:
    """Write the same in Japanese."""
    if factor < 1:
        return f"{formats.number(1 / factor, 2)} 倍"
    return f"{formats.number(factor, 2)} 分の 1"


def keras_diff() -> str:
    """Return the lines that differ between the two programs for Keras, as a diff."""
    before, after = (
        Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()[1:]
        for name in ("keras_before.py", "keras_after.py")
    )
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))
