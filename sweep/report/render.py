"""Lay a report out: one file that needs no network."""

import base64
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import sweep
from sweep.figures.plotlyjs import smallest_plotlyjs_gzip
from sweep.figures.registry import GatheredFigure
from sweep.findings.html import sentence_html, table_html
from sweep.report.page import Chart, Page, gather_page, make_chart
from sweep.store.engine import Engine
from sweep.store.handle import open_study


def render(engine: Engine, name: str) -> str:
    """Write the report of a study as HTML. Raises NotFoundError for an unknown study."""
    return lay_out(gather_page(open_study(engine, name)))


def lay_out(page: Page) -> str:
    """Lay the page out as HTML, with plotly.js inlined once if there is a chart to draw."""
    template = environment().get_template("report.html.j2")
    first = [page.first_chart] if page.first_chart else []
    return template.render(
        page=page,
        study=page.found.study,
        plotlyjs=_plotlyjs([*first, *chain(*page.charts.values())]),
        now=datetime.now(UTC),
    )


def render_figure(study: str, found: GatheredFigure) -> str:
    """Return one figure of a study as a separate HTML file."""
    template = environment().get_template("figure.html.j2")
    chart = make_chart(found.figure.name, found)
    return template.render(study=study, chart=chart, plotlyjs=_plotlyjs([chart]))


def _plotlyjs(charts: Sequence[Chart]) -> str:
    """Return the code that draws the charts, compressed, as text; empty without charts."""
    if not charts:
        return ""
    return base64.b64encode(smallest_plotlyjs_gzip(chart.drawn for chart in charts)).decode()


def environment() -> Environment:
    """Return the template environment with the functions that templates may call."""
    environment = Environment(
        loader=PackageLoader("sweep.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = sweep.__version__
    environment.filters |= {
        "sentence": lambda text: Markup(sentence_html(text)),
        "table": lambda table: Markup(table_html(table)),
        "quoted": shlex.quote,
        "time": lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC",
    }
    return environment
