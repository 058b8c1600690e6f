"""The step of every optimizer, in the epilogue of whoever has the gradient.

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
    EPS,
    KEPT,
    MOMENTUM,
    NESTEROV,
    ONE_MINUS_BETA1,
    OPTIMIZER,
    RATE,
    RMSPROP,
    ROOT_CORRECTION,
    SECOND_ADDED,
    SECOND_KEPT,
    SGD,
    STEP_SIZE,
    USES_FIRST,
    USES_SECOND,
    WEIGHT_DECAY,
)


@triton.jit
def recall(weights, firsts, seconds, offsets, mask, codes):
    """What ``step`` begins with: weights and both moments, those that the optimizer has.

    Apart from it, so that a program can ask for them before it sums up the gradient: then the
    memory, which is what an update waits for, works meanwhile.
    """
    weight = tl.load(weights + offsets, mask=mask, other=0.0)
    with_first = mask & (tl.load(codes + USES_FIRST) != 0)
    first = tl.load(firsts + offsets, mask=with_first, other=0.0)
    with_second = mask & (tl.load(codes + USES_SECOND) != 0)
    second = tl.load(seconds + offsets, mask=with_second, other=0.0)
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
    codes,
    rates,
    numbers,
):
    """Move what was recalled along the gradient, and store it.

    ``codes``, ``rates`` and ``numbers`` point to the slot's rows of these tables.
    """
    with_first = mask & (tl.load(codes + USES_FIRST) != 0)
    with_second = mask & (tl.load(codes + USES_SECOND) != 0)
    optimizer = tl.load(codes + OPTIMIZER)
    rate = tl.load(rates + RATE)
    momentum = tl.load(numbers + MOMENTUM)
    decay = tl.load(numbers + WEIGHT_DECAY)
    kept = tl.load(numbers + SECOND_KEPT)
    added = tl.load(numbers + SECOND_ADDED)
    eps = tl.load(numbers + EPS)

    if optimizer == ADAMW:
        weight = weight * tl.load(rates + KEPT)
    elif decay != 0.0:
        gradient = gradient + decay * weight

    if optimizer == SGD:
        if momentum != 0.0:
            first = momentum * first + gradient
            looks_ahead = tl.load(codes + NESTEROV) != 0
            gradient = tl.where(looks_ahead, gradient + momentum * first, first)
        weight = weight - rate * gradient
    elif optimizer == RMSPROP:
        second = kept * second + added * gradient * gradient
        gradient = gradient / (tl.sqrt(second) + eps)
        if momentum != 0.0:
            first = momentum * first + gradient
            gradient = first
        weight = weight - rate * gradient
    elif optimizer == ADAGRAD:
        second = second + gradient * gradient
        weight = weight - rate * gradient / (tl.sqrt(second) + eps)
    else:
        first = first + tl.load(numbers + ONE_MINUS_BETA1) * (gradient - first)
        second = kept * second + added * gradient * gradient
        root = tl.sqrt(second) / tl.load(rates + ROOT_CORRECTION) + eps
        weight = weight - tl.load(rates + STEP_SIZE) * first / root

    tl.store(weights + offsets, weight, mask=mask)
    tl.store(firsts + offsets, first, mask=with_first)
    tl.store(seconds + offsets, second, mask=with_second)
