"""A kernel alone: inputs for one launch, and how far its outputs are from its twin's.

Nothing but torch, Triton and the package is imported, so a machine with a GPU needs no more.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule
from sweep.trainer.fused.arrays import NewSlot
from sweep.trainer.fused.kernel_config import KernelConfig
from sweep.trainer.fused.kernels import tables
from sweep.trainer.fused.launches import Launch, LaunchShape, launch_kernel
from sweep.trainer.fused.layout import Layout, SlotPlace
from sweep.trainer.fused.population import DeviceImages, Population
from sweep.trainer.fused.row_weights import RowWeights
from sweep.trainer.fused.table_rows import rows_of
from sweep.trainer.randomness import initial_weights
from tests.support.kernel_twins import TWINS

#: Those of a measurement; the others are of a training step.
MEASURING = {
    *("measure", "watch_units", "summarise_tiles", "summarise_slots"),
    *("project_errors", "split_errors"),
}

N_CLASSES = 3

#: One trial a slot. An epsilon larger than Adam's own, so that no step is all rounding.
TRIALS = [
    {"activation": Activation.RELU, "optimizer": Optimizer.ADAM, "loss": Loss.BCE},
    {
        "activation": Activation.GELU,
        "optimizer": Optimizer.SGD,
        "momentum": 0.9,
        "nesterov": True,
        "loss": Loss.MSE,
        "lr_schedule": Schedule.COSINE,
    },
    {
        "activation": Activation.TANH,
        "optimizer": Optimizer.RMSPROP,
        "momentum": 0.5,
        "loss": Loss.HUBER,
        "output_activation": Output.LINEAR,
        "lr_schedule": Schedule.LINEAR_WARMUP,
    },
    {
        "activation": Activation.ELU,
        "optimizer": Optimizer.ADAMW,
        "weight_decay": 0.1,
        "loss": Loss.MSE,
    },
    {
        "activation": Activation.SILU,
        "optimizer": Optimizer.ADAGRAD,
        "weight_decay": 0.01,
        "loss": Loss.L1,
    },
    {"activation": Activation.SIGMOID, "optimizer": Optimizer.SGD, "loss": Loss.BCE},
    {"activation": Activation.LEAKY_RELU, "optimizer": Optimizer.ADAM, "loss": Loss.BCE},
    {"activation": Activation.LINEAR, "optimizer": Optimizer.RMSPROP, "loss": Loss.HUBER},
    {"activation": Activation.MISH, "optimizer": Optimizer.NADAM, "loss": Loss.MSE},
]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one launch of a kernel takes."""

    kernel: str
    shape: LaunchShape
    #: By the names of parameters; numbers too.
    arrays: dict[str, Any]

    def copies(self) -> dict[str, Any]:
        """Arrays of the same contents, and nothing shared."""
        return {
            name: value.clone() if isinstance(value, Tensor) else value
            for name, value in self.arrays.items()
        }


def make_case(
    kernel: str,
    device: torch.device,
    *,
    config: KernelConfig,
    batch_size: int,
    n_inputs: int,
    precision: str = "ieee",
    last: bool = False,
    seed: int = 0,
) -> Case:
    """Make a population of trials of all kinds, with made-up numbers, before a launch.

    It is in the middle of an epoch, or at its ``last`` batch, which is not a whole one. The first
    slot and tile are free; some slots have one tile, others two or three, whole or not.
    """
    generator = torch.Generator().manual_seed(seed)
    n_train = 3 * batch_size + batch_size // 2
    pixels = torch.randint(0, 256, (n_train, n_inputs), dtype=torch.uint8, generator=generator)
    widths = [_width(i, config.units) for i in range(len(TRIALS))]
    n_tiles = 1 + sum(-(-width // config.units) for width in widths)
    layout = Layout(n_slots=1 + len(TRIALS), n_tiles=n_tiles, tile_units=config.units)
    population = Population(
        layout,
        pixels.to(device),
        batch_size=batch_size,
        n_evaluated=n_train,
        n_classes=N_CLASSES,
        config=config,
        precision=precision,
    )
    layout.take(1, 1)
    places = _write_trials(population, widths)
    population.assign_training(places)
    population.measuring.assign(places, config.units)
    _fill(population, generator)
    arrays = population.arrays
    arrays.position.fill_(3 if last else 1)
    arrays.page.fill_(3 if last else 1)
    labels = torch.arange(n_train, dtype=torch.int32, device=device) % N_CLASSES
    images = DeviceImages(population.train, labels, N_CLASSES)
    measures = kernel in MEASURING
    arguments = (
        population.measuring_arguments(images, keep=True)
        if measures
        else population.training_arguments(population.chained if kernel == "train_chain" else None)
    )
    if kernel == "project_errors":
        square = torch.randn((n_inputs, n_inputs), generator=generator)
        arguments["directions"] = torch.linalg.qr(square).Q.contiguous().to(device)
    if kernel == "split_errors":  # pixels of the two values are rare in noise
        pixels[:, ::3], pixels[:, 1::3] = 0, 255
        population.train.copy_(pixels)
    if kernel == "begin_step":
        arrays.position.fill_(0)
    if kernel == "train_chain":  # two steps, of which the second may be the last
        arrays.position.fill_(1 if last else 0)
        arguments["chain_steps"] = 2
    return Case(kernel=kernel, shape=population.shape, arrays=arguments)


def differences(case: Case, launch: Launch | None = None) -> dict[str, float]:
    """Run kernel and twin; return how far each array is apart, relative to its largest number.

    Tables of unlike numbers are compared column by column. An array that neither writes differs
    by 0; one that only one of them writes by 1 or more, as a rule.
    """
    got, expected = case.copies(), case.copies()
    launch_kernel(case.kernel, case.shape, got, launch)
    TWINS[case.kernel](expected, case.shape)
    tensors = [name for name, value in got.items() if isinstance(value, Tensor)]
    return {name: _difference(name, got[name], expected[name]) for name in tensors}


def written(case: Case) -> set[str]:
    """Names of the arrays that the twin changes."""
    after = case.copies()
    TWINS[case.kernel](after, case.shape)
    return {
        name
        for name, value in case.arrays.items()
        if isinstance(value, Tensor) and not torch.equal(value, after[name])
    }


_TABLES = {"step_table", "tile_sums", "sums", "report"}


def _difference(name: str, got: Tensor, expected: Tensor) -> float:
    if name not in _TABLES:
        return _relative(got, expected)
    columns = zip(got.unbind(dim=-1), expected.unbind(dim=-1), strict=True)
    return max(_relative(one, other) for one, other in columns)


def _relative(got: Tensor, expected: Tensor) -> float:
    got, expected = got.double(), expected.double()
    if torch.equal(got, expected):
        return 0.0
    if not torch.equal(got.isfinite(), expected.isfinite()):
        return float("inf")
    got, expected = (values[values.isfinite()] for values in (got, expected))
    return float((got - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


def _width(i: int, units: int) -> int:
    """One tile whole, one not, two, and three of which the last is not whole."""
    return (units, units - 5, 2 * units, 2 * units + 3)[i % 4]


def _write_trials(population: Population, widths: list[int]) -> list[SlotPlace]:
    slots, places = [], []
    for i, (choice, width) in enumerate(zip(TRIALS, widths, strict=True)):
        config = replace(
            TrialConfig(eps=1e-3, huber_delta=0.1, epochs=3, warmup_epochs=2, learning_rate=0.01),
            hidden_width=width,
            batch_size=population.shape.batch_size,
            **choice,  # type: ignore[arg-type]
        )
        taken = population.layout.take(width, 1)
        assert taken is not None
        places.extend(taken)
        rows = rows_of(config, population.steps_per_epoch)
        weights = initial_weights(config, population.shape.n_inputs, i)
        slots.append(NewSlot(taken[0], rows, RowWeights.of(weights)))
    population.arrays.write_slots(slots)
    return places


def _fill(population: Population, generator: torch.Generator) -> None:
    """Fill moments, scratch, counts and sums as if a training were under way."""
    arrays = population.arrays

    def normal(tensor: Tensor, scale: float) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale)

    def counts(tensor: Tensor, most: int) -> None:
        tensor.copy_(torch.randint(0, most, tensor.shape, generator=generator))

    layers = (arrays.encoder, arrays.encoder_bias, arrays.decoder, arrays.decoder_bias)
    for layer in layers:
        normal(layer.first, 1e-3)
        normal(layer.second, 1e-3)
        layer.second.square_()
    normal(arrays.encoder_bias.weight, 0.1)
    normal(arrays.decoder_bias.weight, 3.0)  # some outputs are saturated
    normal(arrays.z, 1.5)
    normal(arrays.grad_hidden, 1e-2)
    normal(arrays.grad_logits, 1e-2)
    normal(arrays.losses, 1.0)
    arrays.losses.square_()
    counts(arrays.active, 3)
    counts(arrays.saturated, 3)
    counts(arrays.tile_sums, 100)
    counts(arrays.sums, 100)
    counts(arrays.class_squares, 100)
    counts(arrays.direction_squares, 100)
    counts(arrays.value_squares, 100)
    arrays.steps_done.fill_(4)
    n_slots, n_train = arrays.order.shape
    for slot in range(n_slots):
        order = torch.randperm(n_train, generator=generator)
        arrays.order[slot].copy_(order)
    _fill_rates(arrays.step_table, arrays.schedule_table)


def _fill_rates(step_table: Tensor, schedule_table: Tensor) -> None:
    """Rates as after some steps; those of begin_step are compared by its own case."""
    rate = schedule_table[:, int(tables.LEARNING_RATE.value)].float()
    step_table[:, int(tables.RATE.value)] = rate
    step_table[:, int(tables.STEP_SIZE.value)] = 2 * rate
    step_table[:, int(tables.ROOT_CORRECTION.value)] = 0.5
    step_table[:, int(tables.KEPT.value)] = 0.99
