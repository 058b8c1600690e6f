"""A small population's training and measurement by compiled kernels, beside autograd's.

Two slots: one of one tile, which has its own kernel, and one of two; neither fills its tiles.
An epoch is two batches, the second of them half as large.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Schedule
from sweep.trainer.fused.arrays import NewSlot
from sweep.trainer.fused.kernel_config import PRECISIONS
from sweep.trainer.fused.kernels import tables
from sweep.trainer.fused.launches import Launch
from sweep.trainer.fused.layout import Layout, SlotPlace
from sweep.trainer.fused.population import DeviceImages, Population
from sweep.trainer.fused.row_weights import RowWeights
from sweep.trainer.fused.table_rows import rows_of
from sweep.trainer.initialisation import Weights
from tests.ptx.emulator import Emulator
from tests.support.fused_factories import largest_difference

#: A larger eps than Adam's own, with which steps along gradients of about 0 are all rounding.
ONE_TILE = TrialConfig(
    hidden_width=20, epochs=1, batch_size=1, learning_rate=0.01, loss=Loss.BCE, eps=1e-3
)
TWO_TILES = replace(
    ONE_TILE,
    hidden_width=40,
    activation=Activation.GELU,
    loss=Loss.MSE,
    lr_schedule=Schedule.COSINE,
)

#: What differs, and how far, relative to the largest of autograd's numbers.
Differences = Iterator[tuple[str, float]]


def make_population(
    launch: Launch, pixels: Tensor, *, batch_size: int, n_tiles: int, n_slots: int
) -> Population:
    """Of real block sizes."""
    config = PRECISIONS["tf32"]
    return Population(
        Layout(n_slots=n_slots, n_tiles=n_tiles, tile_units=config.units),
        pixels,
        batch_size=batch_size,
        n_evaluated=len(pixels),
        n_classes=1,
        config=config,
        precision="tf32",
        launch=launch,
    )


def make_weights(hidden_width: int, n_inputs: int) -> Weights:
    return Weights(
        encoder_weight=torch.randn(hidden_width, n_inputs) / n_inputs**0.5,
        encoder_bias=torch.randn(hidden_width) / 10,
        decoder_weight=torch.randn(n_inputs, hidden_width) / hidden_width**0.5,
        decoder_bias=torch.randn(n_inputs) / 10,
    )


@dataclass(kw_only=True)
class Twin:
    """A slot's trial, trained with autograd in float64 as well."""

    config: TrialConfig
    place: SlotPlace
    order: Tensor
    parameters: list[Tensor]
    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler

    @classmethod
    def start(cls, population: Population, config: TrialConfig) -> "Twin":
        """In the next free place."""
        places = population.layout.take(config.hidden_width, 1)
        assert places is not None
        weights = make_weights(config.hidden_width, population.shape.n_inputs)
        order = torch.randperm(len(population.train), dtype=torch.int32)
        n_steps = population.steps_per_epoch
        rows = rows_of(config, n_steps)
        population.arrays.write_slots([NewSlot(places[0], rows, RowWeights.of(weights))])
        population.arrays.order[places[0].slot].copy_(order)
        parameters = [weight.double().requires_grad_() for weight in weights]
        optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, eps=config.eps)
        cosine = config.lr_schedule is Schedule.COSINE
        return cls(
            config=config,
            place=places[0],
            order=order.long(),
            parameters=parameters,
            optimizer=optimizer,
            scheduler=CosineAnnealingLR(optimizer, n_steps) if cosine else ConstantLR(optimizer, 1),
        )

    def batch(self, population: Population, step: int) -> Tensor:
        size = population.shape.batch_size
        chosen = self.order[step * size : (step + 1) * size]
        return population.train[chosen].double() / 255.0

    def logits(self, x: Tensor) -> Tensor:
        encoder, encoder_bias, decoder, decoder_bias = self.parameters
        z = x @ encoder.T + encoder_bias
        h = F.gelu(z) if self.config.activation is Activation.GELU else F.relu(z)
        return h @ decoder.T + decoder_bias

    def step(self, x: Tensor) -> float:
        """The loss before it."""
        o = self.logits(x)
        bce = self.config.loss is Loss.BCE
        loss = F.binary_cross_entropy_with_logits(o, x) if bce else F.mse_loss(o.sigmoid(), x)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.scheduler.step()
        return float(loss.detach())


def check_training(n_inputs: int, batch_size: int, *, cuts: bool) -> Differences:
    """Of an epoch, and of measuring the images that it trained on.

    With factors cut to tf32 of the first step: those after it begin with other weights.
    """
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (batch_size * 3 // 2, n_inputs), dtype=torch.uint8)
    launch = Emulator(cuts=cuts).launch
    population = make_population(launch, pixels, batch_size=batch_size, n_tiles=4, n_slots=3)
    forget(population)
    # The first place stays free, so that whatever goes beyond the last one is outside of a tensor.
    population.layout.take(1, 1)
    configs = [replace(config, batch_size=batch_size) for config in (ONE_TILE, TWO_TILES)]
    twins = [Twin.start(population, config) for config in configs]
    population.assign_training([twin.place for twin in twins])
    population.measuring.assign([twin.place for twin in twins], population.shape.config.units)
    population.start_epoch()
    for step in range(1 if cuts else population.steps_per_epoch):
        population.train_step()
        for twin in twins:
            yield from of_step(population, twin, step)
    if cuts:
        return
    images = DeviceImages(pixels, torch.zeros(len(pixels), dtype=torch.int32), 1)
    measured = population.measure(images, lambda: population.measure_step(images), summarise=False)
    for twin in twins:
        yield from of_measurement(measured.report, pixels, twin)


def forget(population: Population) -> None:
    """What nobody has written yet is NaN, as it may be after a trial that diverged."""
    arrays = population.arrays
    encoder = (*arrays.encoder, *arrays.encoder_bias)
    decoder = (*arrays.decoder, *arrays.decoder_bias)
    scratch = (arrays.z, arrays.grad_hidden, arrays.grad_logits)
    for tensor in (*encoder, *decoder, *scratch):
        tensor.fill_(torch.nan)


def of_step(population: Population, twin: Twin, step: int) -> Differences:
    """After the population's step; the twin takes it here."""
    x = twin.batch(population, step)
    (rows,) = population.arrays.read_slots([twin.place])
    weights = rows.as_weights()
    seen = float(population.arrays.losses[step, twin.place.slot].sum()) / x.numel()
    yield "loss", abs(seen / twin.step(x) - 1)
    for weight, expected in zip(weights, twin.parameters, strict=True):
        yield "weights", largest_difference(weight, expected.detach())
    firsts = first_moments(population, twin.place)
    for first, parameter in zip(firsts, twin.parameters, strict=True):
        yield "gradients", largest_difference(first, twin.optimizer.state[parameter]["exp_avg"])
    following = twin.batch(population, step + 1)
    if population.shape.single_block and len(following):
        z = following.float() @ weights.encoder_weight.T + weights.encoder_bias
        yield "next inputs", largest_difference(inputs_of(population, twin, following), z)


def of_measurement(report: Tensor, pixels: Tensor, twin: Twin) -> Differences:
    x = pixels.double() / 255.0
    squares = float((twin.logits(x).sigmoid() - x).square().sum().detach())
    yield "measured", abs(float(report[twin.place.slot, int(tables.REPORT_SQUARES)]) / squares - 1)


def first_moments(population: Population, place: SlotPlace) -> list[Tensor]:
    """Adam's; after the first step these are the gradients times 1 - beta1."""
    arrays = population.arrays
    at = arrays.unit_rows([place])
    return [
        arrays.encoder.first[at],
        arrays.encoder_bias.first[at],
        arrays.decoder.first[at].T,
        arrays.decoder_bias.first[place.slot],
    ]


def inputs_of(population: Population, twin: Twin, batch: Tensor) -> Tensor:
    """Z of a batch as the population has it, (examples, units)."""
    tiles = population.arrays.z[list(twin.place.tiles)]
    inputs = tiles.permute(1, 0, 2).reshape(population.shape.batch_size, -1)
    return inputs[: len(batch), : twin.config.hidden_width]
