"""A step's rates, and the step of every optimizer, in the epilogue of whoever has the gradient.

Formulas: torch.optim (``sweep.trainer.optimizers``), t counted from 1:
sgd       m = mu m + g,  w -= rate (nesterov: g + mu m, else m)
adam(w)   m += (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2,
          w -= rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
rmsprop   v = alpha v + (1 - alpha) g^2,  m = mu m + g / (sqrt(v) + eps),  w -= rate m
adagrad   v += g^2,  w -= rate g / (sqrt(v) + eps)
Weight decay adds decay w to g; in adamw w is first multiplied by 1 - rate decay instead.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.codes import (
    ADAGRAD,
    ADAMW,
    BETA1,
    BETA2,
    COSINE,
    DECOUPLED_DECAY,
    EPS,
    KEPT,
    LEARNING_RATE,
    LINEAR_WARMUP,
    MOMENTUM,
    N_CODES,
    N_NUMBERS,
    N_RATES,
    N_SETTINGS,
    N_STEPS,
    N_WARMUP,
    NESTEROV,
    ONE_MINUS_BETA1,
    OPTIMIZER,
    RATE,
    RMSPROP,
    ROOT_CORRECTION,
    SCHEDULE,
    SECOND_ADDED,
    SECOND_KEPT,
    SGD,
    STEP_SIZE,
    USES_FIRST,
    USES_SECOND,
    WEIGHT_DECAY,
)


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


@triton.jit
def rule_of(slot, codes, rates, numbers):
    """How a slot's parameters step: read once, before any loop."""
    code = codes + slot * N_CODES
    rate = rates + slot * N_RATES
    number = numbers + slot * N_NUMBERS
    return (
        tl.load(code + OPTIMIZER),
        tl.load(code + USES_FIRST) != 0,
        tl.load(code + USES_SECOND) != 0,
        tl.load(code + NESTEROV) != 0,
        tl.load(rate + RATE),
        tl.load(rate + STEP_SIZE),
        tl.load(rate + ROOT_CORRECTION),
        tl.load(rate + KEPT),
        tl.load(number + MOMENTUM),
        tl.load(number + WEIGHT_DECAY),
        tl.load(number + ONE_MINUS_BETA1),
        tl.load(number + SECOND_KEPT),
        tl.load(number + SECOND_ADDED),
        tl.load(number + EPS),
    )


@triton.jit
def recall(weights, firsts, seconds, offsets, mask, rule):
    """What ``step`` begins with: weights and both moments, those that the optimizer has.

    Apart from it, so that a program can ask for them before it sums up the gradient: then the
    memory, which is what an update waits for, works meanwhile.
    """
    uses_first, uses_second = rule[1], rule[2]
    weight = tl.load(weights + offsets, mask=mask, other=0.0)
    first = tl.load(firsts + offsets, mask=mask & uses_first, other=0.0)
    second = tl.load(seconds + offsets, mask=mask & uses_second, other=0.0)
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
    """Move what was recalled along the gradient, and store it.

    The weights as they are now, 0 where the mask is not.
    """
    (
        optimizer,
        uses_first,
        uses_second,
        nesterov,
        rate,
        step_size,
        root_correction,
        kept,
        momentum,
        decay,
        first_added,
        second_kept,
        second_added,
        eps,
    ) = rule
    if optimizer == ADAMW:
        weight = weight * kept
    elif decay != 0.0:
        gradient = gradient + decay * weight

    if optimizer == SGD:
        if momentum != 0.0:
            first = momentum * first + gradient
            gradient = tl.where(nesterov, gradient + momentum * first, first)
        weight = weight - rate * gradient
    elif optimizer == RMSPROP:
        second = second_kept * second + second_added * gradient * gradient
        gradient = gradient / (tl.sqrt(second) + eps)
        if momentum != 0.0:
            first = momentum * first + gradient
            gradient = first
        weight = weight - rate * gradient
    elif optimizer == ADAGRAD:
        second = second + gradient * gradient
        weight = weight - rate * gradient / (tl.sqrt(second) + eps)
    else:
        first = first + first_added * (gradient - first)
        second = second_kept * second + second_added * gradient * gradient
        root = tl.sqrt(second) / root_correction + eps
        weight = weight - step_size * first / root

    tl.store(weights + offsets, weight, mask=mask)
    tl.store(firsts + offsets, first, mask=mask & uses_first)
    tl.store(seconds + offsets, second, mask=mask & uses_second)
    return tl.where(mask, weight, 0.0)


@triton.jit
def recall_and_step(weights, firsts, seconds, offsets, mask, gradient, rule):
    """Both, where there is nothing to be done in between."""
    weight, first, second = recall(weights, firsts, seconds, offsets, mask, rule)
    step(weights, firsts, seconds, offsets, mask, weight, first, second, gradient, rule)
