"""The pictures of the answer, drawn by the functions that draw any study's."""

import gzip
import io
import json
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from docs.answer.facts import Facts
from docs.browser import open_browser
from sweep.analysis.study_floors import study_floors
from sweep.errors import NotFoundError
from sweep.figures import codes
from sweep.figures.plotlyjs import plotlyjs_gzip
from sweep.figures.waterfall import draw_waterfall, gather_waterfall
from sweep.figures.width_law import draw_width_law, gather_width_law
from sweep.store.engine import Engine
from sweep.store.handle import open_study

_WIDTH = 900
#: Of the page, for sharp text.
_SCALE = 2
#: Pixels of a picture to a pixel of an image, and between strips.
_ZOOM = 3
_GAP = 6


def draw(engine: Engine, facts: Facts, folder: Path) -> None:
    """Write them as ``answer-….png``. Raises SweepError where there is no browser."""
    (folder / "answer-copies.png").write_bytes(_copies(engine, facts))
    with sync_playwright() as playwright:
        browser = open_browser(playwright)
        page = browser.new_page(device_scale_factor=_SCALE)
        for name, figure in _figures(engine, facts).items():
            (folder / f"answer-{name}.png").write_bytes(_png(page, figure))
        browser.close()


def _figures(engine: Engine, facts: Facts) -> Mapping[str, go.Figure]:
    law = gather_width_law(
        open_study(engine, "width").table(), study_floors(open_study(engine, "width"))
    )
    of_codes = {"codes": codes.draw(codes.gather(facts.useful.found))} if facts.useful else {}
    return {
        "width": draw_width_law(law),
        "causes": draw_waterfall(gather_waterfall(facts.why)),
        **of_codes,
    }


def _png(page: Page, figure: go.Figure) -> bytes:
    """As it stands on a white page."""
    figure.update_layout(width=_WIDTH, paper_bgcolor="white", plot_bgcolor="white")
    page.set_viewport_size({"width": _WIDTH, "height": int(figure.layout.height)})
    page.set_content("<body style='margin: 0'><div id='figure'></div></body>")
    page.add_script_tag(content=gzip.decompress(plotlyjs_gzip()).decode())
    page.evaluate(
        "async (figure) => Plotly.newPlot('figure', figure.data, figure.layout,"
        " {staticPlot: true, displayModeBar: false})",
        json.loads(figure.to_json()),  # numpy's arrays as plain lists
    )
    return page.screenshot()


def _copies(engine: Engine, facts: Facts) -> bytes:
    """Originals, the question's copies and the best's, one strip below the other."""
    found = facts.sharpest
    originals = open_study(engine, found.study).record().originals_png
    shown = [found.baseline.number, found.best.number]
    copies = [open_study(engine, found.study).reconstruction(number) for number in shown]
    if originals is None or None in copies:
        raise NotFoundError(f"study {found.study!r} lacks the pictures of trials {shown}.")
    strips = [originals, *(of.reconstructions_png for of in copies if of is not None)]
    return _stacked([Image.open(io.BytesIO(strip)).convert("L") for strip in strips])


def _stacked(strips: list[Image.Image]) -> bytes:
    width, height = (side * _ZOOM for side in strips[0].size)
    sheet = Image.new("L", (width, len(strips) * (height + _GAP) - _GAP), 255)
    for place, strip in enumerate(strips):
        large = strip.resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(large, (0, place * (height + _GAP)))
    written = io.BytesIO()
    sheet.save(written, "PNG", optimize=True)
    return written.getvalue()
