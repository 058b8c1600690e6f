"""How fast small autoencoders train: the fused trainer beside everything else, on one card.

    pip install -c constraints.txt -e . && pip install 'jax[cuda12]'   # jax is optional
    python -m benchmarks.training
    python -m benchmarks.training --widths 784 --only fused vmap jax

Each field is a set of trials: all of hidden width 32, 128 or 784 (relu, bce), or a mix of widths,
log-uniform in 8..1024, with random activations and losses from a fixed seed. Each contestant trains
them on the same made-up images, of Fashion-MNIST's sizes, in batches of 128 with Adam:

    tutorial-0     torchvision's way: PIL pictures, ToTensor, a DataLoader without loader workers
    tutorial-4     the same with 4 of them, which stay from epoch to epoch
    eager          the images on the device as bytes, torch.optim's fused Adam
    graph          the same, a step captured as a CUDA graph, replayed
    vmap           torch.func.vmap over all trials; they must be equal in shape
    vmap-compiled  the same through torch.compile
    jax            JAX, vmap over all trials and scan over an epoch's steps; one shape, one choice
    jax-padded     the same for the mix, every width padded to 1024
    jax-buckets    the same for the mix, widths padded to the next power of 2, one group each
    reference      sweep's reference trainer
    fused          sweep's fused trainer, a full population, its next epoch always launched ahead
    fused-whole    the same with all that a study needs: validation, the test set, and new trials in
                   the places of those that end, a fifth of them every epoch

A column says how many steps of an epoch were timed; the slow contestants' time is scaled to a whole
epoch, and one trial after another trains one trial of a field, or eight of the mix. The time is the
median of repeats after a warm-up, and ends when the losses are on the host, so that the device is
done. Validation is left out (but for one image in the two sweep trainers, which validate always),
and measured apart for "reference" and "fused"; it is in the time of "fused-whole".
Data orders are drawn in the time of the two sweep trainers, and before it for the others.
"first epoch" is the time from nothing to the losses of the first epoch, or of its timed part: to
compile is in there, and nowhere else. "of floor" is the least memory traffic of a step
(``Shape.step_bytes``) over the bandwidth of a large copy, both in this run, over the time.

First of all every contestant trains two trials of the field for a few steps: "differs" is how far
its mean loss is from the reference trainer's, relatively; products are tf32, on a CPU float32.

Then what a user waits for: seconds from a worker's start to its first epoch of the mix, its check
of the card included, with Triton's cache empty and full; and a study of 1,000 random trials through
``sweep start`` on SQLite, with the share of the time in which the device trained. These need sweep
with all its packages; the rest needs torch, numpy and psutil, for the tutorial's loop torchvision.

Options:

    --widths 32 mix    fields, of 32, 128, 784 and mix (all)
    --only fused jax   contestants (all)
    --slots N          trials of a field (512, 256, 84, and 256 of the mix)
    --steps N          steps of an epoch that the slow contestants are timed over (100)
    --repeats N        timed epochs, or parts of one, of which the median counts (5)
    --no-whole         leave out what a user waits for
    --smoke            tiny trials on the CPU, for the tests: needs TRITON_INTERPRET=1, says nothing
                       about speed
"""

import argparse
import gc
import importlib.metadata
import importlib.util
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import triton
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import grad_and_value, vmap
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.whole import first_epochs, study, write_images
from sweep.names import Activation, Loss
from sweep.trainer import DeviceData, ReferenceTrainer, data_order, initial_weights
from sweep.trainer.data import as_floats
from sweep.trainer.fused import Blocks, FusedTrainer, Launched, Shape
from sweep.trainer.fused.graphs import repeatable
from sweep.trainer.losses import LOSSES
from sweep.trainer.model import ACTIVATIONS, Autoencoder
from sweep.trainer.optimizers import adam
from sweep.trial import TrialConfig, TrialSpec

EPOCHS = 5
MIX = "mix"
_ENDLESS = 1_000

#: Trains an epoch in these orders (K, N); each trial's mean training loss, once it is on the host.
Epoch = Callable[[Tensor], list[float]]
#: (trials, data, device) -> an epoch, to be called again and again.
Start = Callable[[Sequence[TrialSpec], DeviceData, torch.device], Epoch]


# What is trained


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large everything is."""

    #: A name of a field and how many trials it has.
    fields: dict[str, int]
    #: The log-uniform widths of the mix.
    mix: tuple[int, int]
    height: int
    width: int
    batch_size: int
    #: Of an epoch; all batches are whole.
    n_steps: int
    n_validation: int
    n_test: int
    n_checked_steps: int
    copy_bytes: int
    #: Trials of the study.
    n_study: int


FULL = Sizes(
    fields={"32": 512, "128": 256, "784": 84, MIX: 256},
    mix=(8, 1024),
    height=28,
    width=28,
    batch_size=128,
    n_steps=430,
    n_validation=4_960,
    n_test=10_000,
    n_checked_steps=20,
    copy_bytes=2**32,
    n_study=1_000,
)
SMOKE = Sizes(
    fields={"9": 2, MIX: 2},
    mix=(4, 16),
    height=4,
    width=4,
    batch_size=16,
    n_steps=3,
    n_validation=16,
    n_test=16,
    n_checked_steps=3,
    copy_bytes=2**20,
    n_study=3,
)


def make_data(sizes: Sizes, device: torch.device) -> DeviceData:
    """A few patterns, mixed by random amounts."""
    rng = np.random.default_rng(0)
    patterns = rng.random((5, sizes.height * sizes.width), dtype=np.float32)

    def images(n: int) -> Tensor:
        mixed = rng.dirichlet(np.ones(5), n).astype(np.float32) @ patterns
        return torch.from_numpy((255 * mixed).astype(np.uint8)).to(device)

    def labels(n: int) -> NDArray[np.uint8]:
        return (np.arange(n) % 10).astype(np.uint8)

    return DeviceData(
        train=images(sizes.n_steps * sizes.batch_size),
        validation=images(sizes.n_validation),
        test=images(sizes.n_test),
        train_labels=labels(sizes.n_steps * sizes.batch_size),
        validation_labels=labels(sizes.n_validation),
        test_labels=labels(sizes.n_test),
        strip_rows=tuple(range(10)),
        height=sizes.height,
        width=sizes.width,
        sha256="made up",
    )


def make_trials(field: str, n: int, sizes: Sizes) -> list[TrialSpec]:
    """Trial i has seed i."""
    rng = np.random.default_rng(0)
    base = TrialConfig(epochs=_ENDLESS, batch_size=sizes.batch_size)
    configs = [
        _mixed(base, sizes.mix, rng) if field == MIX else replace(base, hidden_width=int(field))
        for _ in range(n)
    ]
    return [
        TrialSpec(number=i, attempt=1, config=config, seeds=(i,))
        for i, config in enumerate(configs)
    ]


def _mixed(base: TrialConfig, widths: tuple[int, int], rng: np.random.Generator) -> TrialConfig:
    low, high = np.log2(widths)
    return replace(
        base,
        hidden_width=round(2 ** rng.uniform(low, high)),
        activation=Activation(rng.choice(list(Activation))),
        loss=Loss(rng.choice(list(Loss))),
    )


def _alike(trials: Sequence[TrialSpec]) -> bool:
    return len({trial.config for trial in trials}) == 1


def _orders(trials: Sequence[TrialSpec], data: DeviceData, epoch: int) -> Tensor:
    """(K, N) int32 on the device, as the sweep trainers draw them."""
    n = len(data.train)
    orders = [data_order(trial.seeds[0], epoch, n).to(torch.int32) for trial in trials]
    return torch.stack(orders).to(data.train.device)


def _first_steps(data: DeviceData, n_steps: int, batch_size: int) -> DeviceData:
    return replace(data, train=data.train[: n_steps * batch_size])


def _unvalidated(data: DeviceData) -> DeviceData:
    """With a single image to validate on."""
    return replace(data, validation=data.validation[:1])


# One trial after another


def _in_turn(start: Callable[[TrialSpec, DeviceData, torch.device], Epoch]) -> Start:
    """Trials that know nothing of each other; ``start``'s epoch takes and gives one trial's row."""

    def start_all(trials: Sequence[TrialSpec], data: DeviceData, device: torch.device) -> Epoch:
        epochs = [start(trial, data, device) for trial in trials]

        def epoch(orders: Tensor) -> list[float]:
            parts = zip(epochs, orders.split(1), strict=True)
            return [loss for train, order in parts for loss in train(order)]

        return epoch

    return start_all


class Pictures(Dataset[tuple[Tensor, int]]):
    """Items as those of ``torchvision.datasets.FashionMNIST`` with ``ToTensor``."""

    def __init__(self, images: Tensor) -> None:
        from PIL import Image
        from torchvision.transforms import ToTensor

        self.images = images
        self.picture = Image.fromarray
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.picture(self.images[index].numpy())), 0


def tutorial(trial: TrialSpec, data: DeviceData, device: torch.device, n_workers: int) -> Epoch:
    """The loop that everyone writes first."""
    config, order = trial.config, []  # type: tuple[TrialConfig, list[int]]
    pictures = Pictures(data.train.reshape(-1, data.height, data.width).cpu())
    loader = DataLoader(
        pictures,
        batch_size=config.batch_size,
        sampler=order,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
    )
    model = _model(trial, data, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)

    def epoch(orders: Tensor) -> list[float]:
        order[:] = orders[0].tolist()
        total = 0.0
        for batch, _ in loader:
            total += _learn(model, optimizer, batch.to(device).flatten(1), config).item()
        return [total / len(loader)]

    return epoch


def eager(trial: TrialSpec, data: DeviceData, device: torch.device) -> Epoch:
    config = trial.config
    model = _model(trial, data, device)
    optimizer = adam(model.parameters(), config)

    def epoch(orders: Tensor) -> list[float]:
        losses = [
            _learn(model, optimizer, as_floats(data.train[rows]), config)
            for rows in orders[0].split(config.batch_size)
        ]
        return [torch.stack(losses).mean().item()]

    return epoch


def graph(trial: TrialSpec, data: DeviceData, device: torch.device) -> Epoch:
    config = trial.config
    model = _model(trial, data, device)
    first_weights = [weight.detach().clone() for weight in model.parameters()]
    optimizer = torch.optim.Adam(
        model.parameters(), lr=config.learning_rate, fused=True, capturable=True
    )
    order = torch.zeros(len(data.train), dtype=torch.int32, device=device)
    in_batch = torch.arange(config.batch_size, device=device)
    position, total = torch.zeros_like(in_batch[0]), torch.zeros((), device=device)

    def step() -> None:
        pixels = as_floats(data.train[order[position + in_batch]])
        total.add_(_learn(model, optimizer, pixels, config))
        position.add_(config.batch_size)

    replay = repeatable(step, device)
    _start_over(model, first_weights, optimizer)

    def epoch(orders: Tensor) -> list[float]:
        order.copy_(orders[0])
        position.zero_()
        total.zero_()
        n_steps = len(order) // config.batch_size
        for _ in range(n_steps):
            replay()
        return [total.item() / n_steps]

    return epoch


@torch.no_grad()
def _start_over(
    model: nn.Module, first_weights: list[Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Undo the steps that capturing took."""
    for weight, first in zip(model.parameters(), first_weights, strict=True):
        weight.copy_(first)
    for state in optimizer.state.values():
        for moment in state.values():
            moment.zero_()


def reference(trial: TrialSpec, data: DeviceData, device: torch.device) -> Epoch:
    training = ReferenceTrainer(data, device).start(trial)

    def epoch(_: Tensor) -> list[float]:
        return [metrics.train_loss for metrics in training.train_epoch()]

    return epoch


def _model(trial: TrialSpec, data: DeviceData, device: torch.device) -> Autoencoder:
    weights = initial_weights(trial.config, data.n_inputs, trial.seeds[0])
    return Autoencoder(trial.config, weights, device)


def _learn(
    model: nn.Module, optimizer: torch.optim.Optimizer, pixels: Tensor, config: TrialConfig
) -> Tensor:
    optimizer.zero_grad(set_to_none=True)
    loss = LOSSES[config.loss](model(pixels), pixels, config)
    loss.backward()
    optimizer.step()
    return loss.detach()


# torch.func.vmap


def vmapped(
    trials: Sequence[TrialSpec], data: DeviceData, device: torch.device, *, compiled: bool = False
) -> Epoch:
    config = trials[0].config
    weights = _stacked(trials, data, device)
    optimizer = adam(weights, config)
    gradients = vmap(grad_and_value(partial(_loss, config=config)))
    if compiled:
        torch.compiler.reset()  # a second shape would else be compiled for shapes of every size
        # On a CPU, which is for tests, inductor would spend half a minute in a C++ compiler.
        backend = "inductor" if device.type == "cuda" else "aot_eager"
        gradients = torch.compile(gradients, dynamic=False, backend=backend)

    def epoch(orders: Tensor) -> list[float]:
        losses = []
        for rows in orders.split(config.batch_size, dim=1):
            grads, loss = gradients(weights, as_floats(data.train[rows]))
            for weight, grad in zip(weights, grads, strict=True):
                weight.grad = grad
            optimizer.step()
            losses.append(loss)
        return torch.stack(losses).mean(0).tolist()

    return epoch


def _stacked(
    trials: Sequence[TrialSpec], data: DeviceData, device: torch.device
) -> tuple[Tensor, ...]:
    """Encoder and decoder, weight and bias each, with K in front."""
    weights = [initial_weights(trial.config, data.n_inputs, trial.seeds[0]) for trial in trials]
    return tuple(torch.stack(parts).to(device) for parts in zip(*weights, strict=True))


def _loss(weights: tuple[Tensor, ...], pixels: Tensor, config: TrialConfig) -> Tensor:
    encoder, encoder_bias, decoder, decoder_bias = weights
    hidden = ACTIVATIONS[config.activation](functional.linear(pixels, encoder, encoder_bias))
    return LOSSES[config.loss](functional.linear(hidden, decoder, decoder_bias), pixels, config)


# JAX


def jax_exact(trials: Sequence[TrialSpec], data: DeviceData, _: torch.device) -> Epoch:
    return _jax_epoch(trials, data, trials[0].config.hidden_width)


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

    def epoch(orders: Tensor) -> list[float]:
        found = {}
        for members, train in epochs:
            found |= zip(members, train(orders[members]), strict=True)
        return [found[i] for i in range(len(trials))]

    return epoch


def _jax_epoch(trials: Sequence[TrialSpec], data: DeviceData, width: int) -> Epoch:
    """All trials padded to one width: vmap over trials, scan over steps, compiled once."""
    jax = _jax()
    jnp = jax.numpy
    batch_size = trials[0].config.batch_size
    weights = [jnp.asarray(part) for part in _padded(trials, data, width)]
    widths = jnp.asarray([trial.config.hidden_width for trial in trials])
    masks = None if _alike(trials) else jnp.arange(width) < widths[:, None]
    images = jnp.asarray(data.train.cpu().numpy())
    learn = _jax_learning(trials)
    choices = jnp.asarray([_jax_choice(trial.config) for trial in trials])

    def train(state: Any, order: Any, mask: Any, choice: Any, images: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            pixels = images[rows].astype(jnp.float32) / 255.0
            return learn(state, pixels, mask, choice)

        return jax.lax.scan(step, state, order.reshape(-1, batch_size))

    compiled = jax.jit(jax.vmap(train, in_axes=(0, 0, 0, 0, None)), donate_argnums=0)
    zeros = [jnp.zeros_like(weight) for weight in weights]
    state = (weights, zeros, [jnp.zeros_like(weight) for weight in weights], jnp.zeros(len(trials)))
    # As the epoch gives it back: on a device that was named. Else the second epoch compiles again.
    state = jax.device_put(state, jax.devices()[0])

    def epoch(orders: Tensor) -> list[float]:
        nonlocal state
        on_device = jax.dlpack.from_dlpack(orders.contiguous())
        state, losses = compiled(state, on_device, masks, choices, images)
        return losses.mean(axis=1).tolist()

    return epoch


def _jax() -> Any:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch has the card as well
    import jax

    return jax


def _padded(trials: Sequence[TrialSpec], data: DeviceData, width: int) -> list[np.ndarray]:
    """The four parameters (K, …), with zeros for the hidden units that a trial does not have."""
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

    Trials that are alike need no mask, and no choice is compiled. Where they differ, each step
    computes all activations and losses, as vmap has it, and keeps what each trial chose.
    """
    jax = _jax()
    jnp = jax.numpy
    config = trials[0].config
    activations, losses = _jax_functions()
    if _alike(trials):
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
    """In the order of the enums; every output is a sigmoid, and Huber's delta 1."""
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


# The fused trainer


def fused(trials: Sequence[TrialSpec], data: DeviceData, device: torch.device) -> Epoch:
    trainer = _population(trials, data, device)
    for trial in trials:
        _admit(trainer, trial)
    next_epoch = _launching_ahead(trainer.launch_epoch, device)

    def epoch(_: Tensor) -> list[float]:
        done = trainer.collect(next_epoch())
        return [event.metrics[0].train_loss for event in done]

    return epoch


def fused_whole(trials: Sequence[TrialSpec], data: DeviceData, device: torch.device) -> Epoch:
    """Trials of one to five epochs at first, and of five from then on."""
    trainer = _population(trials, data, device)
    for i, trial in enumerate(trials):
        _admit(trainer, _ending(trial, i % EPOCHS + 1))
    numbers = itertools.count(len(trials))
    leaving: list[TrialSpec] = []  # their last epoch was launched, so their places are free

    def launch() -> Launched:
        for trial in leaving:
            number = next(numbers)
            _admit(trainer, _ending(replace(trial, number=number, seeds=(number,)), EPOCHS))
        launched = trainer.launch_epoch()
        leaving[:] = [member.spec for member in launched.last]
        return launched

    next_epoch = _launching_ahead(launch, device)

    def epoch(_: Tensor) -> list[float]:
        launched = next_epoch()
        done = trainer.collect(launched)
        for member in launched.last:
            trainer.result(member.spec.number)
            trainer.release(member.spec.number)
        return [event.metrics[0].train_loss for event in done]

    return epoch


def _launching_ahead(
    launch: Callable[[], Launched], device: torch.device
) -> Callable[[], Launched]:
    """Gives the next epoch to collect once the one after it was launched, as the worker does.

    On a CPU, where launching is doing, nothing is launched ahead.
    """
    n_ahead = 1 if device.type == "cuda" else 0
    ahead: deque[Launched] = deque()

    def next_epoch() -> Launched:
        while len(ahead) <= n_ahead:
            ahead.append(launch())
        return ahead.popleft()

    return next_epoch


def _population(
    trials: Sequence[TrialSpec], data: DeviceData, device: torch.device
) -> FusedTrainer:
    """With exactly the room that these trials take."""
    on_gpu = device.type == "cuda"
    blocks = Blocks() if on_gpu else Blocks(units=16, examples=16, outputs=32, inputs=32, whole=16)
    tiles = sum(math.ceil(trial.config.hidden_width / blocks.units) for trial in trials)
    return FusedTrainer(
        data,
        device,
        batch_size=trials[0].config.batch_size,
        rows=tiles * blocks.units,
        slots=len(trials),
        precision="tf32" if on_gpu else "ieee",
        blocks=blocks,
    )


def _admit(trainer: FusedTrainer, trial: TrialSpec) -> None:
    if not trainer.admit(trial):
        raise RuntimeError(f"no room for trial {trial.number} in a population made for it.")


def _ending(trial: TrialSpec, epochs: int) -> TrialSpec:
    """Not among the best, like most: it sends neither weights nor pictures."""
    config = replace(trial.config, epochs=epochs)
    return replace(trial, config=config, keep_weights_below=0.0, keep_pictures_below=0.0)


# Who runs where


#: (trials, device) -> why a contestant cannot train them there, or None.
Need = Callable[[Sequence[TrialSpec], torch.device], str | None]


class Contestant(NamedTuple):
    start: Start
    needs: tuple[Need, ...] = ()
    #: Slow: train some of the trials, for some of an epoch's steps.
    in_turn: bool = False
    part: bool = False
    #: Has a validation that can be measured apart.
    validates: bool = False
    #: Keep validation in the time.
    whole: bool = False

    def why_not(self, trials: Sequence[TrialSpec], device: torch.device) -> str | None:
        reasons = (need(trials, device) for need in self.needs)
        return next((reason for reason in reasons if reason is not None), None)


def needs_cuda(_: Sequence[TrialSpec], device: torch.device) -> str | None:
    return None if device.type == "cuda" else "needs a CUDA device"


def needs_triton(_: Sequence[TrialSpec], device: torch.device) -> str | None:
    runs = device.type == "cuda" or triton.knobs.runtime.interpret
    return None if runs else "needs a CUDA device, or TRITON_INTERPRET=1"


def needs_equal(trials: Sequence[TrialSpec], _: torch.device) -> str | None:
    return None if _alike(trials) else "the trials differ"


def needs_different(trials: Sequence[TrialSpec], _: torch.device) -> str | None:
    return "the trials are alike: see jax" if _alike(trials) else None


def needs_torchvision(_: Sequence[TrialSpec], __: torch.device) -> str | None:
    missing = [name for name in ("torchvision", "PIL") if importlib.util.find_spec(name) is None]
    return f"{missing[0]} is not installed" if missing else None


def needs_jax(_: Sequence[TrialSpec], device: torch.device) -> str | None:
    if importlib.util.find_spec("jax") is None:
        return "jax is not installed"
    backend = _jax().default_backend()
    return None if (backend == "gpu") == (device.type == "cuda") else f"jax sees the {backend} only"


def contestants(sizes: Sizes) -> dict[str, Contestant]:
    one_by_one = partial(Contestant, in_turn=True, part=True)
    padded = partial(jax_padded, to_width=sizes.mix[1])
    return {
        "tutorial-0": one_by_one(_in_turn(partial(tutorial, n_workers=0)), (needs_torchvision,)),
        "tutorial-4": one_by_one(_in_turn(partial(tutorial, n_workers=4)), (needs_torchvision,)),
        "eager": one_by_one(_in_turn(eager)),
        "graph": one_by_one(_in_turn(graph), (needs_cuda,)),
        "vmap": Contestant(vmapped, (needs_equal,), part=True),
        "vmap-compiled": Contestant(partial(vmapped, compiled=True), (needs_equal,), part=True),
        "jax": Contestant(jax_exact, (needs_jax, needs_equal)),
        "jax-padded": Contestant(padded, (needs_jax, needs_different)),
        "jax-buckets": Contestant(jax_buckets, (needs_jax, needs_different)),
        "reference": one_by_one(_in_turn(reference), validates=True),
        "fused": Contestant(fused, (needs_triton,), validates=True),
        "fused-whole": Contestant(fused_whole, (needs_triton,), whole=True),
    }


# Measuring


class Timed(NamedTuple):
    """One contestant in one field."""

    #: Per trial and epoch.
    seconds: float
    #: The same for validation, where it was measured apart.
    validation_seconds: float | None
    #: Until all trials have their first epoch, or the part that is timed; compiling included.
    first_epoch_seconds: float
    n_trials: int
    n_steps: int
    #: Mean training loss of each of the trials that everyone trains first.
    losses: list[float]

    @property
    def trials_per_second(self) -> float:
        return 1 / (EPOCHS * self.seconds)


class Field(NamedTuple):
    """A set of trials, and what came of each contestant: a time, or why there is none."""

    name: str
    trials: list[TrialSpec]
    #: The least that a trial's epoch takes on this card.
    floor_seconds: float
    found: dict[str, Timed | str]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every contestant is measured with."""

    sizes: Sizes
    data: DeviceData
    device: torch.device
    n_part_steps: int
    repeats: int

    def measure(self, contestant: Contestant, trials: Sequence[TrialSpec]) -> Timed | str:
        """A failure is told on stderr, and the others go on."""
        if (reason := contestant.why_not(trials, self.device)) is not None:
            return reason
        try:
            return self._measure(contestant, trials)
        except Exception as error:
            traceback.print_exc()
            return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        finally:
            self._clean_up()

    def _measure(self, contestant: Contestant, trials: Sequence[TrialSpec]) -> Timed:
        sizes, n_steps = self.sizes, self.sizes.n_steps
        losses = self._losses(contestant, trials[:2])
        if contestant.in_turn:
            trials = _sample(trials, 1 if _alike(trials) else 8)
        if contestant.part:
            n_steps = min(n_steps, self.n_part_steps)
        data = _first_steps(self.data, n_steps, sizes.batch_size)
        alone = data if contestant.whole else _unvalidated(data)
        first, seconds = self._time(contestant.start, trials, alone)
        validation = None
        if contestant.validates:
            validation = self._time(contestant.start, trials, data)[1] - seconds
        return Timed(
            seconds=seconds / len(trials) * sizes.n_steps / n_steps,
            validation_seconds=None if validation is None else validation / len(trials),
            first_epoch_seconds=first,
            n_trials=len(trials),
            n_steps=n_steps,
            losses=losses,
        )

    def _losses(self, contestant: Contestant, trials: Sequence[TrialSpec]) -> list[float]:
        """After a few steps; those who train the same have the same."""
        data = _first_steps(self.data, self.sizes.n_checked_steps, self.sizes.batch_size)
        epoch = contestant.start(trials, _unvalidated(data), self.device)
        losses = epoch(_orders(trials, data, 1))
        del epoch
        self._clean_up()
        return losses

    def _time(
        self, start: Start, trials: Sequence[TrialSpec], data: DeviceData
    ) -> tuple[float, float]:
        """Seconds from nothing to the end of the first epoch, and of a later one."""
        # All of them now: the device may work on an epoch that was launched ahead.
        first_orders, *later_orders = [_orders(trials, data, n) for n in range(1, self.repeats + 2)]
        begun = time.perf_counter()
        epoch = start(trials, data, self.device)
        epoch(first_orders)
        first = time.perf_counter() - begun
        seconds = []
        for orders in later_orders:
            begun = time.perf_counter()
            epoch(orders)
            seconds.append(time.perf_counter() - begun)
        del epoch
        self._clean_up()
        return first, statistics.median(seconds)

    def _clean_up(self) -> None:
        """The card's memory is the next one's."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            gc.collect()
            torch.cuda.empty_cache()

    def floor_seconds(self, trials: Sequence[TrialSpec], bytes_per_second: float) -> float:
        sizes = self.sizes
        shape = Shape(
            n_train=len(self.data.train),
            n_inputs=self.data.n_inputs,
            batch_size=sizes.batch_size,
        )
        traffic = statistics.mean(shape.step_bytes(trial.config.hidden_width) for trial in trials)
        return sizes.n_steps * traffic / bytes_per_second


def _sample(trials: Sequence[TrialSpec], n: int) -> list[TrialSpec]:
    """Of n different widths, as far apart as the trials' are."""
    by_width = sorted(trials, key=lambda trial: trial.config.hidden_width)
    n = min(n, len(by_width))
    return [by_width[(2 * i + 1) * len(by_width) // (2 * n)] for i in range(n)]


def copy_bytes_per_second(n_bytes: int, device: torch.device) -> float:
    """Memory traffic of a copy on the device, read and written."""
    source = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(11):
        begun = time.perf_counter()
        target.copy_(source)
        target[-1].item()  # waits
        seconds.append(time.perf_counter() - begun)
    return 2 * n_bytes / statistics.median(seconds[1:])


# The command


def main() -> None:
    options = _options()
    sizes = SMOKE if options.smoke else FULL
    device = torch.device("cpu" if options.smoke or not torch.cuda.is_available() else "cuda")
    torch.set_float32_matmul_precision("high")
    if options.smoke:
        torch.set_num_threads(1)
    bench = Bench(
        sizes=sizes,
        data=make_data(sizes, device),
        device=device,
        n_part_steps=options.steps,
        repeats=options.repeats,
    )
    bandwidth = copy_bytes_per_second(sizes.copy_bytes, device)
    about = _about(device, bandwidth)
    print("  ".join(f"{key} {value}" for key, value in about.items()))
    fields = []
    for name in options.widths or sizes.fields:
        trials = make_trials(name, options.slots or sizes.fields[name], sizes)
        found = {}
        for of, contestant in contestants(sizes).items():
            if of in (options.only or [of]):
                print(f"{name}: {of} …", file=sys.stderr, flush=True)
                found[of] = bench.measure(contestant, trials)
        fields.append(Field(name, trials, bench.floor_seconds(trials, bandwidth), found))
        _print(fields[-1], sizes)
    waited = {} if options.no_whole else _waited_for(sizes, device)
    for name, found in waited.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
    line = {"benchmark": "training", **about, "smoke": options.smoke, **waited}
    print(json.dumps(line | {"fields": {field.name: _plain(field) for field in fields}}))


def _waited_for(sizes: Sizes, device: torch.device) -> dict[str, dict[str, Any]]:
    """A worker's first epoch, and a whole study; a reason where one could not run."""
    trials = make_trials(MIX, sizes.fields[MIX], sizes)
    on_gpu = device.type == "cuda"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        n_train = sizes.n_steps * sizes.batch_size * 12 // 11
        write_images(folder, sizes.height, sizes.width, n_train, sizes.n_test)
        print("a worker's first epoch …", file=sys.stderr, flush=True)
        first = first_epochs(folder, trials, device.type)
        print("a study …", file=sys.stderr, flush=True)
        whole = study(
            folder,
            n_trials=sizes.n_study,
            epochs=EPOCHS if on_gpu else 2,
            widths=sizes.mix,
            batch_size=sizes.batch_size,
            gpus="all" if on_gpu else "cpu",
        )
    return {"first_epoch": first, "study": whole}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--widths", nargs="+", choices=list(FULL.fields))
    parser.add_argument("--only", nargs="+", choices=list(contestants(FULL)))
    parser.add_argument("--slots", type=int, help="trials of a field")
    parser.add_argument(
        "--steps", type=int, default=100, help="that slow contestants are timed over"
    )
    parser.add_argument("--repeats", type=int, help="the median counts")
    parser.add_argument("--no-whole", action="store_true", help="no worker and no study")
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU; no speed")
    options = parser.parse_args()
    if options.smoke and options.widths:
        parser.error("--smoke has fields of its own: leave out --widths.")
    options.repeats = options.repeats or (1 if options.smoke else 5)
    return options


def _about(device: torch.device, bandwidth: float) -> dict[str, Any]:
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "torch": torch.__version__,
        "triton": triton.__version__,
        "jax": importlib.metadata.version("jax") if importlib.util.find_spec("jax") else None,
        "copy_gb_per_second": round(bandwidth / 1e9, 1),
    }


def _print(field: Field, sizes: Sizes) -> None:
    mean = statistics.mean(trial.config.hidden_width for trial in field.trials)
    print(
        f"\nH = {field.name}: {len(field.trials)} trials, mean width {mean:.0f}, the floor of an"
        f" epoch of {sizes.n_steps} steps {1000 * field.floor_seconds:.3f} ms a trial; trials/s are"
        f" those of {EPOCHS} epochs\n"
    )
    heads = ("ms/epoch", "validation", "trials/s", "fused is", "of floor", "first epoch", "differs")
    print(f"{'':15}" + "".join(f"{head:>13}" for head in heads) + "  timed")
    for name, timed in field.found.items():
        if isinstance(timed, str):
            print(f"{name:15}  {timed}")
            continue
        scaled = ", scaled" if timed.n_steps < sizes.n_steps else ""
        cells = _cells(timed, _compared(field, timed))
        timed_over = f"{timed.n_trials} trials, {timed.n_steps} steps{scaled}"
        print(f"{name:15}" + "".join(f"{cell:>13}" for cell in cells) + f"  {timed_over}")


def _cells(timed: Timed, compared: "Compared") -> list[str]:
    return [
        f"{1000 * timed.seconds:.3f}",
        _or_dash(timed.validation_seconds, lambda seconds: f"{1000 * seconds:.3f}"),
        f"{timed.trials_per_second:.3f}",
        _or_dash(compared.fused_is_faster, lambda ratio: f"{ratio:.2f} x"),
        f"{100 * compared.share_of_floor:.1f} %",
        f"{timed.first_epoch_seconds:.2f} s",
        _or_dash(compared.loss_differs, lambda share: f"{share:.0e}"),
    ]


def _or_dash(value: float | None, write: Callable[[float], str]) -> str:
    return "–" if value is None else write(value)


class Compared(NamedTuple):
    """A contestant beside the others of its field."""

    #: How many times; None without a time of the fused trainer.
    fused_is_faster: float | None
    share_of_floor: float
    #: Relatively, from the reference trainer's; None where that did not run.
    loss_differs: float | None


def _compared(field: Field, timed: Timed) -> Compared:
    ours, truth = (_timed(field.found.get(name)) for name in ("fused", "reference"))
    return Compared(
        fused_is_faster=timed.seconds / ours.seconds if ours else None,
        share_of_floor=field.floor_seconds / timed.seconds,
        loss_differs=max(
            abs(one / other - 1) for one, other in zip(timed.losses, truth.losses, strict=True)
        )
        if truth
        else None,
    )


def _timed(found: Timed | str | None) -> Timed | None:
    return found if isinstance(found, Timed) else None


def _plain(field: Field) -> dict[str, Any]:
    def one(timed: Timed | str) -> dict[str, Any]:
        if isinstance(timed, str):
            return {"reason": timed}
        rate = {"trials_per_second": timed.trials_per_second}
        return timed._asdict() | rate | _compared(field, timed)._asdict()

    return {
        "n_trials": len(field.trials),
        "mean_hidden_width": statistics.mean(trial.config.hidden_width for trial in field.trials),
        "floor_seconds": field.floor_seconds,
        "contestants": {name: one(timed) for name, timed in field.found.items()},
    }


if __name__ == "__main__":
    main()
