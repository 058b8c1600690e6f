"""Compute a step's rates, and each optimizer's step in the epilogue of the gradient's kernel.

Formulas: torch.optim (``sweep.trainer.optimizers``), t counted from 1:
sgd       m = mu m + g,  w -= rate (nesterov: g + mu m, else m)
adam(w)   m += (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2,
          w -= rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
rmsprop   v = alpha v + (1 - alpha) g^2,  m = mu m + g / (sqrt(v) + eps),  w -= rate m
nadam     as adam, but w -= (rate (1 - mu_t) / (1 - p_t) g + rate mu_{t+1} / (1 - p_t mu_{t+1}) m)
          / (sqrt(v) / sqrt(1 - beta2^t) + eps), with mu_t = beta1 (1 - 0.96^(t decay) / 2) and p_t
          the product of mu_1 to mu_t
adagrad   v += g^2,  w -= rate g / (sqrt(v) + eps)
Weight decay adds decay w to g; in adamw w is first multiplied by 1 - rate decay instead.
"""

from typing import Any, NamedTuple

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.tables import (
    ADAGRAD,
    ADAMW,
    BETA1,
    BETA2,
    CHOICE_COLUMNS,
    COSINE,
    DECOUPLED_DECAY,
    EPS,
    KEPT,
    LEARNING_RATE,
    LINEAR_WARMUP,
    MOMENTUM,
    MOMENTUM_DECAY,
    MOMENTUM_PRODUCT,
    N_STEPS,
    N_WARMUP,
    NADAM,
    NESTEROV,
    ONE_MINUS_BETA1,
    OPTIMIZER,
    OPTIMIZER_COLUMNS,
    RATE,
    RMSPROP,
    ROOT_CORRECTION,
    SCHEDULE,
    SCHEDULE_COLUMNS,
    SECOND_ADDED,
    SECOND_KEPT,
    SGD,
    STEP_COLUMNS,
    STEP_SIZE,
    USES_FIRST,
    USES_SECOND,
    WEIGHT_DECAY,
)

#: For nadam's momentum, whose distance from beta1 is multiplied by 0.96^decay in each step.
LOG_OF_096 = tl.constexpr(-0.040821994520255166)


@triton.jit(do_not_specialize=["n_slots"])
def begin_step(
    tile_count,
    choice_table,
    schedule_table,
    steps_done,
    position,
    step_table,
    n_slots,
    BLOCK_K: tl.constexpr,
):
    """Compute the rates of the next step for every slot in training; count it in ``steps_done``.

    ``position`` (K,) advances to the step's batch of the epoch; -1 before the first.
    """
    slot = tl.program_id(0) * BLOCK_K + tl.arange(0, BLOCK_K)
    works = slot < n_slots
    works = works & (tl.load(tile_count + slot, mask=works, other=0) > 0)
    done = tl.load(steps_done + slot, mask=works, other=0)
    n_steps = tl.load(choice_table + slot * CHOICE_COLUMNS + N_STEPS, mask=works, other=1)
    n_warmup = tl.load(choice_table + slot * CHOICE_COLUMNS + N_WARMUP, mask=works, other=1)
    schedule = tl.load(choice_table + slot * CHOICE_COLUMNS + SCHEDULE, mask=works, other=0)

    setting = schedule_table + slot * SCHEDULE_COLUMNS
    optimizer = tl.load(choice_table + slot * CHOICE_COLUMNS + OPTIMIZER, mask=works, other=0)
    rate, step_size, root_correction, kept, product = scheduled_rates(
        done,
        n_steps,
        n_warmup,
        schedule,
        tl.load(setting + LEARNING_RATE, mask=works, other=0.0),
        tl.load(setting + DECOUPLED_DECAY, mask=works, other=0.0),
        tl.load(setting + BETA1, mask=works, other=0.0),
        tl.load(setting + BETA2, mask=works, other=0.0),
        optimizer,
        tl.load(setting + MOMENTUM_DECAY, mask=works, other=0.0),
        tl.load(setting + MOMENTUM_PRODUCT, mask=works, other=0.0),
    )

    row = step_table + slot * STEP_COLUMNS
    tl.store(row + RATE, rate, mask=works)
    tl.store(row + STEP_SIZE, step_size, mask=works)
    tl.store(row + ROOT_CORRECTION, root_correction, mask=works)
    tl.store(row + KEPT, kept, mask=works)
    tl.store(setting + MOMENTUM_PRODUCT, product, mask=works & (optimizer == NADAM))
    tl.store(steps_done + slot, done + 1, mask=works)
    at = tl.load(position + slot, mask=works, other=0)
    tl.store(position + slot, at + 1, mask=works)


@triton.jit
def scheduled_rates(
    done,
    n_steps,
    n_warmup,
    schedule,
    learning_rate,
    decay,
    beta1,
    beta2,
    optimizer,
    momentum_decay,
    momentum_product,
):
    """Return the next step's rate, step size, root correction, kept share and momentum product.

    They are computed in float64 and returned in float32, except for the product.
    """
    now = done.to(tl.float64)
    cosine = 0.5 * (1.0 + tl.cos(now / n_steps.to(tl.float64) * 3.141592653589793))
    warmup = tl.minimum(1.0, (now + 1.0) / n_warmup.to(tl.float64))
    factor = tl.where(schedule == COSINE, cosine, 1.0)
    factor = tl.where(schedule == LINEAR_WARMUP, warmup, factor)
    rate = factor * learning_rate
    # beta^t as exp(t log beta); a beta of 0 needs no correction.
    correction1 = 1.0 - tl.exp((now + 1.0) * tl.log(tl.where(beta1 > 0.0, beta1, 1.0)))
    correction2 = 1.0 - tl.exp((now + 1.0) * tl.log(tl.where(beta2 > 0.0, beta2, 1.0)))
    correction1 = tl.where(beta1 > 0.0, correction1, 1.0)
    correction2 = tl.where(beta2 > 0.0, correction2, 1.0)
    is_nadam = optimizer == NADAM
    now_momentum = beta1 * (1.0 - 0.5 * tl.exp((now + 1.0) * momentum_decay * LOG_OF_096))
    next_momentum = beta1 * (1.0 - 0.5 * tl.exp((now + 2.0) * momentum_decay * LOG_OF_096))
    product = momentum_product * now_momentum
    by_gradient = rate * (1.0 - now_momentum) / (1.0 - product)
    by_momentum = rate * next_momentum / (1.0 - product * next_momentum)
    return (
        tl.where(is_nadam, by_gradient, rate).to(tl.float32),
        tl.where(is_nadam, by_momentum, rate / correction1).to(tl.float32),
        tl.sqrt(correction2).to(tl.float32),
        (1.0 - rate * decay).to(tl.float32),
        tl.where(is_nadam, product, momentum_product),
    )


class UpdateRule(NamedTuple):
    """How a slot's parameters step: a row of each table, as scalars of a kernel."""

    optimizer: Any
    uses_first: Any
    uses_second: Any
    nesterov: Any
    rate: Any
    step_size: Any
    root_correction: Any
    kept: Any
    momentum: Any
    decay: Any
    first_added: Any
    second_kept: Any
    second_added: Any
    eps: Any


@triton.jit
def load_update_rule(slot, choice_table, step_table, optimizer_table):
    """Load a slot's rule; once, before any loop."""
    choice = choice_table + slot * CHOICE_COLUMNS
    rate = step_table + slot * STEP_COLUMNS
    setting = optimizer_table + slot * OPTIMIZER_COLUMNS
    return UpdateRule(
        optimizer=tl.load(choice + OPTIMIZER),
        uses_first=tl.load(choice + USES_FIRST) != 0,
        uses_second=tl.load(choice + USES_SECOND) != 0,
        nesterov=tl.load(choice + NESTEROV) != 0,
        rate=tl.load(rate + RATE),
        step_size=tl.load(rate + STEP_SIZE),
        root_correction=tl.load(rate + ROOT_CORRECTION),
        kept=tl.load(rate + KEPT),
        momentum=tl.load(setting + MOMENTUM),
        decay=tl.load(setting + WEIGHT_DECAY),
        first_added=tl.load(setting + ONE_MINUS_BETA1),
        second_kept=tl.load(setting + SECOND_KEPT),
        second_added=tl.load(setting + SECOND_ADDED),
        eps=tl.load(setting + EPS),
    )


@triton.jit
def load_parameters(weights, firsts, seconds, offsets, mask, rule):
    """Load the inputs of ``step``: weights, and the moments that the optimizer uses.

    This is separate from ``step``, so that a program can issue the loads before it sums up the
    gradient: memory, which limits an update, is busy meanwhile.
    """
    weight = tl.load(weights + offsets, mask=mask, other=0.0)
    first = tl.load(firsts + offsets, mask=mask & rule.uses_first, other=0.0)
    second = tl.load(seconds + offsets, mask=mask & rule.uses_second, other=0.0)
    return weight, first, second


@triton.jit
def step(
    weights,
    firsts,
    seconds,
    offsets,
    mask,
    weight,
    first,
    second,
    gradient,
    rule,
):
    """Move loaded parameters along the gradient, and store them.

    Return the new weights, 0 outside of the mask.
    """
    if rule.optimizer == ADAMW:
        weight = weight * rule.kept
    elif rule.decay != 0.0:
        gradient = gradient + rule.decay * weight

    if rule.optimizer == SGD:
        if rule.momentum != 0.0:
            first = rule.momentum * first + gradient
            gradient = tl.where(rule.nesterov, gradient + rule.momentum * first, first)
        weight = weight - rule.rate * gradient
    elif rule.optimizer == RMSPROP:
        second = rule.second_kept * second + rule.second_added * gradient * gradient
        gradient = gradient / (tl.sqrt(second) + rule.eps)
        if rule.momentum != 0.0:
            first = rule.momentum * first + gradient
            gradient = first
        weight = weight - rule.rate * gradient
    elif rule.optimizer == ADAGRAD:
        second = second + gradient * gradient
        weight = weight - rule.rate * gradient / (tl.sqrt(second) + rule.eps)
    else:
        first = first + rule.first_added * (gradient - first)
        second = rule.second_kept * second + rule.second_added * gradient * gradient
        root = tl.sqrt(second) / rule.root_correction + rule.eps
        if rule.optimizer == NADAM:
            weight = weight - rule.rate * gradient / root
        weight = weight - rule.step_size * first / root

    tl.store(weights + offsets, weight, mask=mask)
    tl.store(firsts + offsets, first, mask=mask & rule.uses_first)
    tl.store(seconds + offsets, second, mask=mask & rule.uses_second)
    return tl.where(mask, weight, 0.0)


@triton.jit
def load_and_step(weights, firsts, seconds, offsets, mask, gradient, rule):
    """Load parameters and step, if there is nothing to do in between."""
    weight, first, second = load_parameters(weights, firsts, seconds, offsets, mask, rule)
    step(weights, firsts, seconds, offsets, mask, weight, first, second, gradient, rule)
