"""Strips of ten images for a page: cut into single pictures, or with gaps that let it through."""

import base64
import io
from typing import NamedTuple

from PIL import Image

#: How ``trainer.pixels`` lays a strip out: ten images, white columns between them.
STRIP_LENGTH = 10
GAP = 2


class Picture(NamedTuple):
    """One picture, and what it is for those who cannot see it."""

    uri: str
    alt: str


class PictureRow(NamedTuple):
    """Ten pictures, or one wide one when a strip is not of ten."""

    label: str
    detail: str
    pictures: list[Picture]
    is_error: bool


def cut(strip_png: bytes, what: str, names: list[str]) -> list[Picture]:
    """The pictures of a strip; ``names`` say what each shows."""
    strip = Image.open(io.BytesIO(strip_png))
    edges = _edges(strip)
    if not edges:
        return [Picture(_uri(strip_png), what)]
    width = edges[1] - GAP
    return [
        Picture(_uri(_png(strip.crop((left, 0, left + width, strip.height)))), f"{what}: {name}")
        for left, name in zip(edges, names, strict=True)
    ]


def see_through(strip_png: bytes) -> bytes:
    """The strip with transparent gaps, for a page of any colour; one that is not of ten stays."""
    strip = Image.open(io.BytesIO(strip_png))
    edges = _edges(strip)
    if not edges:
        return strip_png
    opaque = Image.new("L", strip.size, 255)
    for edge in edges[1:]:
        opaque.paste(0, (edge - GAP, 0, edge, strip.height))
    clear = strip.convert("L")
    clear.putalpha(opaque)
    return _png(clear)


def _edges(strip: Image.Image) -> list[int]:
    """Where each of the ten pictures begins; nothing where the strip is not of ten."""
    width, rest = divmod(strip.width - GAP * (STRIP_LENGTH - 1), STRIP_LENGTH)
    edges = [place * (width + GAP) for place in range(STRIP_LENGTH)]
    if rest or width < 1 or not all(_is_gap(strip, edge) for edge in edges[1:]):
        return []
    return edges


def _is_gap(strip: Image.Image, edge: int) -> bool:
    return strip.crop((edge - GAP, 0, edge, strip.height)).getextrema() == (255, 255)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def picture_names(class_names: tuple[str, ...]) -> list[str]:
    """What the ten images show: one of each class where there are ten classes."""
    if len(class_names) == STRIP_LENGTH:
        return list(class_names)
    return [f"test image {place}" for place in range(1, STRIP_LENGTH + 1)]
