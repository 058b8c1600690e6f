"""The plotly.js that pages and reports load: builds that compile no code from text.

The build in Plotly's Python package needs ``eval`` for its WebGL charts, and a page that allows
``eval`` lets injected text run. ``vendor/plotly-KIND.min.js.gz`` is ``package/plotly-KIND.min.js``
of the npm package ``plotly.js-KIND-dist-min`` in the version of
``plotly.offline.get_plotlyjs_version()``, compressed by ``gzip -9 -n``: *strict* draws everything,
*cartesian* is a third of its size and draws no WebGL.
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Literal

import plotly.graph_objects as go

#: Trace types in our figures that the cartesian build draws.
_CARTESIAN = {"scatter", "bar", "heatmap"}


@cache
def plotlyjs_gzip(kind: Literal["strict", "cartesian"] = "strict") -> bytes:
    """Return a build, compressed by gzip."""
    return (files("sweep.figures") / "vendor" / f"plotly-{kind}.min.js.gz").read_bytes()


def smallest_plotlyjs_gzip(drawn: Iterable[go.Figure]) -> bytes:
    """Return the smaller build if it draws all of these figures."""
    kinds = {trace.type for figure in drawn for trace in figure.data}
    return plotlyjs_gzip("cartesian" if kinds <= _CARTESIAN else "strict")
