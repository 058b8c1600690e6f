"""Locate errors: along the images' principal directions, and by the value of a pixel.

Notation: see the package; V (D, D) has the principal directions in columns. ``measure`` runs first,
and keeps the reconstructions. Sums of a block of examples are float32; blocks are added up in
float64, in the order of the images.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.functions import pixels_of
from sweep.trainer.fused.kernels.tables import BLACK, BLACK_SQUARES, N_VALUES, WHITE, WHITE_SQUARES


@triton.jit(do_not_specialize=["n_images"])
def project_errors(
    slot_list,
    images,
    n_images,
    position,
    reconstructions,  # (K, B, D)
    directions,  # (D, D) V
    direction_squares,  # (K, D) float64
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_I: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Add a batch's squared errors along BLOCK_D directions to a slot's; grid (D / BLOCK_D, K)."""
    slot = tl.load(slot_list + tl.program_id(1)).to(tl.int64)
    if slot < 0:
        return
    start = tl.load(position + slot) * B
    k = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    reconstructions += slot * B * D
    cell = direction_squares + slot * D + k
    total = tl.load(cell, mask=k < D, other=0.0)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        image = start + b
        seen = (b < B) & (image < n_images)
        scores = tl.zeros((BLOCK_B, BLOCK_D), dtype=tl.float32)
        for d0 in range(0, D, BLOCK_I):
            d = d0 + tl.arange(0, BLOCK_I)
            error = residuals_of(images, reconstructions, image, b, seen, d, D)
            v = tl.load(
                directions + d[:, None] * D + k[None, :],
                mask=(d < D)[:, None] & (k < D)[None, :],
                other=0.0,
            )
            scores = tl.dot(error, v, scores, input_precision=PRECISION)
        total += tl.sum(scores * scores, axis=0).to(tl.float64)
    tl.store(cell, total, mask=k < D)


@triton.jit(do_not_specialize=["n_images"])
def split_errors(
    slot_list,
    images,
    n_images,
    position,
    reconstructions,  # (K, B, D)
    value_squares,  # (K, D / BLOCK_D, N_VALUES) float64
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Add a batch's squared errors on pixels of 0 and of 255 to a slot's; grid (D / BLOCK_D, K)."""
    slot = tl.load(slot_list + tl.program_id(1)).to(tl.int64)
    if slot < 0:
        return
    start = tl.load(position + slot) * B
    d = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    reconstructions += slot * B * D
    black = tl.zeros((1,), dtype=tl.float64)
    white = tl.zeros((1,), dtype=tl.float64)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        image = start + b
        seen = (b < B) & (image < n_images)
        error = residuals_of(images, reconstructions, image, b, seen, d, D)
        square = error * error
        pixel = pixels_of(images, image, seen, d, D)
        of_black = tl.sum(tl.where(pixel == BLACK, square, 0.0), axis=1)
        of_white = tl.sum(tl.where(pixel == WHITE, square, 0.0), axis=1)
        black += tl.sum(of_black, axis=0).to(tl.float64)
        white += tl.sum(of_white, axis=0).to(tl.float64)
    cell = value_squares + (slot * tl.num_programs(0) + tl.program_id(0)) * N_VALUES
    at = tl.arange(0, 1)
    tl.store(cell + BLACK_SQUARES + at, tl.load(cell + BLACK_SQUARES + at) + black)
    tl.store(cell + WHITE_SQUARES + at, tl.load(cell + WHITE_SQUARES + at) + white)


@triton.jit
def residuals_of(images, reconstructions, image, b, seen, d, D: tl.constexpr):
    """Compute copies minus pixels of these examples and inputs; 0 for masked ones."""
    here = seen[:, None] & (d < D)[None, :]
    x = pixels_of(images, image, seen, d, D).to(tl.float32) / 255.0
    return tl.load(reconstructions + (b[:, None] * D + d[None, :]), mask=here, other=0.0) - x
