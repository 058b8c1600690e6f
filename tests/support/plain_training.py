"""Training in plain numpy and float64, every derivative by hand: the trainer's slow twin.

Notation: z = a W1' + b1, h = f(z), o = h W2' + b2, y = output(o), for pixels x (B, D).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule

Array = NDArray[np.float64]

erf = np.vectorize(math.erf)


def sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def normal_cdf(z: Array) -> Array:
    return 0.5 * (1.0 + erf(z / math.sqrt(2.0)))


def normal_density(z: Array) -> Array:
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


#: (f, f') of z.
ACTIVATIONS: dict[Activation, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    Activation.LINEAR: (lambda z: z, np.ones_like),
    Activation.RELU: (lambda z: np.maximum(z, 0.0), lambda z: (z > 0) * 1.0),
    Activation.LEAKY_RELU: (
        lambda z: np.where(z > 0, z, 0.01 * z),
        lambda z: np.where(z > 0, 1.0, 0.01),
    ),
    Activation.ELU: (
        lambda z: np.where(z > 0, z, np.expm1(z)),
        lambda z: np.where(z > 0, 1.0, np.exp(z)),
    ),
    Activation.GELU: (
        lambda z: z * normal_cdf(z),
        lambda z: normal_cdf(z) + z * normal_density(z),
    ),
    Activation.SILU: (
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) * (1.0 + z * (1.0 - sigmoid(z))),
    ),
    Activation.TANH: (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    Activation.SIGMOID: (sigmoid, lambda z: sigmoid(z) * (1.0 - sigmoid(z))),
    Activation.MISH: (
        lambda z: z * np.tanh(np.logaddexp(0.0, z)),
        lambda z: (
            np.tanh(np.logaddexp(0.0, z)) + z * sigmoid(z) / np.cosh(np.logaddexp(0.0, z)) ** 2
        ),
    ),
}

#: d loss / d y of one pixel, and the loss of one pixel.
LOSSES: dict[Loss, tuple[Callable[[Array, float], Array], Callable[[Array, float], Array]]] = {
    Loss.MSE: (lambda e, _: e**2, lambda e, _: 2.0 * e),
    Loss.L1: (lambda e, _: np.abs(e), lambda e, _: np.sign(e)),
    Loss.HUBER: (
        lambda e, d: np.where(np.abs(e) < d, 0.5 * e**2, d * (np.abs(e) - 0.5 * d)),
        lambda e, d: np.clip(e, -d, d),
    ),
}


class Gradient(NamedTuple):
    loss: float
    by_weights: list[Array]


def gradient(config: TrialConfig, weights: list[Array], x: Array) -> Gradient:
    """The mean loss of a batch and its derivative by each of the four weights."""
    encoder, encoder_bias, decoder, decoder_bias = weights
    f, derivative = ACTIVATIONS[config.activation]
    z = x @ encoder.T + encoder_bias
    h = f(z)
    o = h @ decoder.T + decoder_bias
    loss, by_o = _loss_by_logits(config, o, x)
    by_z = (by_o @ decoder) * derivative(z)
    return Gradient(loss, [by_z.T @ x, by_z.sum(0), by_o.T @ h, by_o.sum(0)])


def _loss_by_logits(config: TrialConfig, o: Array, x: Array) -> tuple[float, Array]:
    y = sigmoid(o) if config.output_activation is Output.SIGMOID else o
    if config.loss is Loss.BCE:
        return float(-(x * np.log(y) + (1 - x) * np.log(1 - y)).mean()), (y - x) / x.size
    value, derivative = LOSSES[config.loss]
    by_y = derivative(y - x, config.huber_delta) / x.size
    by_o = by_y * y * (1.0 - y) if config.output_activation is Output.SIGMOID else by_y
    return float(value(y - x, config.huber_delta).mean()), by_o


class State(NamedTuple):
    """What an optimizer remembers of one weight array."""

    first: Array
    second: Array


Rule = Callable[[TrialConfig, float, int, Array, Array, State], Array]


def sgd(config: TrialConfig, lr: float, t: int, w: Array, g: Array, state: State) -> Array:
    g = g + config.weight_decay * w
    state.first[...] = config.momentum * state.first + g
    return w - lr * (g + config.momentum * state.first if config.nesterov else state.first)


def adam(config: TrialConfig, lr: float, t: int, w: Array, g: Array, state: State) -> Array:
    return _adam(config, lr, t, w, g + config.weight_decay * w, state)


def adamw(config: TrialConfig, lr: float, t: int, w: Array, g: Array, state: State) -> Array:
    return _adam(config, lr, t, w * (1.0 - lr * config.weight_decay), g, state)


def _adam(config: TrialConfig, lr: float, t: int, w: Array, g: Array, state: State) -> Array:
    state.first[...] = config.beta1 * state.first + (1.0 - config.beta1) * g
    state.second[...] = config.beta2 * state.second + (1.0 - config.beta2) * g**2
    first = state.first / (1.0 - config.beta1**t)
    second = state.second / (1.0 - config.beta2**t)
    return w - lr * first / (np.sqrt(second) + config.eps)


def rmsprop(config: TrialConfig, lr: float, t: int, w: Array, g: Array, state: State) -> Array:
    g = g + config.weight_decay * w
    state.second[...] = config.rmsprop_alpha * state.second + (1.0 - config.rmsprop_alpha) * g**2
    state.first[...] = config.momentum * state.first + g / (np.sqrt(state.second) + config.eps)
    return w - lr * state.first


def adagrad(config: TrialConfig, lr: float, t: int, w: Array, g: Array, state: State) -> Array:
    g = g + config.weight_decay * w
    state.second[...] = state.second + g**2
    return w - lr * g / (np.sqrt(state.second) + config.eps)


def nadam(config: TrialConfig, lr: float, t: int, w: Array, g: Array, state: State) -> Array:
    """Dozat, "Incorporating Nesterov Momentum into Adam", 2016, as torch.optim has it."""
    g = g + config.weight_decay * w
    mu = [config.beta1 * (1.0 - 0.5 * 0.96 ** (i * config.momentum_decay)) for i in range(t + 2)]
    state.first[...] = config.beta1 * state.first + (1.0 - config.beta1) * g
    state.second[...] = config.beta2 * state.second + (1.0 - config.beta2) * g**2
    root = np.sqrt(state.second / (1.0 - config.beta2**t)) + config.eps
    so_far, with_next = math.prod(mu[1 : t + 1]), math.prod(mu[1 : t + 2])
    by_gradient = (1.0 - mu[t]) / (1.0 - so_far) * g
    by_momentum = mu[t + 1] / (1.0 - with_next) * state.first
    return w - lr * (by_gradient + by_momentum) / root


OPTIMIZERS: dict[Optimizer, Rule] = {
    Optimizer.SGD: sgd,
    Optimizer.ADAM: adam,
    Optimizer.ADAMW: adamw,
    Optimizer.RMSPROP: rmsprop,
    Optimizer.ADAGRAD: adagrad,
    Optimizer.NADAM: nadam,
}


def rate(config: TrialConfig, step: int, per_epoch: int) -> float:
    """The learning rate of a step, counted from 0."""
    factor = {
        Schedule.CONSTANT: 1.0,
        Schedule.COSINE: math.cos(0.5 * math.pi * step / (config.epochs * per_epoch)) ** 2,
        Schedule.LINEAR_WARMUP: min(1.0, (step + 1) / (config.warmup_epochs * per_epoch)),
    }
    return config.learning_rate * factor[config.lr_schedule]


class Trained(NamedTuple):
    weights: list[Array]
    #: Mean training loss of each epoch, weighted by images.
    losses: list[float]


def train(config: TrialConfig, weights: list[Array], x: Array, orders: list[Array]) -> Trained:
    """Train on images x (N, D), one order of visiting them an epoch."""
    weights = [w.copy() for w in weights]
    states = [State(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    per_epoch = math.ceil(len(x) / config.batch_size)
    losses, step = [], 0
    for order in orders:
        total = 0.0
        for start in range(0, len(x), config.batch_size):
            batch = x[order[start : start + config.batch_size]]
            loss, by_weights = gradient(config, weights, batch)
            total += loss * len(batch)
            lr = rate(config, step, per_epoch)
            update = OPTIMIZERS[config.optimizer]
            for i, g in enumerate(by_weights):
                weights[i] = update(config, lr, step + 1, weights[i], g, states[i])
            step += 1
        losses.append(total / len(x))
    return Trained(weights, losses)
