"""The encoder's part of a training step: its forward pass, and W1's step.

Notation: see the package.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.functions import batch_of, pixels_of
from sweep.trainer.fused.kernels.optimizers import load_parameters, load_update_rule, step


@triton.jit(do_not_specialize=["order_stride", "n_images"])
def encode(
    tile_list,
    tile_slot,
    tile_units,
    images,  # (n, D) uint8
    order,  # int32, indices of the images in order: of a slot at order + slot * order_stride
    order_stride,
    n_images,
    position,
    encoder,
    encoder_bias,
    z,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Compute Z of a tile and BLOCK_B examples; grid (T, B / BLOCK_B)."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    b = tl.program_id(1) * BLOCK_B + tl.arange(0, BLOCK_B)
    start = tl.load(position + slot) * B
    seen = (b < B) & (start + b < n_images)
    image = tl.load(order + slot * order_stride + start + b, mask=seen, other=0)

    weights = encoder + tile * BLOCK_R * D
    total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
    d = tl.arange(0, BLOCK_D)
    x = pixels_of(images, image, seen, d, D)
    w = load_weights(weights, unit, in_use, d, D)
    # The next block is loaded here explicitly. Triton would do so automatically, but then a product
    # stays in flight from one block to the next, and the assembler overwrites the registers that it
    # reads.
    for d0 in range(BLOCK_D, D + BLOCK_D, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        x_next = pixels_of(images, image, seen, d, D)
        w_next = load_weights(weights, unit, in_use, d, D)
        total = tl.dot(x.to(tl.float32), tl.trans(w), total, input_precision=PRECISION)
        x, w = x_next, w_next
    store_units(total, encoder_bias, z, tile, unit, in_use, b, B, BLOCK_R)


@triton.jit(do_not_specialize=["order_stride", "n_images"])
def update_encoder(
    tile_list,
    tile_slot,
    tile_units,
    choice_table,
    step_table,
    optimizer_table,
    images,
    order,
    order_stride,
    n_images,
    position,
    encoder,
    encoder_first,
    encoder_second,
    encoder_bias,
    grad_hidden,
    z,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SINGLE_BLOCK: tl.constexpr,  # whether BLOCK_B has the whole batch
    PRECISION: tl.constexpr,
):
    """Take W1's step of a tile; if a batch is a single block, compute Z of the next one. Grid (T,).

    A block of W1 after its step is still in registers, so the next batch's Z needs no second read.
    """
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    rule = load_update_rule(slot, choice_table, step_table, optimizer_table)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    start = tl.load(position + slot) * B
    weights = encoder + tile * BLOCK_R * D
    firsts = encoder_first + tile * BLOCK_R * D
    seconds = encoder_second + tile * BLOCK_R * D
    order += slot * order_stride
    grad_hidden += tile * B * BLOCK_R

    b = tl.arange(0, BLOCK_B)
    seen = (b < B) & (start + b < n_images)
    image = tl.load(order + start + b, mask=seen, other=0)
    seen_next = (b < B) & (start + B + b < n_images)
    image_next = tl.load(order + start + B + b, mask=seen_next, other=0)
    p = tl.load(grad_hidden + (unit[:, None] * B + b[None, :]), mask=(b < B)[None, :], other=0.0)
    total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
    d = tl.arange(0, BLOCK_D)
    cell = unit[:, None] * D + d[None, :]
    mine = in_use[:, None] & (d < D)[None, :]
    weight, first, second = load_parameters(weights, firsts, seconds, cell, mine, rule)
    for d0 in range(0, D, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        cell = unit[:, None] * D + d[None, :]
        mine = in_use[:, None] & (d < D)[None, :]
        x = pixels_of(images, image, seen, d, D).to(tl.float32)
        weight_gradient = tl.dot(p, x, input_precision=PRECISION)
        for b0 in range(BLOCK_B, B, BLOCK_B):
            later = b0 + b
            late_x = batch_of(images, order, start, n_images, later, d, B, D).to(tl.float32)
            late_p = tl.load(
                grad_hidden + (unit[:, None] * B + later[None, :]),
                mask=(later < B)[None, :],
                other=0.0,
            )
            weight_gradient = tl.dot(late_p, late_x, weight_gradient, input_precision=PRECISION)
        # Not before the sum, whose registers it would take: the next one hides the latency as well.
        mine_next = in_use[:, None] & (d + BLOCK_D < D)[None, :]
        ahead = load_parameters(weights, firsts, seconds, cell + BLOCK_D, mine_next, rule)
        weight = step(
            weights,
            firsts,
            seconds,
            cell,
            mine,
            weight,
            first,
            second,
            weight_gradient * (1.0 / 255.0),
            rule,
        )
        if SINGLE_BLOCK:
            x = pixels_of(images, image_next, seen_next, d, D).to(tl.float32)
            total = tl.dot(x, tl.trans(weight), total, input_precision=PRECISION)
        weight, first, second = ahead
    if SINGLE_BLOCK:
        store_units(total, encoder_bias, z, tile, unit, in_use, b, B, BLOCK_R)


@triton.jit
def load_weights(weights, unit, in_use, d, D: tl.constexpr):
    """Load a tile's weights of these inputs, (BLOCK_R, BLOCK_D); 0 for units not in use."""
    mask = in_use[:, None] & (d < D)[None, :]
    return tl.load(weights + (unit[:, None] * D + d[None, :]), mask=mask, other=0.0)


@triton.jit
def store_units(
    total, encoder_bias, z, tile, unit, in_use, b, B: tl.constexpr, BLOCK_R: tl.constexpr
):
    """Store Z of a tile and these examples, computed from the sum over bytes."""
    bias = tl.load(encoder_bias + tile * BLOCK_R + unit, mask=in_use, other=0.0)
    tl.store(
        z + tile * B * BLOCK_R + (b[:, None] * BLOCK_R + unit[None, :]),
        total * (1.0 / 255.0) + bias[None, :],
        mask=(b < B)[:, None],
    )
