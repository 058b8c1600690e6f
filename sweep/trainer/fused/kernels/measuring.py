"""Measure errors on images outside of training, and statistics of a slot's units and weights.

Notation: see the package. ``encode`` runs first. Sums of a block are float32; blocks are added up
in float64, in the order of the images.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.functions import cross_entropy, logits, pixels_of, reconstruct
from sweep.trainer.fused.kernels.tables import (
    ACTIVATION,
    CAN_DIE,
    CHOICE_COLUMNS,
    DEAD,
    DECODER_BIAS_NOT_FINITE,
    DECODER_NOT_FINITE,
    DECODER_SQUARES,
    ENCODER_BIAS_NOT_FINITE,
    ENCODER_NOT_FINITE,
    ENCODER_SQUARES,
    ENTROPY,
    EXACT,
    N_REPORT,
    N_SUMS,
    N_TILE_SUMS,
    OPTIMIZER_COLUMNS,
    OUTPUT,
    OUTPUT_SATURATED_FROM,
    REPORT_ENTROPY,
    REPORT_EXACT,
    REPORT_SQUARES,
    REPORT_STUCK,
    SATURATED,
    SATURATED_FROM,
    SIGMOID,
    SQUARES,
    STUCK,
    STUCK_FROM,
    TRAIN_LOSS,
)


@triton.jit(do_not_specialize=["n_images", "n_classes", "keep"])
def measure(
    slot_list,
    tile_list,
    tile_start,
    tile_count,
    tile_units,
    choice_table,
    images,
    n_images,
    labels,  # (n,) int32, from 0; not read if n_classes is 0
    n_classes,
    position,
    decoder,
    decoder_bias,
    z,
    sums,  # (K, D / BLOCK_D, N_SUMS) float64
    class_squares,  # (K, D / BLOCK_D, n_classes) float64
    reconstructions,  # (K, B, D), written if keep is not 0
    keep,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Add a batch's errors to a slot's sums over BLOCK_D pixels; grid (D / BLOCK_D, K)."""
    slot = tl.load(slot_list + tl.program_id(1)).to(tl.int64)
    if slot < 0:
        return
    activation = tl.load(choice_table + slot * CHOICE_COLUMNS + ACTIVATION)
    output = tl.load(choice_table + slot * CHOICE_COLUMNS + OUTPUT)
    n_tiles = tl.load(tile_count + slot)
    mine = tile_list + tl.load(tile_start + slot)
    start = tl.load(position + slot) * B
    d = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    bias = tl.load(decoder_bias + slot * D + d, mask=d < D, other=0.0)
    cell = slot * tl.num_programs(0) + tl.program_id(0)
    sums += cell * N_SUMS
    class_squares += cell * n_classes
    reconstructions += slot * B * D
    for b0 in range(0, B, 2 * BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        o = logits(
            z,
            decoder,
            bias,
            mine,
            n_tiles,
            tile_units,
            activation,
            b,
            b + BLOCK_B,
            d,
            B,
            D,
            BLOCK_R,
            BLOCK_B,
            BLOCK_D,
            PRECISION,
        )
        for block in tl.static_range(2):
            add_errors(
                o[block],
                output,
                images,
                n_images,
                labels,
                n_classes,
                start,
                b + block * BLOCK_B,
                d,
                sums,
                class_squares,
                reconstructions,
                keep,
                B,
                D,
            )


@triton.jit
def add_errors(
    o,
    output,
    images,
    n_images,
    labels,
    n_classes,
    start,
    b,
    d,
    sums,  # the cell's
    class_squares,
    reconstructions,  # the slot's
    keep,
    B: tl.constexpr,
    D: tl.constexpr,
):
    """Add the errors of these examples to a cell's sums."""
    image = start + b
    seen = (b < B) & (image < n_images)
    here = seen[:, None] & (d < D)[None, :]
    pixel = pixels_of(images, image, seen, d, D)
    x = pixel.to(tl.float32) / 255.0
    y = reconstruct(o, output)
    if keep != 0:
        tl.store(reconstructions + (b[:, None] * D + d[None, :]), y, mask=here)

    error = tl.abs(y - x)
    square = tl.where(here, error * error, 0.0)
    squares = tl.sum(square, axis=1)
    _add(sums + SQUARES, tl.sum(squares, axis=0))
    if output == SIGMOID:
        entropy = tl.where(here, cross_entropy(o, x, CHEAP=False), 0.0)
        _add(sums + ENTROPY, tl.sum(tl.sum(entropy, axis=1), axis=0))
        is_stuck = (tl.abs(o) > OUTPUT_SATURATED_FROM) & (error > STUCK_FROM)
        stuck = tl.sum(tl.where(is_stuck, square, 0.0), axis=1)
        _add(sums + STUCK, tl.sum(stuck, axis=0))
    same = here & (_to_byte(y) == pixel.to(tl.float32))
    exact = tl.sum(tl.sum(tl.where(same, 1.0, 0.0), axis=1), axis=0)
    _add(sums + EXACT, exact)
    if n_classes > 0:
        label = tl.load(labels + image, mask=seen, other=-1)
        for c in range(n_classes):
            of_class = tl.sum(tl.where(label == c, squares, 0.0), axis=0)
            _add(class_squares + c, of_class)


@triton.jit
def _add(cell, value):
    tl.store(cell, tl.load(cell) + value.to(tl.float64))


@triton.jit
def _to_byte(y):
    """Convert like ``pixels.to_bytes``: clipped to 0..255 and rounded, halves to even.

    Adding and subtracting 1.5 x 2^23 leaves float32 no room for a fraction.
    """
    cut = tl.minimum(tl.maximum(y * 255.0, 0.0), 255.0)
    return (cut + 12582912.0) - 12582912.0


@triton.jit(do_not_specialize=["n_images"])
def watch_units(
    tile_list,
    tile_slot,
    optimizer_table,
    n_images,
    position,
    z,
    active,  # (T R,) int32, images for which a unit was above 0
    saturated,  # (T R,) int32, images for which it was saturated
    B: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
):
    """Count over a batch for which images each unit of a tile is active, and saturated."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    limit = tl.load(optimizer_table + slot * OPTIMIZER_COLUMNS + SATURATED_FROM)
    start = tl.load(position + slot) * B
    unit = tl.arange(0, BLOCK_R)
    row = tile * BLOCK_R + unit
    n_active = tl.load(active + row)
    n_saturated = tl.load(saturated + row)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        seen = ((b < B) & (start + b < n_images))[:, None]
        at = b[:, None] * BLOCK_R + unit[None, :]
        inputs = tl.load(z + tile * B * BLOCK_R + at, mask=seen, other=0.0)
        n_active += tl.sum((inputs > 0.0).to(tl.int32), axis=0)
        n_saturated += tl.sum((tl.abs(inputs) > limit).to(tl.int32), axis=0)
    tl.store(active + row, n_active)
    tl.store(saturated + row, n_saturated)


@triton.jit
def summarise_tiles(
    tile_list,
    tile_slot,
    tile_units,
    choice_table,
    encoder,
    encoder_bias,
    decoder,
    active,
    saturated,
    tile_sums,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Summarise a tile's weights and units in a few numbers; grid (T,)."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    row = tile * BLOCK_R + unit
    bias = tl.load(encoder_bias + row, mask=in_use, other=0.0)
    encoder_not_finite = tl.zeros((BLOCK_R,), dtype=tl.int32)
    decoder_not_finite = tl.zeros((BLOCK_R,), dtype=tl.int32)
    encoder_squares = tl.zeros((BLOCK_R,), dtype=tl.float32)
    decoder_squares = tl.zeros((BLOCK_R,), dtype=tl.float32)
    for d0 in range(0, D, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        at = unit[:, None] * D + d[None, :]
        mask = in_use[:, None] & (d < D)[None, :]
        incoming = tl.load(encoder + tile * BLOCK_R * D + at, mask=mask, other=0.0)
        outgoing = tl.load(decoder + tile * BLOCK_R * D + at, mask=mask, other=0.0)
        encoder_squares += tl.sum(incoming * incoming, axis=1)
        decoder_squares += tl.sum(outgoing * outgoing, axis=1)
        encoder_not_finite += tl.sum(_count_not_finite(incoming), axis=1)
        decoder_not_finite += tl.sum(_count_not_finite(outgoing), axis=1)

    can_die = tl.load(choice_table + slot * CHOICE_COLUMNS + CAN_DIE) != 0
    dead = in_use & (tl.load(active + row) == 0) & can_die
    n_saturated = tl.where(in_use, tl.load(saturated + row), 0)
    cell = tile_sums + tile * N_TILE_SUMS
    tl.store(cell + ENCODER_SQUARES, tl.sum(encoder_squares.to(tl.float64), axis=0))
    tl.store(cell + DECODER_SQUARES, tl.sum(decoder_squares.to(tl.float64), axis=0))
    tl.store(cell + DEAD, tl.sum(dead.to(tl.int32), axis=0).to(tl.float64))
    tl.store(cell + SATURATED, tl.sum(n_saturated.to(tl.int64), axis=0).to(tl.float64))
    tl.store(cell + ENCODER_NOT_FINITE, tl.sum(encoder_not_finite, axis=0).to(tl.float64))
    bias_not_finite = tl.sum(_count_not_finite(bias), axis=0)
    tl.store(cell + ENCODER_BIAS_NOT_FINITE, bias_not_finite.to(tl.float64))
    tl.store(cell + DECODER_NOT_FINITE, tl.sum(decoder_not_finite, axis=0).to(tl.float64))


@triton.jit
def _count_not_finite(values):
    return tl.where(tl.abs(values) < float("inf"), 0, 1)


@triton.jit(do_not_specialize=["n_steps", "n_parts", "n_train", "n_slots"])
def summarise_slots(
    slot_list,
    tile_list,
    tile_start,
    tile_count,
    decoder_bias,
    tile_sums,
    losses,  # (n_steps, K, n_parts)
    n_steps,
    n_parts,
    n_train,
    sums,
    report,  # (K, N_REPORT) float64
    n_slots,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_PARTS: tl.constexpr,
):
    """Write a slot's row of the report; grid (K,). BLOCK_PARTS: n_parts or the next power of 2.

    The training loss is the mean over images; if a step's loss is not finite, the first such loss.
    """
    slot = tl.load(slot_list + tl.program_id(0)).to(tl.int64)
    if slot < 0:
        return
    row = report + slot * N_REPORT
    n_tiles = tl.load(tile_count + slot)
    mine = tile_list + tl.load(tile_start + slot)
    column = tl.arange(0, 8)
    summed = tl.zeros((8,), dtype=tl.float64)
    for i in range(n_tiles):
        tile = tl.load(mine + i).to(tl.int64)
        summed += tl.load(
            tile_sums + tile * N_TILE_SUMS + column, mask=column < N_TILE_SUMS, other=0.0
        )
    not_finite = tl.zeros((BLOCK_D,), dtype=tl.int32)
    for d0 in range(0, D, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        not_finite += _count_not_finite(tl.load(decoder_bias + slot * D + d, mask=d < D, other=0.0))
    tl.store(row + column, summed, mask=column < N_TILE_SUMS)
    tl.store(row + DECODER_BIAS_NOT_FINITE, tl.sum(not_finite, axis=0).to(tl.float64))

    part = tl.arange(0, BLOCK_PARTS)
    loss_sum = tl.zeros((BLOCK_PARTS,), dtype=tl.float64)
    culprit = tl.zeros((1,), dtype=tl.float64)
    cells = losses + slot * n_parts + part
    for _ in range(n_steps):
        loss = tl.load(cells, mask=part < n_parts, other=0.0).to(tl.float64)
        loss_sum += loss
        of_step = tl.zeros((1,), dtype=tl.float64) + tl.sum(loss, axis=0)
        culprit = tl.where(tl.abs(culprit) < float("inf"), of_step, culprit)
        cells += n_slots * n_parts
    mean = tl.zeros((1,), dtype=tl.float64) + tl.sum(loss_sum, axis=0) / (
        n_train.to(tl.float64) * D
    )
    mean = tl.where(tl.abs(culprit) < float("inf"), mean, culprit)
    tl.store(row + TRAIN_LOSS + tl.arange(0, 1), mean)

    cell = sums + (slot * n_parts + part) * N_SUMS
    mask = part < n_parts
    tl.store(row + REPORT_SQUARES, tl.sum(tl.load(cell + SQUARES, mask=mask, other=0.0), axis=0))
    tl.store(row + REPORT_ENTROPY, tl.sum(tl.load(cell + ENTROPY, mask=mask, other=0.0), axis=0))
    tl.store(row + REPORT_EXACT, tl.sum(tl.load(cell + EXACT, mask=mask, other=0.0), axis=0))
    tl.store(row + REPORT_STUCK, tl.sum(tl.load(cell + STUCK, mask=mask, other=0.0), axis=0))
