"""The plotly.js that pages load: the strict build, which compiles no code from text.

The build that Plotly's Python package brings needs ``eval`` for its WebGL charts, and a page that
allows ``eval`` gives every injected text a chance to run. ``vendor/plotly-strict.min.js.gz`` is
``package/plotly-strict.min.js`` of the npm package ``plotly.js-strict-dist-min`` in the version of
``plotly.offline.get_plotlyjs_version()``, compressed by ``gzip -9 -n``.
"""

import gzip
from functools import cache
from importlib.resources import files

_BUNDLE = files("sweep.figures") / "vendor" / "plotly-strict.min.js.gz"


@cache
def plotlyjs_gzip() -> bytes:
    """Return the script, compressed by gzip."""
    return _BUNDLE.read_bytes()


def plotlyjs() -> str:
    """Return the script."""
    return gzip.decompress(plotlyjs_gzip()).decode()
