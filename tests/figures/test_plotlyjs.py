"""The build of plotly.js that pages load."""

from plotly.offline import get_plotlyjs_version

from sweep.figures.plotlyjs import plotlyjs


def test_it_is_the_strict_build_of_the_version_that_figures_are_made_for() -> None:
    assert f"plotly.js (strict - minified) v{get_plotlyjs_version()}\n" in plotlyjs()[:100]


def test_it_cannot_end_the_script_that_a_report_puts_it_in() -> None:
    assert "</script" not in plotlyjs().lower()
