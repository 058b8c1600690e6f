"""All trials of one shape in parallel with ``torch.func.vmap``."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.nn import functional

from benchmarks.contestants.contestant import Epoch
from sweep.config import TrialConfig
from sweep.enums import Loss
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData, initial_weights
from sweep.trainer.data import as_floats
from sweep.trainer.losses import LOSSES
from sweep.trainer.model import ACTIVATIONS
from sweep.trainer.optimizers import adam


def train_vmapped(
    trials: Sequence[TrialSpec], data: DeviceData, device: torch.device, *, compiled: bool = False
) -> Epoch:
    config = trials[0].config
    weights = _stack(trials, data, device)
    optimizer = adam(weights, config)
    gradients = vmap(grad_and_value(partial(_loss, config=config)))
    if compiled:
        torch.compiler.reset()  # or a second shape would be compiled for shapes of every size
        # On a CPU, only used by tests, inductor would spend half a minute in a C++ compiler.
        backend = "inductor" if device.type == "cuda" else "aot_eager"
        gradients = torch.compile(gradients, dynamic=False, backend=backend)

    def epoch(orders: Tensor | None) -> list[float]:
        assert orders is not None
        losses = []
        for rows in orders.split(config.batch_size, dim=1):
            grads, loss = gradients(weights, as_floats(data.train[rows]))
            for weight, grad in zip(weights, grads, strict=True):
                weight.grad = grad
            optimizer.step()
            losses.append(loss)
        return torch.stack(losses).mean(0).tolist()

    return epoch


def _stack(
    trials: Sequence[TrialSpec], data: DeviceData, device: torch.device
) -> tuple[Tensor, ...]:
    """Return the weights and biases of encoder and decoder, each stacked to (K, …)."""
    weights = [initial_weights(trial.config, data.n_inputs, trial.seeds[0]) for trial in trials]
    return tuple(torch.stack(parts).to(device) for parts in zip(*weights, strict=True))


def _loss(weights: tuple[Tensor, ...], pixels: Tensor, config: TrialConfig) -> Tensor:
    encoder, encoder_bias, decoder, decoder_bias = weights
    hidden = ACTIVATIONS[config.activation](functional.linear(pixels, encoder, encoder_bias))
    logits = functional.linear(hidden, decoder, decoder_bias)
    if config.loss is Loss.BCE:  # torch's own: torch.compile cannot trace an autograd.Function
        return functional.binary_cross_entropy_with_logits(logits, pixels)
    return LOSSES[config.loss](logits, pixels, config)
