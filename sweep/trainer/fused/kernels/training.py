"""One training step of every slot that trains.

begin_step: the slots' rates. encode: Z = X W1' + b1. decode: O = f(Z) W2 + b2, the loss, its
gradient G by O, and b2's step. hidden_gradient: P = (G W2') f'(Z), and b1's step. update_decoder,
update_encoder: f(Z)' G and P' X, with the optimizer's step in the epilogue.

A slot of JOINED_TILES tiles (1, or 0 for none) is joined: a program that decodes BLOCK_D of its
outputs has all the weights of these outputs, so it takes W2's step too, and G never leaves it. It
leaves its part of G W2' in G's place, (D / BLOCK_D, B, R), and hidden_gradient adds the parts up.

Notation as in the package, and: W1, W2 (T R, D) hold a hidden unit's incoming and outgoing weights
in a row; Z and P are (T, B, R), so that a tile's part is one block of memory; G is (K, B, D).
X are bytes and stay bytes up to the product: 0..255 are exact in tf32, and 1 / 255 is applied to
the sum.

The work of a launch: ``tile_list`` (T,) the tiles of the slots that work, a slot's tiles in the
order of its units and together, -1 at the end; ``slot_list`` (K,) these slots, -1 at the end;
``first`` and ``count`` (K,), by slot, where its tiles are in the list; ``tile_slot`` and
``tile_units`` (T,), by tile, whose it is and how many of its R units are in use.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.codes import (
    ACTIVATION,
    BETA1,
    BETA2,
    COSINE,
    DECOUPLED_DECAY,
    DELTA,
    KEPT,
    LEARNING_RATE,
    LINEAR_WARMUP,
    LOSS,
    N_CODES,
    N_NUMBERS,
    N_RATES,
    N_SETTINGS,
    N_STEPS,
    N_WARMUP,
    OUTPUT,
    RATE,
    ROOT_CORRECTION,
    SCHEDULE,
    STEP_SIZE,
)
from sweep.trainer.fused.kernels.functions import (
    activate,
    derivative,
    logits,
    loss_gradient,
    loss_of,
    reconstruct,
)
from sweep.trainer.fused.kernels.optimizers import recall, step


@triton.jit(do_not_specialize=["K"])
def begin_step(count, codes, settings, steps_done, position, rates, K, BLOCK_K: tl.constexpr):
    """Rates of the step to come, for every slot that works; counts it in ``steps_done`` (K,).

    ``position`` (K,) moves on to the step's batch of the epoch; -1 before the first.
    """
    slot = tl.program_id(0) * BLOCK_K + tl.arange(0, BLOCK_K)
    works = slot < K
    works = works & (tl.load(count + slot, mask=works, other=0) > 0)
    done = tl.load(steps_done + slot, mask=works, other=0)
    n_steps = tl.load(codes + slot * N_CODES + N_STEPS, mask=works, other=1)
    n_warmup = tl.load(codes + slot * N_CODES + N_WARMUP, mask=works, other=1)
    schedule = tl.load(codes + slot * N_CODES + SCHEDULE, mask=works, other=0)

    now = done.to(tl.float64)
    cosine = 0.5 * (1.0 + tl.cos(now / n_steps.to(tl.float64) * 3.141592653589793))
    warmup = tl.minimum(1.0, (now + 1.0) / n_warmup.to(tl.float64))
    factor = tl.where(schedule == COSINE, cosine, 1.0)
    factor = tl.where(schedule == LINEAR_WARMUP, warmup, factor)

    setting = settings + slot * N_SETTINGS
    rate = factor * tl.load(setting + LEARNING_RATE, mask=works, other=0.0)
    decay = tl.load(setting + DECOUPLED_DECAY, mask=works, other=0.0)
    beta1 = tl.load(setting + BETA1, mask=works, other=0.0)
    beta2 = tl.load(setting + BETA2, mask=works, other=0.0)
    # beta^t as exp(t log beta); a beta of 0 leaves nothing to correct.
    correction1 = 1.0 - tl.exp((now + 1.0) * tl.log(tl.where(beta1 > 0.0, beta1, 1.0)))
    correction2 = 1.0 - tl.exp((now + 1.0) * tl.log(tl.where(beta2 > 0.0, beta2, 1.0)))
    correction1 = tl.where(beta1 > 0.0, correction1, 1.0)
    correction2 = tl.where(beta2 > 0.0, correction2, 1.0)

    row = rates + slot * N_RATES
    tl.store(row + RATE, rate.to(tl.float32), mask=works)
    tl.store(row + STEP_SIZE, (rate / correction1).to(tl.float32), mask=works)
    tl.store(row + ROOT_CORRECTION, tl.sqrt(correction2).to(tl.float32), mask=works)
    tl.store(row + KEPT, (1.0 - rate * decay).to(tl.float32), mask=works)
    tl.store(steps_done + slot, done + 1, mask=works)
    at = tl.load(position + slot, mask=works, other=0)
    tl.store(position + slot, at + 1, mask=works)


@triton.jit(do_not_specialize=["order_stride", "n_images"])
def encode(
    tile_list,
    tile_slot,
    tile_units,
    images,  # (n, D) uint8
    order,  # int32, which image comes when: of a slot at order + slot * order_stride
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
    """Z of a tile and BLOCK_B examples; grid (T, B / BLOCK_B)."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    row = tile * BLOCK_R + unit
    b = tl.program_id(1) * BLOCK_B + tl.arange(0, BLOCK_B)
    start = tl.load(position + slot) * B
    seen = (b < B) & (start + b < n_images)
    image = tl.load(order + slot * order_stride + start + b, mask=seen, other=0)

    total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
    for d0 in range(0, D, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        x = tl.load(
            images + (image[:, None] * D + d[None, :]),
            mask=seen[:, None] & (d < D)[None, :],
            other=0,
        ).to(tl.float32)
        w = tl.load(
            encoder + tile * BLOCK_R * D + (unit[:, None] * D + d[None, :]),
            mask=in_use[:, None] & (d < D)[None, :],
            other=0.0,
        )
        total = tl.dot(x, tl.trans(w), total, input_precision=PRECISION)
    bias = tl.load(encoder_bias + row, mask=in_use, other=0.0)
    at = b[:, None] * BLOCK_R + unit[None, :]
    tl.store(
        z + tile * B * BLOCK_R + at, total * (1.0 / 255.0) + bias[None, :], mask=(b < B)[:, None]
    )


@triton.jit(do_not_specialize=["order_stride", "n_images", "K"])
def decode(
    slot_list,
    tile_list,
    first,
    count,
    tile_units,
    codes,
    rates,
    numbers,
    images,
    order,
    order_stride,
    n_images,
    position,
    decoder,
    decoder_first,
    decoder_second,
    decoder_bias,  # (K, D), and its moments
    bias_first,
    bias_second,
    z,
    gradient,  # G, or the parts of G W2'
    losses,  # (steps of an epoch, K, D / BLOCK_D), each cell's sum
    K,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_JOINED: tl.constexpr,  # BLOCK_B of a joined slot
    JOINED_TILES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Logits, loss and its gradient of a slot and BLOCK_D outputs; grid (K, D / BLOCK_D).

    Of a joined slot also W2's step, and the part of G W2' that these outputs add.
    """
    slot = tl.load(slot_list + tl.program_id(0)).to(tl.int64)
    if slot < 0:
        return
    code = codes + slot * N_CODES
    activation = tl.load(code + ACTIVATION)
    output = tl.load(code + OUTPUT)
    loss = tl.load(code + LOSS)
    delta = tl.load(numbers + slot * N_NUMBERS + DELTA)
    n_tiles = tl.load(count + slot)
    mine = tile_list + tl.load(first + slot)
    at_step = tl.load(position + slot)
    start = at_step * B
    scale = 1.0 / (tl.minimum(n_images - start, B) * D).to(tl.float32)

    unit = tl.arange(0, BLOCK_R)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    d_in = d < D
    at_bias = slot * D + d
    bias = tl.load(decoder_bias + at_bias, mask=d_in, other=0.0)
    bias_gradient = tl.zeros((BLOCK_D,), dtype=tl.float32)
    loss_sum = 0.0
    gradient += slot * B * D
    if n_tiles == JOINED_TILES:
        tile = tl.load(mine).to(tl.int64)
        mask = (unit < tl.load(tile_units + tile))[:, None] & d_in[None, :]
        row = tile * BLOCK_R * D + (unit[:, None] * D + d[None, :])
        w = tl.load(decoder + row, mask=mask, other=0.0)
        part = gradient + tl.program_id(1) * B * BLOCK_R
        weight_gradient = tl.zeros((BLOCK_R, BLOCK_D), dtype=tl.float32)
        for b0 in tl.range(0, B, BLOCK_JOINED, num_stages=2):
            b = b0 + tl.arange(0, BLOCK_JOINED)
            seen = (b < B) & (start + b < n_images)
            image = tl.load(order + slot * order_stride + start + b, mask=seen, other=0)
            here = seen[:, None] & d_in[None, :]
            pixels = tl.load(images + (image[:, None] * D + d[None, :]), mask=here, other=0)
            # Examples beyond the last are left out on both sides: their units may be infinite.
            at = b[:, None] * BLOCK_R + unit[None, :]
            inputs = tl.load(z + tile * B * BLOCK_R + at, mask=seen[:, None], other=0.0)
            h = activate(inputs, activation)
            o = tl.dot(h, w, input_precision=PRECISION) + bias[None, :]
            g, block_loss = descend(o, pixels, here, scale, output, loss, delta)
            loss_sum += block_loss
            bias_gradient += tl.sum(g, axis=0)
            to_units = tl.dot(g, tl.trans(w), input_precision=PRECISION)
            tl.store(part + at, to_units, mask=(b < B)[:, None])
            weight_gradient = tl.dot(tl.trans(h), g, weight_gradient, input_precision=PRECISION)
        weight, weight_first, weight_second = recall(
            decoder, decoder_first, decoder_second, row, mask, code
        )
        step(
            decoder,
            decoder_first,
            decoder_second,
            row,
            mask,
            weight,
            weight_first,
            weight_second,
            weight_gradient,
            code,
            rates + slot * N_RATES,
            numbers + slot * N_NUMBERS,
        )
    else:
        for b0 in range(0, B, BLOCK_B):
            b = b0 + tl.arange(0, BLOCK_B)
            # The pixels first: the products are summed up meanwhile.
            seen = (b < B) & (start + b < n_images)
            image = tl.load(order + slot * order_stride + start + b, mask=seen, other=0)
            here = seen[:, None] & d_in[None, :]
            pixels = tl.load(images + (image[:, None] * D + d[None, :]), mask=here, other=0)
            o = logits(
                z,
                decoder,
                bias,
                mine,
                n_tiles,
                tile_units,
                activation,
                b,
                d,
                B,
                D,
                BLOCK_R,
                BLOCK_B,
                BLOCK_D,
                PRECISION,
            )
            g, block_loss = descend(o, pixels, here, scale, output, loss, delta)
            loss_sum += block_loss
            bias_gradient += tl.sum(g, axis=0)
            cell = gradient + (b[:, None] * D + d[None, :])
            tl.store(cell, g, mask=(b < B)[:, None] & d_in[None, :])
    bias, first, second = recall(decoder_bias, bias_first, bias_second, at_bias, d_in, code)
    step(
        decoder_bias,
        bias_first,
        bias_second,
        at_bias,
        d_in,
        bias,
        first,
        second,
        bias_gradient,
        code,
        rates + slot * N_RATES,
        numbers + slot * N_NUMBERS,
    )
    block = (at_step.to(tl.int64) * K + slot) * tl.num_programs(1) + tl.program_id(1)
    tl.store(losses + block, loss_sum)


@triton.jit
def descend(o, pixels, here, scale, output, loss, delta):
    """The mean loss's gradient by these logits, and the sum of their losses."""
    x = pixels.to(tl.float32) / 255.0
    y = reconstruct(o, output)
    value = tl.where(here, loss_of(o, y, x, loss, delta), 0.0)
    lost = tl.sum(tl.sum(value, axis=1), axis=0)
    return tl.where(here, loss_gradient(y, x, loss, output, delta) * scale, 0.0), lost


@triton.jit(do_not_specialize=["n_images"])
def hidden_gradient(
    tile_list,
    tile_slot,
    tile_units,
    count,
    codes,
    rates,
    numbers,
    n_images,
    position,
    decoder,
    encoder_bias,
    bias_first,
    bias_second,
    z,
    gradient,
    hidden,  # P
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PARTS: tl.constexpr,  # blocks of outputs, of decode
    JOINED_TILES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """P of a tile; grid (T,)."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    code = codes + slot * N_CODES
    activation = tl.load(code + ACTIVATION)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    row = tile * BLOCK_R + unit
    start = tl.load(position + slot) * B
    joined = tl.load(count + slot) == JOINED_TILES
    parts = gradient + slot * B * D
    bias_gradient = tl.zeros((BLOCK_R,), dtype=tl.float32)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        at = b[:, None] * BLOCK_R + unit[None, :]
        in_batch = (b < B)[:, None]
        total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
        if joined:
            for part in range(PARTS):
                total += tl.load(parts + part * B * BLOCK_R + at, mask=in_batch, other=0.0)
        else:
            for d0 in range(0, D, BLOCK_D):
                d = d0 + tl.arange(0, BLOCK_D)
                g = tl.load(
                    gradient + slot * B * D + (b[:, None] * D + d[None, :]),
                    mask=in_batch & (d < D)[None, :],
                    other=0.0,
                )
                w = tl.load(
                    decoder + tile * BLOCK_R * D + (unit[:, None] * D + d[None, :]),
                    mask=in_use[:, None] & (d < D)[None, :],
                    other=0.0,
                )
                total = tl.dot(g, tl.trans(w), total, input_precision=PRECISION)
        seen = (b < B) & (start + b < n_images)
        here = seen[:, None] & in_use[None, :]
        slope = derivative(tl.load(z + tile * B * BLOCK_R + at, mask=here, other=0.0), activation)
        p = tl.where(here, total * slope, 0.0)
        tl.store(hidden + tile * B * BLOCK_R + at, p, mask=in_batch)
        bias_gradient += tl.sum(p, axis=0)
    bias, first, second = recall(encoder_bias, bias_first, bias_second, row, in_use, code)
    step(
        encoder_bias,
        bias_first,
        bias_second,
        row,
        in_use,
        bias,
        first,
        second,
        bias_gradient,
        code,
        rates + slot * N_RATES,
        numbers + slot * N_NUMBERS,
    )


@triton.jit(do_not_specialize=["order_stride", "n_images"])
def update_encoder(
    tile_list,
    tile_slot,
    tile_units,
    codes,
    rates,
    numbers,
    images,
    order,
    order_stride,
    n_images,
    position,
    encoder,
    encoder_first,
    encoder_second,
    hidden,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """W1's step of a tile and BLOCK_D inputs; grid (T, D / BLOCK_D)."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    start = tl.load(position + slot) * B
    code = codes + slot * N_CODES
    weights = encoder + tile * BLOCK_R * D
    firsts = encoder_first + tile * BLOCK_R * D
    seconds = encoder_second + tile * BLOCK_R * D
    cell = unit[:, None] * D + d[None, :]
    mine = in_use[:, None] & (d < D)[None, :]
    weight, first, second = recall(weights, firsts, seconds, cell, mine, code)
    total = tl.zeros((BLOCK_R, BLOCK_D), dtype=tl.float32)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        seen = (b < B) & (start + b < n_images)
        image = tl.load(order + slot * order_stride + start + b, mask=seen, other=0)
        x = tl.load(
            images + (image[:, None] * D + d[None, :]),
            mask=seen[:, None] & (d < D)[None, :],
            other=0,
        ).to(tl.float32)
        at = b[:, None] * BLOCK_R + unit[None, :]
        p = tl.load(hidden + tile * B * BLOCK_R + at, mask=(b < B)[:, None], other=0.0)
        total = tl.dot(tl.trans(p), x, total, input_precision=PRECISION)
    step(
        weights,
        firsts,
        seconds,
        cell,
        mine,
        weight,
        first,
        second,
        total * (1.0 / 255.0),
        code,
        rates + slot * N_RATES,
        numbers + slot * N_NUMBERS,
    )


@triton.jit(do_not_specialize=["n_images"])
def update_decoder(
    tile_list,
    tile_slot,
    tile_units,
    count,
    codes,
    rates,
    numbers,
    n_images,
    position,
    decoder,
    decoder_first,
    decoder_second,
    z,
    gradient,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    JOINED_TILES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """W2's step of a tile and BLOCK_D outputs, unless decode took it; grid (T, D / BLOCK_D)."""
    tile = tl.load(tile_list + tl.program_id(0)).to(tl.int64)
    if tile < 0:
        return
    slot = tl.load(tile_slot + tile).to(tl.int64)
    if tl.load(count + slot) == JOINED_TILES:
        return
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    start = tl.load(position + slot) * B
    code = codes + slot * N_CODES
    activation = tl.load(code + ACTIVATION)
    weights = decoder + tile * BLOCK_R * D
    firsts = decoder_first + tile * BLOCK_R * D
    seconds = decoder_second + tile * BLOCK_R * D
    cell = unit[:, None] * D + d[None, :]
    mine = in_use[:, None] & (d < D)[None, :]
    weight, first, second = recall(weights, firsts, seconds, cell, mine, code)
    total = tl.zeros((BLOCK_R, BLOCK_D), dtype=tl.float32)
    for b0 in range(0, B, BLOCK_B):
        b = b0 + tl.arange(0, BLOCK_B)
        # Examples beyond the last are left out on both sides: their units may be infinite.
        seen = (b < B) & (start + b < n_images)
        at = b[:, None] * BLOCK_R + unit[None, :]
        h = activate(
            tl.load(z + tile * B * BLOCK_R + at, mask=seen[:, None], other=0.0), activation
        )
        g = tl.load(
            gradient + slot * B * D + (b[:, None] * D + d[None, :]),
            mask=seen[:, None] & (d < D)[None, :],
            other=0.0,
        )
        total = tl.dot(tl.trans(h), g, total, input_precision=PRECISION)
    step(
        weights,
        firsts,
        seconds,
        cell,
        mine,
        weight,
        first,
        second,
        total,
        code,
        rates + slot * N_RATES,
        numbers + slot * N_NUMBERS,
    )
