"""What `sweep reconstruct` draws. Apart from it, because numpy would be loaded by every command."""

import io

import numpy as np
from numpy.typing import NDArray

from sweep.cli.reconstruct import COLUMNS

Pixels = NDArray[np.uint8]

ENLARGED = 4
_GAP = 2


def picture(originals: Pixels, copies: Pixels) -> bytes:
    """PNG of images (N, height, width): blocks of three rows, originals, copies, errors."""
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


def _row(images: Pixels) -> Pixels:
    """Images side by side on white, as wide as a full row."""
    height, width = images.shape[1:]
    row = np.full((height + _GAP, COLUMNS * (width + _GAP)), 255, np.uint8)
    for place, image in enumerate(images):
        left = place * (width + _GAP)
        row[:height, left : left + width] = image
    return row
