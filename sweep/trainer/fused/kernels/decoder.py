"""The decoder's part of a training step: logits, loss and its gradient, W2's step, and P.

Notation: see the package.

Slots of one tile have separate kernels, with SINGLE_TILE = 1 instead of 0: a program that decodes
BLOCK_D of such a slot's outputs has all the weights of these outputs, so it takes W2's step too,
and G stays within it. It stores its part of G W2^T in G's place, (D / BLOCK_D, B, R), and the
kernel that computes P adds the parts up.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.functions import (
    activate,
    batch_of,
    derivative,
    intensity,
    logits,
    loss_gradient,
    loss_of,
    reconstruct,
)
from sweep.trainer.fused.kernels.optimizers import (
    load_and_step,
    load_parameters,
    load_update_rule,
    step,
)
from sweep.trainer.fused.kernels.tables import (
    ACTIVATION,
    CHOICE_COLUMNS,
    DELTA,
    LOSS,
    OPTIMIZER_COLUMNS,
    OUTPUT,
)


@triton.jit(do_not_specialize=["order_stride", "n_images", "n_slots"])
def decode(
    slot_list,
    tile_list,
    tile_start,
    tile_count,
    tile_units,
    choice_table,
    step_table,
    optimizer_table,
    images,
    order,
    order_stride,
    n_images,
    position,
    decoder,
    decoder_bias,  # (K, D), and its moments
    decoder_bias_first,
    decoder_bias_second,
    z,
    grad_logits,
    losses,  # (steps of an epoch, K, D / BLOCK_D), each cell's sum
    n_slots,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SINGLE_TILE: tl.constexpr,
    CHEAP_LOSS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Compute logits, loss and its gradient of a slot and BLOCK_D outputs.

    It skips slots with SINGLE_TILE tiles. Grid (D / BLOCK_D, K): a slot's programs run together and
    find its Z in the L2 cache.
    """
    slot = tl.load(slot_list + tl.program_id(1)).to(tl.int64)
    if slot < 0:
        return
    n_tiles = tl.load(tile_count + slot)
    if n_tiles == SINGLE_TILE:
        return
    activation, output, loss, delta = choices_of(slot, choice_table, optimizer_table)
    rule = load_update_rule(slot, choice_table, step_table, optimizer_table)
    mine = tile_list + tl.load(tile_start + slot)
    at_step = tl.load(position + slot)
    start = at_step * B
    scale = 1.0 / (tl.minimum(n_images - start, B) * D).to(tl.float32)

    d = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    d_in = d < D
    at_bias = slot * D + d
    bias = tl.load(decoder_bias + at_bias, mask=d_in, other=0.0)
    bias_gradient = tl.zeros((BLOCK_D,), dtype=tl.float32)
    loss_sum = 0.0
    grad_logits += slot * B * D
    order += slot * order_stride
    for b0 in range(0, B, 2 * BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        # The pixels first: the products are computed meanwhile.
        pixels = (
            batch_of(images, order, start, n_images, b, d, B, D),
            batch_of(images, order, start, n_images, b + BLOCK_B, d, B, D),
        )
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
            of = b + block * BLOCK_B
            seen = (of < B) & (start + of < n_images)
            g, lost = loss_and_gradient(
                o[block], pixels[block], seen, d, scale, output, loss, delta, D, CHEAP_LOSS
            )
            store_errors(grad_logits, g, of, d, B, D)
            loss_sum += lost
            bias_gradient += tl.sum(g, axis=0)
    load_and_step(
        decoder_bias, decoder_bias_first, decoder_bias_second, at_bias, d_in, bias_gradient, rule
    )
    block = (at_step.to(tl.int64) * n_slots + slot) * tl.num_programs(0) + tl.program_id(0)
    tl.store(losses + block, loss_sum)


@triton.jit(do_not_specialize=["order_stride", "n_images", "n_slots"])
def decode_single_tile(
    slot_list,
    tile_list,
    tile_start,
    tile_count,
    tile_units,
    choice_table,
    step_table,
    optimizer_table,
    images,
    order,
    order_stride,
    n_images,
    position,
    decoder,
    decoder_first,
    decoder_second,
    decoder_bias,  # (K, D), and its moments
    decoder_bias_first,
    decoder_bias_second,
    z,
    grad_logits,  # the parts of G W2^T
    losses,  # (steps of an epoch, K, D / BLOCK_D), each cell's sum
    n_slots,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SINGLE_TILE: tl.constexpr,
    CHEAP_LOSS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Do what ``decode`` does for a slot of one tile, and W2's step; store its part of G W2^T.

    Grid (D / BLOCK_D, K).
    """
    slot = tl.load(slot_list + tl.program_id(1)).to(tl.int64)
    if slot < 0:
        return
    n_tiles = tl.load(tile_count + slot)
    if n_tiles != SINGLE_TILE:
        return
    activation, output, loss, delta = choices_of(slot, choice_table, optimizer_table)
    rule = load_update_rule(slot, choice_table, step_table, optimizer_table)
    mine = tile_list + tl.load(tile_start + slot)
    at_step = tl.load(position + slot)
    start = at_step * B
    scale = 1.0 / (tl.minimum(n_images - start, B) * D).to(tl.float32)

    d = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    d_in = d < D
    at_bias = slot * D + d
    bias = tl.load(decoder_bias + at_bias, mask=d_in, other=0.0)
    bias_gradient = tl.zeros((BLOCK_D,), dtype=tl.float32)
    loss_sum = 0.0
    grad_logits += slot * B * D
    order += slot * order_stride
    unit = tl.arange(0, BLOCK_R)
    tile = tl.load(mine).to(tl.int64)
    mask = (unit < tl.load(tile_units + tile))[:, None] & d_in[None, :]
    row = tile * BLOCK_R * D + (unit[:, None] * D + d[None, :])
    w = tl.load(decoder + row, mask=mask, other=0.0)
    part = grad_logits + tl.program_id(0) * B * BLOCK_R
    weight_gradient = tl.zeros((BLOCK_R, BLOCK_D), dtype=tl.float32)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        seen = (b < B) & (start + b < n_images)
        pixels = batch_of(images, order, start, n_images, b, d, B, D)
        inputs = inputs_of(z + tile * B * BLOCK_R, b, seen, unit, BLOCK_R)
        h = activate(inputs, activation)
        o = tl.dot(h, w, input_precision=PRECISION) + bias[None, :]
        g, lost = loss_and_gradient(o, pixels, seen, d, scale, output, loss, delta, D, CHEAP_LOSS)
        loss_sum += lost
        bias_gradient += tl.sum(g, axis=0)
        to_units = tl.dot(g, tl.trans(w), input_precision=PRECISION)
        at = b[:, None] * BLOCK_R + unit[None, :]
        tl.store(part + at, to_units, mask=(b < B)[:, None])
        weight_gradient = tl.dot(tl.trans(h), g, weight_gradient, input_precision=PRECISION)
    load_and_step(decoder, decoder_first, decoder_second, row, mask, weight_gradient, rule)
    load_and_step(
        decoder_bias, decoder_bias_first, decoder_bias_second, at_bias, d_in, bias_gradient, rule
    )
    block = (at_step.to(tl.int64) * n_slots + slot) * tl.num_programs(0) + tl.program_id(0)
    tl.store(losses + block, loss_sum)


@triton.jit
def choices_of(slot, choice_table, optimizer_table):
    """Load a slot's activation and output, and its loss with its delta."""
    code = choice_table + slot * CHOICE_COLUMNS
    return (
        tl.load(code + ACTIVATION),
        tl.load(code + OUTPUT),
        tl.load(code + LOSS),
        tl.load(optimizer_table + slot * OPTIMIZER_COLUMNS + DELTA),
    )


@triton.jit
def loss_and_gradient(
    o, pixels, seen, d, scale, output, loss, delta, D: tl.constexpr, CHEAP: tl.constexpr
):
    """Compute G of these logits, and the sum of their losses."""
    here = seen[:, None] & (d < D)[None, :]
    x = intensity(pixels, CHEAP)
    y = reconstruct(o, output)
    value = tl.where(here, loss_of(o, y, x, loss, delta, CHEAP), 0.0)
    lost = tl.sum(tl.sum(value, axis=1), axis=0)
    return tl.where(here, loss_gradient(y, x, loss, output, delta) * scale, 0.0), lost


@triton.jit(do_not_specialize=["n_images"])
def hidden_gradient(
    tile_list,
    tile_slot,
    tile_units,
    tile_count,
    choice_table,
    step_table,
    optimizer_table,
    n_images,
    position,
    decoder,
    encoder_bias,
    encoder_bias_first,
    encoder_bias_second,
    z,
    grad_logits,
    grad_hidden,  # P
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PARTS: tl.constexpr,  # blocks of outputs of decode
    SINGLE_TILE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Compute P of a tile, and b1's step, if a batch is not a single block; grid (T,)."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    activation = tl.load(choice_table + slot * CHOICE_COLUMNS + ACTIVATION)
    rule = load_update_rule(slot, choice_table, step_table, optimizer_table)
    single_tile = tl.load(tile_count + slot) == SINGLE_TILE
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    start = tl.load(position + slot) * B
    z += tile * B * BLOCK_R
    grad_hidden += tile * B * BLOCK_R
    grad_logits += slot * B * D
    bias_gradient = tl.zeros((BLOCK_R,), dtype=tl.float32)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        seen = (b < B) & (start + b < n_images)
        if single_tile:
            total = add_parts(grad_logits, b, unit, B, BLOCK_R, BLOCK_B, PARTS)
        else:
            total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
            for d0 in range(0, D, BLOCK_D):
                d = d0 + tl.arange(0, BLOCK_D)
                g = errors_of(grad_logits, b, seen, d, D)
                w = tl.load(
                    decoder + tile * BLOCK_R * D + (unit[:, None] * D + d[None, :]),
                    mask=in_use[:, None] & (d < D)[None, :],
                    other=0.0,
                )
                total = tl.dot(g, tl.trans(w), total, input_precision=PRECISION)
        inputs = inputs_of(z, b, seen, unit, BLOCK_R)
        p = total * derivative(inputs, activation)
        bias_gradient += store_hidden(grad_hidden, p, b, seen, unit, in_use, B)
    row = tile * BLOCK_R + unit
    load_and_step(
        encoder_bias, encoder_bias_first, encoder_bias_second, row, in_use, bias_gradient, rule
    )


@triton.jit(do_not_specialize=["n_images"])
def update_decoder(
    tile_list,
    tile_slot,
    tile_units,
    tile_count,
    choice_table,
    step_table,
    optimizer_table,
    n_images,
    position,
    decoder,
    decoder_first,
    decoder_second,
    encoder_bias,
    encoder_bias_first,
    encoder_bias_second,
    z,
    grad_logits,
    grad_hidden,  # P
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PARTS: tl.constexpr,  # blocks of outputs of decode
    SINGLE_TILE: tl.constexpr,
    SINGLE_BLOCK: tl.constexpr,  # whether BLOCK_B has the whole batch
    PRECISION: tl.constexpr,
):
    """Take W2's step of a tile, unless decode_single_tile has taken it. Grid (T,).

    If the batch is a single block, also compute P, from the weights before their step, and take
    b1's step: then G and W2 are read once for both.
    """
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    activation = tl.load(choice_table + slot * CHOICE_COLUMNS + ACTIVATION)
    rule = load_update_rule(slot, choice_table, step_table, optimizer_table)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    start = tl.load(position + slot) * B
    z += tile * B * BLOCK_R
    grad_logits += slot * B * D

    b = tl.arange(0, BLOCK_B)
    seen = (b < B) & (start + b < n_images)
    inputs = inputs_of(z, b, seen, unit, BLOCK_R)
    total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
    if tl.load(tile_count + slot) == SINGLE_TILE:
        if SINGLE_BLOCK:
            total = add_parts(grad_logits, b, unit, B, BLOCK_R, BLOCK_B, PARTS)
    else:
        h = activate(inputs, activation)
        weights = decoder + tile * BLOCK_R * D
        firsts = decoder_first + tile * BLOCK_R * D
        seconds = decoder_second + tile * BLOCK_R * D
        d = tl.arange(0, BLOCK_D)
        cell = unit[:, None] * D + d[None, :]
        mine = in_use[:, None] & (d < D)[None, :]
        weight, first, second = load_parameters(weights, firsts, seconds, cell, mine, rule)
        # What is carried over could be recomputed, but then more registers are spilt.
        for _ in range(0, D, BLOCK_D):
            mine_next = in_use[:, None] & (d + BLOCK_D < D)[None, :]
            ahead = load_parameters(weights, firsts, seconds, cell + BLOCK_D, mine_next, rule)
            g = errors_of(grad_logits, b, seen, d, D)
            if SINGLE_BLOCK:
                total = tl.dot(g, tl.trans(weight), total, input_precision=PRECISION)
            weight_gradient = tl.dot(tl.trans(h), g, input_precision=PRECISION)
            for b0 in range(BLOCK_B, B, BLOCK_B):
                later = b0 + b
                late_seen = (later < B) & (start + later < n_images)
                late_h = activate(inputs_of(z, later, late_seen, unit, BLOCK_R), activation)
                late_g = errors_of(grad_logits, later, late_seen, d, D)
                weight_gradient = tl.dot(
                    tl.trans(late_h), late_g, weight_gradient, input_precision=PRECISION
                )
            step(
                weights,
                firsts,
                seconds,
                cell,
                mine,
                weight,
                first,
                second,
                weight_gradient,
                rule,
            )
            weight, first, second = ahead
            mine = mine_next
            d += BLOCK_D
            cell += BLOCK_D
    if SINGLE_BLOCK:
        p = total * derivative(inputs, activation)
        grad_hidden += tile * B * BLOCK_R
        bias_gradient = store_hidden(grad_hidden, p, b, seen, unit, in_use, B)
        row = tile * BLOCK_R + unit
        load_and_step(
            encoder_bias, encoder_bias_first, encoder_bias_second, row, in_use, bias_gradient, rule
        )


@triton.jit
def inputs_of(z, b, seen, unit, BLOCK_R: tl.constexpr):
    """Load Z of these examples and a tile's units; 0 beyond the last image, where it may overflow.

    So examples beyond the last are left out on both sides of a product.
    """
    return tl.load(z + (b[:, None] * BLOCK_R + unit[None, :]), mask=seen[:, None], other=0.0)


@triton.jit
def store_errors(grad_logits, g, b, d, B: tl.constexpr, D: tl.constexpr):
    """Store a slot's G of these examples and outputs."""
    mask = (b < B)[:, None] & (d < D)[None, :]
    tl.store(grad_logits + (b[:, None] * D + d[None, :]), g, mask=mask)


@triton.jit
def errors_of(grad_logits, b, seen, d, D: tl.constexpr):
    """Load what ``store_errors`` stored."""
    mask = seen[:, None] & (d < D)[None, :]
    return tl.load(grad_logits + (b[:, None] * D + d[None, :]), mask=mask, other=0.0)


@triton.jit
def store_hidden(grad_hidden, p, b, seen, unit, in_use, B: tl.constexpr):
    """Store P of a tile and these examples, transposed as update_encoder reads it.

    Return its sum.
    """
    p = tl.where(seen[:, None] & in_use[None, :], p, 0.0)
    tl.store(grad_hidden + (unit[None, :] * B + b[:, None]), p, mask=(b < B)[:, None])
    return tl.sum(p, axis=0)


@triton.jit
def add_parts(
    parts,
    b,
    unit,
    B: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    PARTS: tl.constexpr,
):
    """Add up the parts of G W2^T of a slot of one tile and these examples, in order."""
    total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
    at = b[:, None] * BLOCK_R + unit[None, :]
    for part in range(PARTS):
        total += tl.load(parts + part * B * BLOCK_R + at, mask=(b < B)[:, None], other=0.0)
    return total
