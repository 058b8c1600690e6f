"""Laying a report out: one file that asks the network for nothing."""

import shlex
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import sweep
from sweep.figures.plotlyjs import plotlyjs
from sweep.findings.html import sentence_html, table_html
from sweep.report.page import Page, gather_page
from sweep.store.engine import Engine
from sweep.store.handle import open_study


def render(engine: Engine, name: str) -> str:
    """The report of a study as HTML. Raises NotFoundError for an unknown study."""
    return lay_out(gather_page(open_study(engine, name)))


def lay_out(page: Page) -> str:
    """The page as HTML, with plotly.js inlined once if there is a chart to draw."""
    template = environment().get_template("report.html.j2")
    has_charts = any(page.charts.values())
    return template.render(
        page=page,
        study=page.found.study,
        plotlyjs=Markup(plotlyjs()) if has_charts else None,
        now=datetime.now(UTC),
        version=sweep.__version__,
    )


def environment() -> Environment:
    """What templates are read by, and the words they may use."""
    environment = Environment(
        loader=PackageLoader("sweep.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "sentence": lambda text: Markup(sentence_html(text)),
        "table": lambda table: Markup(table_html(table)),
        "quoted": shlex.quote,
        "time": lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC",
    }
    return environment
