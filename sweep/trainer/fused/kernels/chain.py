"""Take many training steps of a slot of one tile in one launch.

Notation: see the package.

Such a slot needs no other program: one program keeps its Z from step to step, and iterates over all
of W2 and then all of W1 in each. There is no launch between two steps, no part of a gradient goes
through memory, and no program is idle. Sums have a separate order, which depends only on the slot.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.decoder import choices_of, inputs_of, loss_and_gradient
from sweep.trainer.fused.kernels.functions import activate, derivative, pixels_of
from sweep.trainer.fused.kernels.optimizers import (
    UpdateRule,
    load_and_step,
    load_parameters,
    load_update_rule,
    scheduled_rates,
    step,
)
from sweep.trainer.fused.kernels.tables import (
    BETA1,
    BETA2,
    CHOICE_COLUMNS,
    DECOUPLED_DECAY,
    LEARNING_RATE,
    MOMENTUM_DECAY,
    MOMENTUM_PRODUCT,
    N_STEPS,
    N_WARMUP,
    NADAM,
    SCHEDULE,
    SCHEDULE_COLUMNS,
)


@triton.jit(do_not_specialize=["order_stride", "n_images", "n_slots", "chain_steps"])
def train_chain(
    slot_list,
    tile_list,
    tile_start,
    tile_count,
    tile_units,
    choice_table,
    schedule_table,
    step_table,
    optimizer_table,
    steps_done,
    position,
    images,
    order,
    order_stride,
    n_images,
    encoder,
    encoder_first,
    encoder_second,
    encoder_bias,
    encoder_bias_first,
    encoder_bias_second,
    decoder,
    decoder_first,
    decoder_second,
    decoder_bias,
    decoder_bias_first,
    decoder_bias_second,
    z,
    losses,
    n_slots,
    chain_steps,
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,  # at least B
    BLOCK_D: tl.constexpr,
    PARTS: tl.constexpr,  # cells of a step's loss
    BLOCK_PARTS: tl.constexpr,  # PARTS or the next power of two
    CHEAP_LOSS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Take ``chain_steps`` steps of a slot of one tile, including begin_step's work; grid (K,)."""
    slot = tl.load(slot_list + tl.program_id(0)).to(tl.int64)
    if slot < 0:
        return
    tile = tl.load(tile_list + tl.load(tile_start + slot)).to(tl.int64)
    unit = tl.arange(0, BLOCK_R)
    in_use = unit < tl.load(tile_units + tile)
    row = tile * BLOCK_R + unit
    b = tl.arange(0, BLOCK_B)
    z += tile * B * BLOCK_R
    encoder += tile * BLOCK_R * D
    encoder_first += tile * BLOCK_R * D
    encoder_second += tile * BLOCK_R * D
    decoder += tile * BLOCK_R * D
    decoder_first += tile * BLOCK_R * D
    decoder_second += tile * BLOCK_R * D
    decoder_bias += slot * D
    decoder_bias_first += slot * D
    decoder_bias_second += slot * D
    order += slot * order_stride
    activation, output, loss, delta = choices_of(slot, choice_table, optimizer_table)
    fixed = load_update_rule(slot, choice_table, step_table, optimizer_table)
    choice = choice_table + slot * CHOICE_COLUMNS
    setting = schedule_table + slot * SCHEDULE_COLUMNS
    done = tl.load(steps_done + slot)
    momentum_product = tl.load(setting + MOMENTUM_PRODUCT)
    # Before the first step of an epoch it is -1, as begin_step finds it.
    at_step = tl.load(position + slot) + 1

    start = at_step * B
    seen = (b < B) & (start + b < n_images)
    image = tl.load(order + start + b, mask=seen, other=0)
    inputs = inputs_of(z, b, seen, unit, BLOCK_R)
    for _ in range(chain_steps):
        rate, step_size, root_correction, kept, momentum_product = scheduled_rates(
            done,
            tl.load(choice + N_STEPS),
            tl.load(choice + N_WARMUP),
            tl.load(choice + SCHEDULE),
            tl.load(setting + LEARNING_RATE),
            tl.load(setting + DECOUPLED_DECAY),
            tl.load(setting + BETA1),
            tl.load(setting + BETA2),
            fixed.optimizer,
            tl.load(setting + MOMENTUM_DECAY),
            momentum_product,
        )
        rule = UpdateRule(
            optimizer=fixed.optimizer,
            uses_first=fixed.uses_first,
            uses_second=fixed.uses_second,
            nesterov=fixed.nesterov,
            rate=rate,
            step_size=step_size,
            root_correction=root_correction,
            kept=kept,
            momentum=fixed.momentum,
            decay=fixed.decay,
            first_added=fixed.first_added,
            second_kept=fixed.second_kept,
            second_added=fixed.second_added,
            eps=fixed.eps,
        )
        scale = 1.0 / (tl.minimum(n_images - start, B) * D).to(tl.float32)
        cells = losses + (at_step.to(tl.int64) * n_slots + slot) * PARTS

        h = activate(inputs, activation)
        total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
        loss_sum = 0.0
        for d0 in range(0, D, BLOCK_D):
            d = d0 + tl.arange(0, BLOCK_D)
            cell = unit[:, None] * D + d[None, :]
            mine = in_use[:, None] & (d < D)[None, :]
            weight, first, second = load_parameters(
                decoder, decoder_first, decoder_second, cell, mine, rule
            )
            pixels = pixels_of(images, image, seen, d, D)
            bias = tl.load(decoder_bias + d, mask=d < D, other=0.0)
            o = tl.dot(h, weight, input_precision=PRECISION) + bias[None, :]
            g, lost = loss_and_gradient(
                o, pixels, seen, d, scale, output, loss, delta, D, CHEAP_LOSS
            )
            loss_sum += lost
            total = tl.dot(g, tl.trans(weight), total, input_precision=PRECISION)
            weight_gradient = tl.dot(tl.trans(h), g, input_precision=PRECISION)
            step(
                decoder,
                decoder_first,
                decoder_second,
                cell,
                mine,
                weight,
                first,
                second,
                weight_gradient,
                rule,
            )
            load_and_step(
                decoder_bias,
                decoder_bias_first,
                decoder_bias_second,
                d,
                d < D,
                tl.sum(g, axis=0),
                rule,
            )

        # The whole loss is in the first cell: the others belong to a launch per block.
        part = tl.arange(0, BLOCK_PARTS)
        tl.store(cells + part, tl.where(part == 0, loss_sum, 0.0), mask=part < PARTS)

        p = total * derivative(inputs, activation)
        p = tl.where(seen[:, None] & in_use[None, :], p, 0.0)
        bias_gradient = tl.sum(p, axis=0)
        load_and_step(
            encoder_bias, encoder_bias_first, encoder_bias_second, row, in_use, bias_gradient, rule
        )
        start += B
        seen_next = (b < B) & (start + b < n_images)
        image_next = tl.load(order + start + b, mask=seen_next, other=0)
        total = tl.zeros((BLOCK_B, BLOCK_R), dtype=tl.float32)
        for d0 in range(0, D, BLOCK_D):
            d = d0 + tl.arange(0, BLOCK_D)
            cell = unit[:, None] * D + d[None, :]
            mine = in_use[:, None] & (d < D)[None, :]
            weight, first, second = load_parameters(
                encoder, encoder_first, encoder_second, cell, mine, rule
            )
            x = pixels_of(images, image, seen, d, D).to(tl.float32)
            weight_gradient = tl.dot(tl.trans(p), x, input_precision=PRECISION)
            weight = step(
                encoder,
                encoder_first,
                encoder_second,
                cell,
                mine,
                weight,
                first,
                second,
                weight_gradient * (1.0 / 255.0),
                rule,
            )
            x = pixels_of(images, image_next, seen_next, d, D).to(tl.float32)
            total = tl.dot(x, tl.trans(weight), total, input_precision=PRECISION)

        # What follows reads weights and biases that other threads of this program have stored.
        tl.debug_barrier()
        bias = tl.load(encoder_bias + row, mask=in_use, other=0.0)
        inputs = tl.where(seen_next[:, None], total * (1.0 / 255.0) + bias[None, :], 0.0)
        seen = seen_next
        image = image_next
        done += 1
        at_step += 1
    tl.store(z + (b[:, None] * BLOCK_R + unit[None, :]), inputs, mask=(b < B)[:, None])
    tl.store(steps_done + slot, done)
    tl.store(setting + MOMENTUM_PRODUCT, momentum_product, mask=fixed.optimizer == NADAM)
    tl.store(position + slot, at_step - 1)
