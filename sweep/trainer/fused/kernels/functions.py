"""Activations, outputs and losses with their derivatives, chosen by a code.

Notation: z inputs of hidden units, o logits, y = output(o), x pixels, e = y - x. Formulas:
``sweep.trainer.model`` and ``sweep.trainer.losses``. No function overflows for finite inputs, and
none needs libdevice, which Triton's interpreter lacks.
"""

import triton
from triton import language as tl

from sweep.trainer.fused.kernels.tables import (
    BCE,
    ELU,
    GELU,
    HUBER,
    L1,
    LEAKY_RELU,
    MISH,
    MSE,
    RELU,
    SIGMOID,
    SILU,
    TANH,
)


@triton.jit
def logistic(z):
    """Compute the logistic function without overflow."""
    small = tl.exp(-tl.abs(z))
    return tl.where(z >= 0.0, 1.0, small) / (1.0 + small)


@triton.jit
def exp_minus_one(z):
    """Compute exp(z) - 1 for z <= 0, also if z is so small that exp(z) rounds to 1.

    Within 0.3 of 0 it uses the Taylor polynomial of degree 7, whose remainder is below 1e-8 of the
    value.
    """
    near = tl.maximum(z, -0.3)
    series = 1.0 + near * (1.0 / 7.0)
    series = 1.0 + near * series * (1.0 / 6.0)
    series = 1.0 + near * series * (1.0 / 5.0)
    series = 1.0 + near * series * (1.0 / 4.0)
    series = 1.0 + near * series * (1.0 / 3.0)
    series = 1.0 + near * series * (1.0 / 2.0)
    return tl.where(z > -0.3, near * series, tl.exp(z) - 1.0)


@triton.jit
def tangent(z):
    """Compute tanh from exp(-2 |z|) - 1."""
    decay = exp_minus_one(-2.0 * tl.abs(z))
    return tl.where(z >= 0.0, -decay, decay) / (decay + 2.0)


@triton.jit
def log_one_plus(z):
    """Compute log(1 + z) for z in [0, 1], also if 1 + z rounds (Kahan's correction)."""
    rounded = 1.0 + z
    kept = rounded - 1.0
    safe = tl.where(kept == 0.0, 1.0, kept)
    return tl.where(kept == 0.0, z, tl.log(rounded) * (z / safe))


@triton.jit
def tanh_softplus(z):
    """Compute tanh(ln(1 + exp(z))) and 1 minus its square, without cancellation.

    With s = exp(-|z|) the first is n / d: n = 1 + 2 s and d = n + 2 s^2 for z >= 0, else n = s^2 +
    2 s and d = n + 2.
    """
    s = tl.exp(-tl.abs(z))
    n = tl.where(z >= 0.0, 1.0 + 2.0 * s, s * s + 2.0 * s)
    rest = tl.where(z >= 0.0, 2.0 * s * s, 2.0)
    d = n + rest
    return n / d, rest * (d + n) / (d * d)


@triton.jit
def normal_cdf(z):
    """Compute the normal distribution function."""
    return 0.5 * (1.0 + tl.erf(z * 0.7071067811865476))


@triton.jit
def activate(z, activation):
    """Compute f(z)."""
    h = z
    if activation == RELU:
        # A NaN stays one, as in torch; tl.maximum would drop it.
        h = tl.where(z < 0.0, 0.0, z)
    elif activation == LEAKY_RELU:
        h = tl.where(z < 0.0, 0.01 * z, z)
    elif activation == ELU:
        h = tl.where(z > 0.0, z, exp_minus_one(tl.where(z > 0.0, 0.0, z)))
    elif activation == GELU:
        h = z * normal_cdf(z)
    elif activation == SILU:
        h = z * logistic(z)
    elif activation == TANH:
        h = tangent(z)
    elif activation == SIGMOID:
        h = logistic(z)
    elif activation == MISH:
        factor, _ = tanh_softplus(z)
        h = z * factor
    return h


@triton.jit
def derivative(z, activation):
    """Compute f'(z)."""
    d = tl.where(z > 0.0, 1.0, 1.0)
    if activation == RELU:
        d = tl.where(z > 0.0, 1.0, 0.0)
    elif activation == LEAKY_RELU:
        d = tl.where(z > 0.0, 1.0, 0.01)
    elif activation == ELU:
        d = tl.where(z > 0.0, 1.0, tl.exp(tl.where(z > 0.0, 0.0, z)))
    elif activation == GELU:
        density = 0.3989422804014327 * tl.exp(-0.5 * z * z)
        d = normal_cdf(z) + z * density
    elif activation == SILU:
        s = logistic(z)
        d = s * (1.0 + z * (1.0 - s))
    elif activation == TANH:
        h = tangent(z)
        d = 1.0 - h * h
    elif activation == SIGMOID:
        s = logistic(z)
        d = s * (1.0 - s)
    elif activation == MISH:
        factor, slope = tanh_softplus(z)
        d = factor + z * slope * logistic(z)
    return d


@triton.jit
def cross_entropy(o, x, CHEAP: tl.constexpr):
    """Compute -x ln y - (1 - x) ln(1 - y) for y = logistic(o).

    The cheap version omits Kahan's correction, with an error of at most 1e-7; gradients do not use
    it.
    """
    small = tl.exp(-tl.abs(o))
    rest = tl.log(1.0 + small) if CHEAP else log_one_plus(small)
    return tl.where(o < 0.0, 0.0, o) - o * x + rest


@triton.jit
def intensity(pixels, CHEAP: tl.constexpr):
    """Divide bytes by 255, in float32.

    The cheap version multiplies by 1 / 255 in two parts. The first times a byte is exact, so the
    sum is the quotient, rounded once, for all 256 bytes.
    """
    x = pixels.to(tl.float32)
    if CHEAP:
        return x * 0.0039215087890625 + x * 5.983839201917363e-08
    return x / 255.0


@triton.jit
def reconstruct(o, output):
    """Compute the reconstruction y from the logits."""
    y = o
    if output == SIGMOID:
        y = logistic(o)
    return y


@triton.jit
def loss_of(o, y, x, loss, delta, CHEAP: tl.constexpr):
    """Compute the loss of each pixel."""
    e = y - x
    size = tl.abs(e)
    value = e * e
    if loss == BCE:
        value = cross_entropy(o, x, CHEAP)
    elif loss == L1:
        value = size
    elif loss == HUBER:
        value = tl.where(size <= delta, 0.5 * e * e, delta * (size - 0.5 * delta))
    return value


@triton.jit
def loss_gradient(y, x, loss, output, delta):
    """Compute d loss / d o of each pixel. Cross-entropy's is y - x: the slope cancels."""
    e = y - x
    g = e
    if loss == MSE:
        g = 2.0 * e
    elif loss == L1:
        # (e > 0) - (e < 0), with NaN kept.
        g = tl.where(e > 0.0, 1.0, tl.where(e < 0.0, -1.0, e))
    elif loss == HUBER:
        g = tl.where(e > delta, delta, tl.where(e < -delta, -delta, e))
    if (loss != BCE) & (output == SIGMOID):
        g = g * y * (1.0 - y)
    return g


@triton.jit
def pixels_of(images, image, seen, d, D: tl.constexpr):
    """Load the bytes of these images and inputs; 0 for masked ones."""
    mask = seen[:, None] & (d < D)[None, :]
    return tl.load(images + (image[:, None] * D + d[None, :]), mask=mask, other=0)


@triton.jit
def batch_of(images, order, start, n_images, b, d, B: tl.constexpr, D: tl.constexpr):
    """Load the bytes of a batch's examples b, the images that ``order`` lists from ``start`` on."""
    seen = (b < B) & (start + b < n_images)
    image = tl.load(order + start + b, mask=seen, other=0)
    return pixels_of(images, image, seen, d, D)


@triton.jit
def logits(
    z,
    decoder,
    bias,  # (BLOCK_D,), bias of these outputs
    tile_list,  # the slot's part of it
    n_tiles,
    tile_units,
    activation,
    b,  # (BLOCK_B,) examples
    also,  # (BLOCK_B,) other examples
    d,  # (BLOCK_D,) outputs
    B: tl.constexpr,
    D: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Compute O = f(Z) W2 + b2 of a slot for two blocks of examples, in the order of its tiles.

    The weights are read once for both blocks; what follows needs the registers of one at a time.

    Computed as its transpose, W2^T f(Z)^T: float32 products on the card need the second factor with
    the sum's axis contiguous, as in f(Z)^T but not in W2; the first comes from registers.
    """
    unit = tl.arange(0, BLOCK_R)
    one = tl.zeros((BLOCK_D, BLOCK_B), dtype=tl.float32)
    other = tl.zeros((BLOCK_D, BLOCK_B), dtype=tl.float32)
    for i in range(n_tiles):
        tile = tl.load(tile_list + i).to(tl.int64)
        in_use = unit < tl.load(tile_units + tile)
        inputs = z + tile * B * BLOCK_R + unit[None, :]
        z_one = tl.load(inputs + b[:, None] * BLOCK_R, mask=(b < B)[:, None], other=0.0)
        z_other = tl.load(inputs + also[:, None] * BLOCK_R, mask=(also < B)[:, None], other=0.0)
        w = tl.load(
            decoder + tile * BLOCK_R * D + (unit[:, None] * D + d[None, :]),
            mask=(d < D)[None, :],
            other=0.0,
        )
        w = tl.trans(tl.where(in_use[:, None], w, 0.0))
        h_one = tl.trans(activate(z_one, activation))
        h_other = tl.trans(activate(z_other, activation))
        one = tl.dot(w, h_one, one, input_precision=PRECISION)
        other = tl.dot(w, h_other, other, input_precision=PRECISION)
    return tl.trans(one) + bias[None, :], tl.trans(other) + bias[None, :]
