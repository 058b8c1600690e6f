"""Convert pixels for display: 8-bit values, strips of images as PNG, and PSNR.

Notation: N images of D numbers, pixels of grey or RGB images, on the [0, 1] scale.
"""

import io
import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sweep.messages import ImageShape

#: 8-bit values of pixels that are exactly 0, and exactly 1.
BLACK, WHITE = 0, 255

#: White columns between the images of a strip.
GAP = 2

#: Absolute error that an error map shows as white; the same for every trial, to compare them.
ERROR_WHITE = 0.5


def to_bytes(pixels: Tensor) -> Tensor:
    """Convert pixels (N, D) to 8-bit values.

    Values of a linear output outside of [0, 1] are clipped.
    """
    return pixels.mul(255.0).round_().clamp_(0.0, 255.0).to(torch.uint8)


def psnr(mse: float) -> float:
    """Return the peak signal-to-noise ratio in dB of pixels on the [0, 1] scale."""
    return -10.0 * math.log10(mse) if mse > 0.0 else math.inf


def strip_png(pixels: NDArray[np.uint8], shape: ImageShape) -> bytes:
    """Draw images (N, D) side by side, as a grey or RGB PNG."""
    images = pixels.reshape(-1, *shape.array_shape)
    gaps = [(0, 0)] * images.ndim
    gaps[2] = (0, GAP)
    padded = np.pad(images, gaps, constant_values=255)
    strip = np.concatenate(list(padded), axis=1)[:, :-GAP]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(strip)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def errors_png(originals: Tensor, pixels: Tensor, shape: ImageShape) -> bytes:
    """Draw absolute errors of pixels (N, D): black is zero, white is ERROR_WHITE."""
    errors = (pixels - originals).abs_().div_(ERROR_WHITE)
    return strip_png(to_bytes(errors).cpu().numpy(), shape)
