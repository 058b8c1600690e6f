"""The builds of plotly.js that pages and reports load."""

import gzip

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs_version

from sweep.figures.plotlyjs import plotlyjs_gzip, smallest_plotlyjs_gzip


@pytest.mark.parametrize("kind", ["strict", "cartesian"])
def test_each_build_is_of_the_version_that_figures_are_made_for(kind) -> None:
    first = gzip.decompress(plotlyjs_gzip(kind))[:100].decode()
    assert f"plotly.js ({kind} - minified) v{get_plotlyjs_version()}\n" in first


def test_the_smaller_build_compiles_no_code_from_text() -> None:
    script = gzip.decompress(plotlyjs_gzip("cartesian"))
    assert b"new Function(" not in script and b"eval(" not in script


def test_a_build_is_as_small_as_the_figures_allow() -> None:
    plain, webgl = go.Figure([go.Scatter(), go.Bar(), go.Heatmap()]), go.Figure(go.Scattergl())
    assert smallest_plotlyjs_gzip([plain]) == plotlyjs_gzip("cartesian")
    assert smallest_plotlyjs_gzip([plain, webgl]) == plotlyjs_gzip("strict")
