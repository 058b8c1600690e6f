"""Laying a report out: one file that asks the network for nothing."""

import shlex
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import sweep
from sweep.figures.plotlyjs import plotlyjs
from sweep.figures.registry import GatheredFigure
from sweep.findings.html import decision_html, sentence_html, table_html
from sweep.report.page import Page, gather_page, make_chart
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


def render_figure(study: str, found: GatheredFigure) -> str:
    """Return one figure of a study as an HTML file of its own."""
    template = environment().get_template("figure.html.j2")
    chart = make_chart(found.figure.name, found)
    return template.render(study=study, chart=chart, plotlyjs=Markup(plotlyjs()))


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
        "decision": lambda decision: Markup(decision_html(decision)),
        "table": lambda table: Markup(table_html(table)),
        "quoted": shlex.quote,
        "time": lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC",
    }
    return environment
