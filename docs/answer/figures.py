"""The figures of the answer, each in both languages from one function.

A chart's title states what it shows; lines carry their names themselves. Widths are those of a page
of text, heights fit on a screen.
"""

import base64
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from plotly.colors import sample_colorscale

from docs.answer.facts import BASELINE, DIGITS, LINEAR, LONG, Corner, Facts, test_error
from docs.browser import open_browser
from sweep.analysis.probe_summary import FeatureKind
from sweep.analysis.spectrum import HALF
from sweep.analysis.strips import images_of
from sweep.catalogue.formats import number, percent
from sweep.enums import Activation, Output, Schedule
from sweep.errors import NotFoundError
from sweep.figures import style
from sweep.figures.plotlyjs import plotlyjs_gzip
from sweep.store.engine import Engine
from sweep.store.handle import open_study

LANGUAGES = ("en", "ja")

_WIDTH, _HEIGHT = 860, 440
#: Device pixels to a pixel, for sharp text.
_SCALE = 2
#: Colours of a written picture: text and lines need few.
_N_COLOURS = 128
_FONT = "'Noto Sans', 'DejaVu Sans', 'IPAGothic', sans-serif"
#: Pixels of a page to a pixel of an image.
_ZOOM = 2
#: The error, on the scale of the pixels, that an error map shows as its darkest.
_DARKEST = 0.25


class Words(NamedTuple):
    """A text in each language."""

    en: str
    ja: str

    def __call__(self, language: str, **values: Any) -> str:
        """Return the text in a language, with values filled in."""
        return str(getattr(self, language)).format(**values)


def draw(engine: Engine, facts: Facts, folder: Path) -> None:
    """Write ``answer-NAME.png`` and ``answer-NAME.ja.png``.

    Raises SweepError where there is no browser.
    """
    with sync_playwright() as playwright:
        browser = open_browser(playwright)
        page = browser.new_page(device_scale_factor=_SCALE)
        for language in LANGUAGES:
            suffix = "" if language == "en" else f".{language}"
            for name, picture in _pictures(page, engine, facts, language):
                (folder / f"answer-{name}{suffix}.png").write_bytes(_light(picture))
        browser.close()


def _pictures(
    page: Page, engine: Engine, facts: Facts, language: str
) -> Iterator[tuple[str, bytes]]:
    yield "copies", _screenshot(page, copies(engine, facts, language))
    for name, draw_chart in CHARTS.items():
        yield name, _png(page, draw_chart(facts, language))


def _png(page: Page, figure: go.Figure) -> bytes:
    """Draw a chart on white."""
    figure.update_layout(width=_WIDTH, paper_bgcolor="white", plot_bgcolor="white")
    figure.update_layout(font={"family": _FONT, "color": "#333"}, title_font_size=17)
    page.set_viewport_size({"width": _WIDTH, "height": int(figure.layout.height)})
    page.set_content("<body style='margin: 0'><div id='figure'></div></body>")
    page.add_script_tag(content=gzip.decompress(plotlyjs_gzip()).decode())
    page.evaluate(
        "async (figure) => Plotly.newPlot('figure', figure.data, figure.layout,"
        " {staticPlot: true, displayModeBar: false})",
        json.loads(figure.to_json()),  # numpy's arrays as plain lists
    )
    return page.screenshot()


def _screenshot(page: Page, body: str) -> bytes:
    page.set_viewport_size({"width": _WIDTH, "height": 100})
    page.set_content(f"<style>{_STYLE}</style><body>{body}</body>")
    return page.screenshot(full_page=True)


def _light(png: bytes) -> bytes:
    """Write a picture with a palette."""
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(_N_COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


# --- copies ------------------------------------------------------------------------------------

_STYLE = f"""
body {{ margin: 0; font: 13px/1.35 {_FONT}; color: #333; background: white; }}
h1 {{ font-size: 17px; font-weight: normal; margin: 8px 6px 10px; }}
table {{ border-spacing: 3px; }}
th {{ text-align: left; font-weight: normal; width: 225px; padding-right: 8px; }}
th small {{ color: #777; font-size: 12px; display: block; }}
img {{ display: block; image-rendering: pixelated; }}
tr.first td, tr.first th {{ padding-top: 10px; }}
"""


class _Strip(NamedTuple):
    label: str
    detail: str
    images: np.ndarray[Any, np.dtype[np.uint8]]
    begins: bool = False


_COPIES_TITLE = Words(
    "Long training and linear units make copies sharp, not more units: all have {width}",
    "鮮明な復元に必要なのはユニットの数（どれも {width}）ではなく、学習時間と線形のユニット",
)
_ORIGINALS = Words("test images", "元の画像（テスト）")
_ASKED = Words("the question: {epochs} epochs", "質問の設定：{epochs} エポック")
_LONGER = Words("the same, {epochs} epochs", "同じ設定で {epochs} エポック")
_BEST = Words(
    "linear units and output, MSE, cosine, {epochs} epochs",
    "中間層・出力層とも線形、MSE、コサイン減衰、{epochs} エポック",
)
_ERROR_MAP = Words("its error", "誤差")
_DARK = Words("black: {darkest} or more", "黒は {darkest} 以上")
_DIGIT_ORIGINALS = Words("digits (MNIST)", "MNIST")


def copies(engine: Engine, facts: Facts, language: str) -> str:
    """Return a table of originals, copies and error maps, clothes above digits, as HTML."""
    shown = [
        (facts.corners.name, facts.asked, _ASKED),
        (facts.longest.name, facts.longest_asked, _LONGER),
        (facts.long.name, facts.best, _BEST),
    ]
    strips = [_Strip(_ORIGINALS(language), "", _originals(engine, LONG))]
    for study, trial, words in shown:
        strips += _with_errors(engine, study, trial, strips[0].images, words, language)
    if facts.digits is not None:
        originals = _originals(engine, DIGITS)
        strips.append(_Strip(_DIGIT_ORIGINALS(language), "", originals, begins=True))
        trial = facts.digits.digits
        strips += _with_errors(engine, DIGITS, trial, originals, _ASKED, language)
    rows = "".join(map(_row, strips))
    title = _COPIES_TITLE(language, width=facts.asked.hidden_width)
    return f"<h1>{escape(title)}</h1><table>{rows}</table>"


def _with_errors(
    engine: Engine,
    study: str,
    trial: Any,
    originals: np.ndarray[Any, np.dtype[np.uint8]],
    words: Words,
    language: str,
) -> list[_Strip]:
    found = open_study(engine, study).reconstruction(trial.number)
    images = None if found is None else images_of(found.reconstructions_png)
    if images is None:
        raise NotFoundError(f"study {study!r} lacks the pictures of trial {trial.number}.")
    label = words(language, epochs=trial.config["epochs"])
    difference = np.abs(images.astype(int) - originals.astype(int)) / 255
    map_of = (255 * (1 - np.minimum(difference / _DARKEST, 1))).astype(np.uint8)
    mse = f"MSE {number(test_error(trial), 2)}"
    dark = _DARK(language, darkest=_DARKEST)
    return [_Strip(label, mse, images), _Strip(_ERROR_MAP(language), dark, map_of)]


def _originals(engine: Engine, study: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    png = open_study(engine, study).record().originals_png
    images = None if png is None else images_of(png)
    if images is None:
        raise NotFoundError(f"study {study!r} lacks the pictures of the test images.")
    return images


def _row(strip: _Strip) -> str:
    cells = "".join(f"<td>{_img(image)}</td>" for image in strip.images)
    kind = " class=first" if strip.begins else ""
    detail = f"<small>{escape(strip.detail)}</small>" if strip.detail else ""
    return f"<tr{kind}><th>{escape(strip.label)}{detail}</th>{cells}</tr>"


def _img(image: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    height, width = image.shape[:2]
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f"width={_ZOOM * width} height={_ZOOM * height}"
    return f'<img {size} src="data:image/png;base64,{data}">'


# --- front -------------------------------------------------------------------------------------

_FRONT_TITLE = Words(
    "After {epochs} epochs component {component} of {n} is half learned; later ones take longer",
    "{epochs} エポックで半分まで学習されるのは全 {n} 成分のうち第 {component} 成分まで",
)
_FRONT_X = Words(
    "principal component of the images, largest variance first", "画像の主成分（分散の大きい順）"
)
_FRONT_Y = Words("share of its variance still missing", "まだ復元できていない分散の割合")
_EPOCH = Words("epoch {epoch}", "{epoch} エポック")
_COLOURS = [style.ORANGE, style.VERMILLION, style.PURPLE, style.BLUE]
#: Shares at which the lines are named, the first epoch's first.
_NAMED_AT = (HALF, HALF, HALF, 0.28, 0.12)


def front(facts: Facts, language: str) -> go.Figure:
    """Draw the share of each principal component that is missing, one line an epoch."""
    of = facts.front
    asked = int(facts.asked.config["epochs"])
    title = _FRONT_TITLE(language, epochs=asked, component=of.component(asked), n=of.n_components)
    figure = _chart(title, _FRONT_X(language), _FRONT_Y(language))
    figure.add_hline(y=HALF, line={"color": style.GREY, "width": 1, "dash": "dash"})
    lines = [(of.spectrum, point) for point in of.spectrum.points if point.epoch in (1, 2, asked)]
    lines += [(spectrum, spectrum.points[-1]) for spectrum in (of.spectrum, of.late)]
    colours = sample_colorscale(_COLOURS, np.linspace(0, 1, len(lines)).tolist())
    centres = [band.centre for band in of.spectrum.bands]
    for (spectrum, point), colour, share in zip(lines, colours, _NAMED_AT, strict=True):
        missing = spectrum.missing(point)
        line = {"color": colour, "width": 3 if point.epoch == asked else 1.8}
        figure.add_scatter(x=centres, y=missing, mode="lines+markers", line=line)
        at = float(np.interp(share, missing, np.log10(centres)))
        _name(figure, at, share, _EPOCH(language, epoch=point.epoch), colour, anchor="right")
    ticks = [1, 2, 5, 10, 20, 50, 100, 200, 400, of.n_components]
    figure.update_xaxes(type="log", range=[0, np.log10(1.05 * of.n_components)], tickvals=ticks)
    return figure.update_yaxes(range=[0, 1.22], tickformat=".0%", dtick=0.25)


# --- curves ------------------------------------------------------------------------------------

_CURVES_TITLE = Words(
    "Longer training alone stalls; linear units and a falling rate go on to {error}",
    "学習を延ばすだけでは頭打ち。線形のユニットと学習率の減衰を組み合わせると {error} まで下がる",
)
_CURVES_X = Words("epochs", "エポック数")
_CURVES_Y = Words("error of the validation images (MSE)", "検証画像の誤差（MSE）")
_QUESTION = Words("the question", "質問の設定")
_COSINE = Words("+ cosine", "＋コサイン減衰")
_LINEAR_OUTPUT = Words("+ linear output, MSE", "＋線形出力・MSE")
_BOTH = Words("+ both", "＋両方")
_LINEAR_UNITS = Words("+ both, linear units", "＋両方、中間層も線形")
_CURVES = (
    (BASELINE, _QUESTION, style.VERMILLION),
    (BASELINE._replace(schedule=Schedule.COSINE), _COSINE, style.ORANGE),
    (BASELINE._replace(output=Output.LINEAR), _LINEAR_OUTPUT, style.SKY),
    (Corner(Activation.RELU, Output.LINEAR, Schedule.COSINE), _BOTH, style.GREEN),
    (LINEAR, _LINEAR_UNITS, style.BLUE),
)


#: Height of the name of a line, in powers of ten.
_LINE_HEIGHT = 0.27


def curves(facts: Facts, language: str) -> go.Figure:
    """Draw validation errors over epochs, both on log axes.

    At a constant rate a line is one training; where the rate falls, each point is a training of so
    many epochs, and the thin line is the longest one's way.
    """
    title = _CURVES_TITLE(language, error=number(test_error(facts.best), 1))
    figure = _chart(title, _CURVES_X(language), _CURVES_Y(language))
    ends = []
    for corner, words, colour in _CURVES:
        points = [point for point in facts.curves[corner] if point.val_mse]
        epochs, errors = [of.epoch for of in points], [of.val_mse or 1.0 for of in points]
        falls = corner.schedule == Schedule.COSINE
        line = {"color": colour, "width": 1 if falls else 2.2}
        figure.add_scatter(x=epochs, y=errors, mode="lines", line=line)
        if falls:
            trained = facts.ends(corner)
            figure.add_scatter(
                x=list(trained), y=list(trained.values()), mode="lines+markers",
                marker={"size": 8}, line={"color": colour, "width": 2.2},
            )  # fmt: skip
        ends.append((float(np.log10(errors[-1])), epochs[-1], words(language), colour))
    ends.sort(reverse=True)
    # The longest line runs on beside the names of the others: they stand above and below it.
    longest = next(place for place, end in enumerate(ends) if end[1] == facts.most)
    for place, (end, epoch, text, colour) in enumerate(ends):
        height = ends[longest][0] + _LINE_HEIGHT * (longest - place)
        near = max(end, height) if place < longest else min(end, height)
        _name(figure, np.log10(1.06 * epoch), near, text, colour, anchor="left")
    ticks = [1, 2, 5, 10, 20, 50, facts.many, facts.most]
    figure.update_xaxes(type="log", range=[0, np.log10(facts.most * 4)], tickvals=ticks)
    return figure.update_yaxes(type="log", exponentformat="power", dtick=1)


def _spread(ends: Sequence[tuple[float, str, str]], reach: float) -> list[tuple[float, str, str]]:
    """Move the heights of names at least ``reach`` apart, from the top down."""
    spread: list[tuple[float, str, str]] = []
    for height, text, colour in sorted(ends, reverse=True):
        above = spread[-1][0] - reach if spread else height
        spread.append((min(height, above), text, colour))
    return spread


# --- codes -------------------------------------------------------------------------------------

_CODES_TITLE = Words(
    "{width} numbers tell {share} of the labels, {n} pixels {pixels}",
    "{width} 次元の特徴だけで正解率 {share}（{n} 画素をすべて使うと {pixels}）",
)
_CODES_X = Words("numbers in the code", "特徴の次元")
_CODES_Y = Words("test images told right", "テスト画像の正解率")
_KINDS = (
    (FeatureKind.CODE, Words("code", "中間層の特徴"), style.BLUE),
    (FeatureKind.PCA, Words("PCA", "PCA"), style.ORANGE),
    (FeatureKind.RANDOM, Words("random projections", "ランダム射影"), style.GREY),
)
_PIXELS = Words("all {n} pixels", "{n} 画素すべて")


def codes(facts: Facts, language: str) -> go.Figure:
    """Draw the accuracy of the best trained classifier over the size of the code."""
    best, narrow = facts.codes.best, facts.narrow
    pixels = facts.accuracy(narrow, FeatureKind.PIXELS).share
    title = _CODES_TITLE(
        language,
        width=narrow.hidden_width,
        share=percent(facts.accuracy(narrow, FeatureKind.CODE).share),
        n=narrow.n_pixels,
        pixels=percent(pixels),
    )
    figure = _chart(title, _CODES_X(language), _CODES_Y(language))
    figure.add_hline(y=pixels, line={"color": style.VERMILLION, "width": 1.5, "dash": "dash"})
    widths = [of.hidden_width for of in best]
    ends = []
    about_pixels = _PIXELS(language, n=narrow.n_pixels)
    _name(figure, np.log10(widths[0]), pixels, about_pixels, style.VERMILLION, anchor="left")
    for kind, words, colour in _KINDS:
        found = [facts.accuracy(of, kind) for of in best]
        figure.add_scatter(
            x=widths, y=[of.share for of in found], mode="lines+markers",
            error_y={"array": [of.standard_error for of in found], "thickness": 1, "width": 3},
            line={"color": colour, "width": 2.2},
        )  # fmt: skip
        ends.append((found[-1].share, words(language), colour))
    for height, text, colour in _spread(ends, reach=0.022):
        _name(figure, np.log10(1.05 * widths[-1]), height, text, colour, anchor="left")
    across = [np.log10(widths[0] / 1.1), np.log10(widths[-1] * 3)]
    figure.update_xaxes(type="log", range=across, tickvals=widths)
    return figure.update_yaxes(tickformat=".0%")


# --- shared ------------------------------------------------------------------------------------


def _chart(title: str, x: str, y: str) -> go.Figure:
    return style.add_title(style.figure(x, y, height=_HEIGHT, showlegend=False), title)


def _name(figure: go.Figure, x: float, y: float, text: str, colour: str, *, anchor: str) -> None:
    """Write a line's name beside it; places on log axes are logarithms."""
    figure.add_annotation(
        x=x, y=y, text=text, showarrow=False, xanchor=anchor, bgcolor="rgba(255,255,255,0.75)",
        xshift=-6 if anchor == "right" else 4, font={"color": colour, "size": 13},
    )  # fmt: skip


CHARTS: Mapping[str, Callable[[Facts, str], go.Figure]] = {
    "front": front,
    "curves": curves,
    "codes": codes,
}
