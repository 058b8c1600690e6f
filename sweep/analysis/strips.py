"""Cut strips of test images: ten side by side, as ``trainer.pixels`` draws them.

Notation: N = 10 images of height x width pixels, grey or RGB, 8 bits per channel.
"""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sweep.errors import StoreError

STRIP_LENGTH = 10
#: White columns between two images.
GAP = 2

#: Maximum pixels of an image along each side: a strip of ten larger ones is not decoded.
LARGEST_IMAGE = 512

Pixels = NDArray[np.uint8]


def open_strip(strip_png: bytes) -> Image.Image:
    """Decode a strip. Raises StoreError unless it is a PNG of at most ten of the largest images."""
    try:
        strip = Image.open(io.BytesIO(strip_png), formats=("PNG",))
        if strip.width * strip.height <= STRIP_LENGTH * (LARGEST_IMAGE + GAP) * LARGEST_IMAGE:
            strip.load()
            return strip
        why = f"it has {strip.width:,} x {strip.height:,} pixels"
    except _NO_PNG as error:
        why = str(error).partition(" <")[0]  # not the address of an object
    raise StoreError(f"a picture in the database cannot be shown: {why}.")


#: What Pillow raises for bytes that are not an image, or for one that it finds too large.
_NO_PNG = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


def images_of(strip_png: bytes) -> Pixels | None:
    """Return images (N, height, width) of a grey strip, (N, height, width, 3) of one in colour.

    None unless it has ten.
    """
    strip = open_strip(strip_png)
    found = edges(strip)
    if not found:
        return None
    pixels = np.asarray(plain(strip), dtype=np.uint8)
    width = found[1] - GAP
    return np.stack([pixels[:, left : left + width] for left in found])


def plain(strip: Image.Image) -> Image.Image:
    """Convert the strip to grey or RGB pixels."""
    return strip if strip.mode in ("L", "RGB") else strip.convert("RGB")


def edges(strip: Image.Image) -> list[int]:
    """Return where each of the ten images begins; empty if the strip does not have ten."""
    width, rest = divmod(strip.width - GAP * (STRIP_LENGTH - 1), STRIP_LENGTH)
    found = [place * (width + GAP) for place in range(STRIP_LENGTH)]
    if rest or width < 1 or not all(_is_gap(strip, edge) for edge in found[1:]):
        return []
    return found


def _is_gap(strip: Image.Image, edge: int) -> bool:
    # Grey has one pair of extremes, colour one pair per channel.
    extrema = np.ravel(strip.crop((edge - GAP, 0, edge, strip.height)).getextrema())
    return bool((extrema == 255).all())


def picture_names(class_names: tuple[str, ...]) -> list[str]:
    """Name the ten images: one of each class if there are ten classes."""
    if len(class_names) == STRIP_LENGTH:
        return list(class_names)
    return [f"test image {place}" for place in range(1, STRIP_LENGTH + 1)]
