"""Small populations of the fused trainer, and what they must agree with; imports torch and triton.

Without a GPU they run in Triton's interpreter, where a program takes milliseconds: keep them small.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import product
from typing import Any

import torch
import triton
from torch import Tensor

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, WeightInit
from sweep.messages import EpochDone, EpochMetrics, TrialDiverged, TrialSpec
from sweep.trainer import DeviceData, load_model
from sweep.trainer.fused import FusedTrainer, KernelConfig
from tests.support.factories import make_images
from tests.support.quick_interpreter import quicken
from tests.support.trainer_factories import make_data, make_spec, start

INTERPRETED = triton.knobs.runtime.interpret
DEVICE = torch.device("cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu")

#: D = 20 is more than one block of outputs and not a multiple of it.
BLOCKS = KernelConfig(
    units=16, examples=16, outputs=16, inputs=16, single_block_examples=16, summed_examples=16
)

#: As few programs as possible.
LARGE_BLOCKS = replace(BLOCKS, outputs=32, inputs=32)

#: 40 images in batches of 16: two whole ones and a smaller one an epoch.
FUSED = TrialConfig(hidden_width=9, epochs=2, batch_size=16, learning_rate=0.01)


def small_data() -> DeviceData:
    """40 images of 20 pixels to train on, 10 to validate on, 24 of ten classes to test on."""
    return make_data(make_images(50, 24, height=4, width=5), DEVICE)


def data_of_ten_steps() -> DeviceData:
    """150 images to train on, 15 to validate on: an epoch is ten steps, the last one smaller."""
    images = make_images(165, 24, height=4, width=5)
    return make_data(images, DEVICE, validation_fraction=1 / 11)


def make_fused(
    data: DeviceData | None = None, *, rows: int = 64, slots: int = 4, **options: object
) -> FusedTrainer:
    """An empty population of 4 slots and 4 tiles, exact to float32."""
    defaults = {"batch_size": FUSED.batch_size, "precision": "ieee", "config": LARGE_BLOCKS}
    return FusedTrainer(
        data or small_data(),
        DEVICE,
        rows=rows,
        slots=slots,
        **(defaults | options),  # type: ignore[arg-type]
    )


def fused_spec(number: int = 1, config: TrialConfig = FUSED, **changes: object) -> TrialSpec:
    """A trial whose seed is its number, unless told otherwise."""
    return make_spec(config, **({"number": number, "seeds": (number,)} | changes))


def train_all(fused: FusedTrainer, n_epochs: int) -> list[EpochDone | TrialDiverged]:
    return [event for _ in range(n_epochs) for event in fused.train_epoch()]


def numbers(metrics: EpochMetrics) -> EpochMetrics:
    """Without the time, which no seed decides."""
    return replace(metrics, seconds=0.0)


def same_bits(one: FusedTrainer, other: FusedTrainer, number: int) -> bool:
    """Whether a trial has the same weights in both, bit by bit."""
    tensors, others = (
        [tensor for seed in fused.weights(number) for tensor in seed] for fused in (one, other)
    )
    return all(torch.equal(a, b) for a, b in zip(tensors, others, strict=True))


def reference_weights(spec: TrialSpec, data: DeviceData) -> tuple[Tensor, ...]:
    """The first seed's weights as the reference trainer leaves them."""
    training = start(spec.config, data, number=spec.number, seeds=spec.seeds)
    for _ in range(spec.config.epochs):
        training.train_epoch()
    content = training.result().weights
    assert content is not None
    return load_model(content).weights


def largest_difference(got: Tensor, expected: Tensor) -> float:
    """Relative to the largest of the values expected."""
    return float((got - expected).abs().max() / expected.abs().max())


class UnexpectedExitError(AssertionError):
    """A process of tests ended with another exit status than 0."""

    def __init__(self, status: int, stderr: str) -> None:
        super().__init__(f"exit status {status}: {stderr}")
        self.status = status
        self.last_line = (stderr.strip().splitlines() or [""])[-1]


def without_interpreter(module: str, *arguments: str) -> list[dict[str, Any]]:
    """What a module of tests prints, a line of JSON each, in a process where Triton compiles."""
    process = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
    )
    if process.returncode != 0:
        raise UnexpectedExitError(process.returncode, process.stderr)
    return [json.loads(line) for line in process.stdout.splitlines()]


#: Losses and outputs that go together.
OUTCOMES = [pair for pair in product(Loss, Output) if pair != (Loss.BCE, Output.LINEAR)]


def every_choice(optimizer: Optimizer | None = None) -> list[TrialConfig]:
    """Every activation x loss x output that is allowed, with every optimizer, or one.

    Schedules, weight initialisations and widths go round.
    """
    variants = [v for v in VARIANTS if optimizer in (None, v["optimizer"])]
    choices = product(Activation, OUTCOMES, variants)
    return [_choice(i, *choice) for i, choice in enumerate(choices)]


def every_pair() -> list[TrialConfig]:
    """Every pair of an activation, loss with output, optimizer, schedule and initialisation.

    A sixth of ``every_choice``. Each choice is a function of its own in every trainer and meets the
    others one at a time, so a mistake shows in some pair.
    """
    return [
        _choice(7 * a + 11 * o, activation, outcome, VARIANTS[(a + o) % len(VARIANTS)])
        for a, activation in enumerate(Activation)
        for o, outcome in enumerate(OUTCOMES)
    ]


def _choice(
    i: int, activation: Activation, outcome: tuple[Loss, Output], variant: dict[str, object]
) -> TrialConfig:
    loss, output = outcome
    return replace(
        FUSED,
        # One tile, which has its own kernel, or two.
        hidden_width=3 + i % 13 + 16 * (i % 3 == 1),
        activation=activation,
        loss=loss,
        output_activation=output,
        huber_delta=0.1,
        lr_schedule=list(Schedule)[i % 3],
        warmup_epochs=2,
        weight_init=list(WeightInit)[i % 5],
        **variant,  # type: ignore[arg-type]
    )


VARIANTS: list[dict[str, object]] = [
    {"optimizer": Optimizer.SGD, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"optimizer": Optimizer.ADAM, "beta1": 0.8, "beta2": 0.95, "eps": 1e-5},
    {"optimizer": Optimizer.ADAMW, "weight_decay": 0.1, "eps": 1e-5},
    {"optimizer": Optimizer.RMSPROP, "momentum": 0.5, "rmsprop_alpha": 0.9, "eps": 1e-5},
    {"optimizer": Optimizer.ADAGRAD, "weight_decay": 0.01, "eps": 1e-5},
    {"optimizer": Optimizer.NADAM, "momentum_decay": 0.1, "weight_decay": 0.01, "eps": 1e-4},
]

#: The settings that VARIANTS leaves out.
MORE_VARIANTS: list[dict[str, object]] = [
    {"optimizer": Optimizer.SGD, "learning_rate": 0.5},
    {"optimizer": Optimizer.SGD, "momentum": 0.9},
    {"optimizer": Optimizer.ADAM, "weight_decay": 0.01},
    {"optimizer": Optimizer.ADAM, "beta1": 0.0, "beta2": 0.9},
    {"optimizer": Optimizer.RMSPROP, "weight_decay": 0.01},
    {"optimizer": Optimizer.ADAGRAD},
    {"optimizer": Optimizer.NADAM, "beta1": 0.8, "beta2": 0.95},
]


if INTERPRETED:
    quicken()
