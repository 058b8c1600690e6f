"""Prepare strips of ten images for a page: as single pictures, or with transparent gaps."""

import base64
import io
from typing import NamedTuple

from PIL import Image

from sweep.analysis.strips import GAP, Pixels, edges, open_strip, plain


class Picture(NamedTuple):
    """A picture, and its description for people who cannot see it."""

    uri: str
    alt: str


class PictureRow(NamedTuple):
    """Ten pictures, or one wide picture if a strip does not have ten."""

    label: str
    detail: str
    pictures: list[Picture]
    is_error: bool


def cut_strip(strip_png: bytes, what: str, names: list[str]) -> list[Picture]:
    """Cut a strip into its pictures; ``names`` say what each shows."""
    strip = open_strip(strip_png)
    lefts = edges(strip)
    if not lefts:
        return [Picture(_uri(strip_png), what)]
    width = lefts[1] - GAP
    return [
        Picture(_uri(_png(strip.crop((left, 0, left + width, strip.height)))), f"{what}: {name}")
        for left, name in zip(lefts, names, strict=True)
    ]


def picture_of(pixels: Pixels, alt: str) -> Picture:
    """Convert pixels, (height, width) grey or (height, width, 3), to a picture."""
    return Picture(_uri(_png(Image.fromarray(pixels))), alt)


def strip_of(images: Pixels) -> bytes:
    """Draw images (N, height, width[, 3]) side by side, as PNG, with transparent gaps."""
    n, height, width = images.shape[:3]
    strip = Image.new("RGBA", (n * (width + GAP) - GAP, height))
    for place, image in enumerate(images):
        strip.paste(Image.fromarray(image), (place * (width + GAP), 0))
    return _png(strip)


def see_through(strip_png: bytes) -> bytes:
    """Make a strip's gaps transparent, for any page colour.

    A strip without ten images is unchanged.
    """
    strip = open_strip(strip_png)
    lefts = edges(strip)
    if not lefts:
        return strip_png
    opaque = Image.new("L", strip.size, 255)
    for edge in lefts[1:]:
        opaque.paste(0, (edge - GAP, 0, edge, strip.height))
    clear = plain(strip).copy()
    clear.putalpha(opaque)
    return _png(clear)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
