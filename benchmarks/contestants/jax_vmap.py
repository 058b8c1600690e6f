"""All trials in parallel with JAX: vmap over trials, scan over an epoch's steps."""

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.contestants.contestant import Epoch
from benchmarks.fields import alike
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData, initial_weights


def jax_exact(
    trials: Sequence[TrialSpec], data: DeviceData, _: torch.device, *, shared_order: bool = False
) -> Epoch:
    """Train trials of one shape; with a shared order JAX does not gather a batch for each."""
    width = trials[0].config.hidden_width
    return _jax_epoch(trials, data, width, shared_order=shared_order)


def jax_padded(
    trials: Sequence[TrialSpec], data: DeviceData, _: torch.device, *, to_width: int
) -> Epoch:
    return _jax_epoch(trials, data, to_width)


def jax_buckets(trials: Sequence[TrialSpec], data: DeviceData, _: torch.device) -> Epoch:
    buckets = defaultdict(list)
    for i, trial in enumerate(trials):
        buckets[1 << (trial.config.hidden_width - 1).bit_length()].append(i)
    epochs = [
        (members, _jax_epoch([trials[i] for i in members], data, width))
        for width, members in buckets.items()
    ]

    def epoch(orders: Tensor | None) -> list[float]:
        assert orders is not None
        found = {}
        for members, train in epochs:
            found |= zip(members, train(orders[members]), strict=True)
        return [found[i] for i in range(len(trials))]

    return epoch


def _jax_epoch(
    trials: Sequence[TrialSpec], data: DeviceData, width: int, *, shared_order: bool = False
) -> Epoch:
    """Pad all trials to one width: vmap over trials, scan over steps, compiled once."""
    jax = _jax()
    jnp = jax.numpy
    batch_size = trials[0].config.batch_size
    weights = [jnp.asarray(part) for part in _pad(trials, data, width)]
    widths = jnp.asarray([trial.config.hidden_width for trial in trials])
    masks = None if alike(trials) else jnp.arange(width) < widths[:, None]
    images = jnp.asarray(data.train.cpu().numpy())
    learn = _jax_learning(trials)
    choices = jnp.asarray([_jax_choice(trial.config) for trial in trials])

    def train(state: Any, order: Any, mask: Any, choice: Any, images: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            pixels = images[rows].astype(jnp.float32) / 255.0
            return learn(state, pixels, mask, choice)

        return jax.lax.scan(step, state, order.reshape(-1, batch_size))

    axes = (0, None if shared_order else 0, 0, 0, None)
    compiled = jax.jit(jax.vmap(train, in_axes=axes), donate_argnums=0)
    zeros = [jnp.zeros_like(weight) for weight in weights]
    state = (weights, zeros, [jnp.zeros_like(weight) for weight in weights], jnp.zeros(len(trials)))
    # On a named device, as the epoch returns it; otherwise the second epoch compiles again.
    state = jax.device_put(state, jax.devices()[0])

    def epoch(orders: Tensor | None) -> list[float]:
        assert orders is not None
        nonlocal state
        given = orders[0] if shared_order else orders
        on_device = jax.dlpack.from_dlpack(given.contiguous())
        state, losses = compiled(state, on_device, masks, choices, images)
        return losses.mean(axis=1).tolist()

    return epoch


def _jax() -> Any:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch uses the card as well
    import jax

    # Same precision as torch and the fused trainer; a CPU ignores it.
    jax.config.update("jax_default_matmul_precision", "tensorfloat32")
    return jax


def _pad(trials: Sequence[TrialSpec], data: DeviceData, width: int) -> list[np.ndarray]:
    """Return the four parameters (K, …), with zeros for hidden units that a trial does not have."""
    n_inputs = data.n_inputs
    shapes = [(width, n_inputs), (width,), (n_inputs, width), (n_inputs,)]
    parts = [np.zeros((len(trials), *shape), dtype=np.float32) for shape in shapes]
    for i, trial in enumerate(trials):
        own = initial_weights(trial.config, n_inputs, trial.seeds[0])
        for part, weight in zip(parts, own, strict=True):
            part[i][tuple(slice(n) for n in weight.shape)] = weight.numpy()
    return parts


def _jax_choice(config: TrialConfig) -> list[int]:
    return [list(Activation).index(config.activation), list(Loss).index(config.loss)]


def _jax_learning(trials: Sequence[TrialSpec]) -> Callable[..., Any]:
    """(state, pixels (B, D), mask (H,), choice (2,)) -> (state, loss): a step of Adam.

    Equal trials need no mask, and the compiled step has no choices. If they differ, each step
    computes all activations and losses, as vmap requires, and selects what each trial chose.
    """
    jax = _jax()
    jnp = jax.numpy
    config = trials[0].config
    activations, losses = _jax_functions()
    if alike(trials):
        activation, loss = _jax_choice(config)
        activations, losses = [activations[activation]], [losses[loss]]

    def loss_of(weights: Any, pixels: Any, mask: Any, choice: Any) -> Any:
        encoder, encoder_bias, decoder, decoder_bias = weights
        z = pixels @ encoder.T + encoder_bias
        hidden = jax.lax.switch(choice[0], activations, z)
        if mask is not None:
            hidden = jnp.where(mask, hidden, 0.0)
        return jax.lax.switch(choice[1], losses, hidden @ decoder.T + decoder_bias, pixels)

    def learn(state: Any, pixels: Any, mask: Any, choice: Any) -> Any:
        weights, first, second, n = state
        loss, grads = jax.value_and_grad(loss_of)(weights, pixels, mask, choice)
        beta1, beta2 = config.beta1, config.beta2
        n = n + 1
        first = [beta1 * m + (1 - beta1) * g for m, g in zip(first, grads, strict=True)]
        second = [beta2 * v + (1 - beta2) * g * g for v, g in zip(second, grads, strict=True)]
        rate, root = config.learning_rate / (1 - beta1**n), jnp.sqrt(1 - beta2**n)
        weights = [
            w - rate * m / (jnp.sqrt(v) / root + config.eps)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
        return (weights, first, second, n), loss

    return learn


def _jax_functions() -> tuple[list[Callable[..., Any]], list[Callable[..., Any]]]:
    """Return the activations and losses in the order of the enums.

    Outputs are sigmoids, Huber's delta 1.
    """
    jax = _jax()
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid
    activations = {
        Activation.LINEAR: lambda z: z,
        Activation.RELU: jax.nn.relu,
        Activation.LEAKY_RELU: jax.nn.leaky_relu,
        Activation.ELU: jax.nn.elu,
        Activation.GELU: partial(jax.nn.gelu, approximate=False),
        Activation.SILU: jax.nn.silu,
        Activation.TANH: jnp.tanh,
        Activation.SIGMOID: sigmoid,
    }
    losses = {
        Loss.BCE: lambda z, x: jnp.mean(jax.nn.softplus(z) - x * z),
        Loss.MSE: lambda z, x: jnp.mean((sigmoid(z) - x) ** 2),
        Loss.L1: lambda z, x: jnp.mean(jnp.abs(sigmoid(z) - x)),
        Loss.HUBER: lambda z, x: jnp.mean((sigmoid(z) - x) ** 2) / 2,  # never beyond delta
    }
    return [activations[name] for name in Activation], [losses[name] for name in Loss]
