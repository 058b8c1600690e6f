"""Draw pictures for `sweep reconstruct` and `sweep data check`; other commands need no numpy."""

import io

import numpy as np
from numpy.typing import NDArray

from sweep.cli.reconstruct import COLUMNS
from sweep.datasets import Images

Pixels = NDArray[np.uint8]

ENLARGED = 4
#: Limits of a contact sheet: side of an enlarged image in pixels, and rows of classes.
SHEET_SIDE = 128
SHEET_ROWS = 20
_GAP = 2


def picture(originals: Pixels, copies: Pixels) -> bytes:
    """Draw images (N, height, width[, 3]) as PNG: blocks of originals, copies and errors."""
    from PIL import Image

    errors = np.abs(copies.astype(np.int16) - originals)
    white = np.minimum(2 * errors, 255).astype(np.uint8)
    blocks = [
        _row(kind[start : start + COLUMNS])
        for start in range(0, len(originals), COLUMNS)
        for kind in (originals, copies, white)
    ]
    whole = np.concatenate(blocks).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def contact_sheet(data: Images) -> bytes:
    """Draw a PNG of training images: a row for each class, or the first images without classes."""
    from PIL import Image

    images = data.unflatten(data.train_images)
    enlarged = max(1, min(ENLARGED, SHEET_SIDE // max(data.shape.height, data.shape.width)))
    rows = [_row(images[row]) for row in _sheet_rows(data)]
    whole = np.concatenate(rows).repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _sheet_rows(data: Images) -> list[NDArray[np.int64]]:
    labels = data.train_labels
    if labels is not None and len(classes := np.unique(labels)) <= SHEET_ROWS:
        return [np.flatnonzero(labels == label)[:COLUMNS] for label in classes]
    shown = np.arange(min(len(data.train_images), COLUMNS * COLUMNS))
    return [shown[start : start + COLUMNS] for start in range(0, len(shown), COLUMNS)]


def _row(images: Pixels) -> Pixels:
    """Draw images side by side on white, as wide as a full row."""
    height, width, *channels = images.shape[1:]
    row = np.full((height + _GAP, COLUMNS * (width + _GAP), *channels), 255, np.uint8)
    for place, image in enumerate(images):
        left = place * (width + _GAP)
        row[:height, left : left + width] = image
    return row
