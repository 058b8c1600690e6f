"""A population's memory on the device, and the launches that train and measure it.

Notation: K slots, T tiles of R hidden units, B examples, D inputs, S steps of an epoch, P blocks of
outputs, C classes. Which slot does what is decided elsewhere; here is only what all of them share.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sweep.trainer.fused import kernels
from sweep.trainer.fused.kernels import codes
from sweep.trainer.fused.layout import Layout, Place
from sweep.trainer.fused.settings import Rows
from sweep.trainer.initialisation import Weights

#: (kernel, grid, arguments …): makes a launch, or what else is to be done with one.
Launch = Callable[..., object]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Sizes of what one program holds: powers of 2, 16 at least. Another size, another rounding."""

    #: R
    units: int = 32
    examples: int = 128
    #: Inputs or outputs of a program of decode, and taken at a time in both updates.
    outputs: int = 64
    #: Inputs or outputs taken at a time in encode and hidden_gradient.
    inputs: int = 32
    #: Examples in decode and measure whose outputs registers hold; two such blocks are one step.
    decoded: int = 64
    #: Examples taken at a time of joined slots.
    joined: int = 32
    #: The largest batch that both updates take whole; they do more than to update then.
    whole: int = 128
    #: Examples of a larger one that they take at a time.
    summed: int = 32
    #: Steps of their innermost loop whose loads are under way at a time: with a whole batch, where
    #: it goes over inputs or outputs, and with a larger one, where it goes over examples.
    whole_stages: int = 2
    summed_stages: int = 4
    #: Warps of a program in decode, measure and both updates: with 4 they need too many registers.
    warps: int = 8
    #: Registers of a thread there, so that two programs share a multiprocessor.
    registers: int = 128
    #: The same for joined slots, so that three programs do.
    joined_warps: int = 4
    joined_stages: int = 2
    joined_registers: int = 168
    #: Of a thread in hidden_gradient, which has 4 warps, so that three do.
    hidden_registers: int = 168

    def examples_for(self, batch_size: int) -> int:
        """Examples of a block, no larger than the batch needs."""
        return max(16, min(self.examples, _power_of_2(batch_size)))

    def decoded_for(self, batch_size: int) -> int:
        return max(16, min(self.decoded, self.examples_for(batch_size) // 2))

    def joined_for(self, batch_size: int) -> int:
        return min(self.joined, self.examples_for(batch_size))

    def takes_whole(self, batch_size: int) -> bool:
        """Whether both updates have a batch in one block, and do more than to update."""
        return batch_size <= self.whole

    def summed_for(self, batch_size: int) -> int:
        """Examples that both updates take at a time."""
        return max(16, _power_of_2(batch_size)) if self.takes_whole(batch_size) else self.summed

    def stages_for(self, batch_size: int) -> int:
        return self.whole_stages if self.takes_whole(batch_size) else self.summed_stages


#: Precisions of products, and the blocks for each: exact ones keep their factors in registers,
#: which hold no whole batch.
PRECISIONS = {
    "tf32": Blocks(),
    "ieee": Blocks(whole=0, decoded=32, registers=255, joined_registers=255),
}


class Images(NamedTuple):
    """Images to measure."""

    #: (n, D) uint8
    pixels: Tensor
    #: (n,) int32 counted from 0, and how many there are; 0 measures without classes.
    labels: Tensor
    n_classes: int


class Measured(NamedTuple):
    """What was measured, left on the device."""

    #: (K, N_REPORT) float64
    report: Tensor
    #: (K, P, C) float64, sums of squared errors by class.
    class_squares: Tensor


class Work:
    """Which slots a launch works on; the arrays stay where they are, so that a graph sees changes.

    Wide slots come first, so that the last programs to finish are short ones.
    """

    def __init__(self, n_slots: int, n_tiles: int, device: torch.device) -> None:
        def empty(n: int) -> Tensor:
            return torch.full((n,), -1, dtype=torch.int32, device=device)

        self.tile_list, self.tile_slot, self.tile_units = (empty(n_tiles) for _ in range(3))
        self.slot_list, self.first = empty(n_slots), empty(n_slots)
        self.count = torch.zeros_like(self.first)

    @property
    def tiles(self) -> tuple[Tensor, Tensor, Tensor]:
        """What a program of a tile reads: which, whose, and how many of its units are in use."""
        return self.tile_list, self.tile_slot, self.tile_units

    @property
    def slots(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What a program of a slot reads: which, and where its tiles are."""
        return self.slot_list, self.tile_list, self.first, self.count, self.tile_units

    def assign(self, places: Sequence[Place], tile_units: int) -> None:
        """From the next launch on, work on these places."""
        tiles, slots = [-1] * len(self.tile_list), [-1] * len(self.slot_list)
        owner, units = list(tiles), list(tiles)
        first, count, n = [0] * len(slots), [0] * len(slots), 0
        widest_first = sorted(places, key=lambda place: (-place.hidden_width, place.slot))
        for i, place in enumerate(widest_first):
            slots[i], first[place.slot], count[place.slot] = place.slot, n, len(place.tiles)
            for j, tile in enumerate(place.tiles):
                tiles[n], owner[tile] = tile, place.slot
                units[tile] = min(tile_units, place.hidden_width - j * tile_units)
                n += 1
        for tensor, values in (
            (self.tile_list, tiles),
            (self.tile_slot, owner),
            (self.tile_units, units),
            (self.slot_list, slots),
            (self.first, first),
            (self.count, count),
        ):
            tensor.copy_(on_device(torch.tensor(values, dtype=torch.int32), tensor.device))


class Population:
    """Weights, moments, settings and scratch of all slots, and the kernels over them."""

    def __init__(
        self,
        layout: Layout,
        train: Tensor,  # (N, D) uint8
        *,
        batch_size: int,
        n_evaluated: int,
        n_classes: int,
        blocks: Blocks,
        precision: str,
        launch: Launch | None = None,
    ) -> None:
        self.layout, self.train, self.device = layout, train, train.device
        self.blocks, self.precision = blocks, precision
        self._launch = launch or _run
        n, d = train.shape
        self.batch_size, self.n_inputs = batch_size, d
        self.steps_per_epoch = math.ceil(n / batch_size)
        self.n_parts = math.ceil(d / blocks.outputs)
        #: A slot of so many tiles is joined, where its parts fit into the gradient by the outputs.
        self.joined_tiles = int(self.n_parts * blocks.units <= d)
        self.whole_batches = blocks.takes_whole(batch_size)
        k, t = layout.n_slots, layout.n_tiles
        rows = t * blocks.units

        self.encoder, self.decoder = self._with_moments(rows, d), self._with_moments(rows, d)
        self.encoder_bias, self.decoder_bias = self._with_moments(rows), self._with_moments(k, d)
        self.z = self._zeros(t, batch_size, blocks.units)
        self.hidden = self._zeros(t, blocks.units, batch_size)
        #: The gradient by the outputs while training, reconstructions while measuring.
        self.outputs = self._zeros(k, batch_size, d)
        self.losses = self._zeros(self.steps_per_epoch, k, self.n_parts)

        self.codes = self._zeros(k, int(codes.N_CODES), dtype=torch.int32)
        self.settings = self._zeros(k, int(codes.N_SETTINGS), dtype=torch.float64)
        self.numbers = self._zeros(k, int(codes.N_NUMBERS))
        self.rates = self._zeros(k, int(codes.N_RATES))
        self.steps_done, self.position, self.page = (
            self._zeros(k, dtype=torch.int32) for _ in range(3)
        )
        self.order = self._zeros(k, n, dtype=torch.int32)
        #: The order of images that are only measured: one for all slots.
        self.in_line = torch.arange(n_evaluated, dtype=torch.int32, device=self.device)

        self.active, self.saturated = (self._zeros(rows, dtype=torch.int32) for _ in range(2))
        self.tile_sums = self._zeros(t, int(codes.N_TILE_SUMS), dtype=torch.float64)
        self.sums = self._zeros(k, self.n_parts, int(codes.N_SUMS), dtype=torch.float64)
        self.class_squares = self._zeros(k, self.n_parts, n_classes, dtype=torch.float64)
        self.report = self._zeros(k, int(codes.N_REPORT), dtype=torch.float64)
        self.training, self.measuring = (Work(k, t, self.device) for _ in range(2))

    # Slots

    def write_slot(self, place: Place, rows: Rows, weights: Weights) -> None:
        """A new trial's settings and first weights, and moments of 0."""
        at, slot = self._rows(place), place.slot
        for table, values in zip((self.codes, self.settings, self.numbers), rows, strict=True):
            table[slot].copy_(on_device(torch.tensor(values, dtype=table.dtype), self.device))
        self.steps_done[slot] = 0
        new = (
            (self.encoder, at, weights.encoder_weight),
            (self.decoder, at, weights.decoder_weight.T),
            (self.encoder_bias, at, weights.encoder_bias),
            (self.decoder_bias, self._index([slot]), weights.decoder_bias[None]),
        )
        for layer, index, values in new:
            layer.weight.index_copy_(0, index, on_device(values, self.device))
            layer.first.index_fill_(0, index, 0.0)
            layer.second.index_fill_(0, index, 0.0)

    def write_order(self, slot: int, order: Tensor) -> None:
        """In which order a slot visits the images in the epoch to come, (N,) int32."""
        self.order[slot].copy_(order, non_blocking=True)

    def start_epoch(self) -> None:
        """Before the first step of one."""
        self.position.zero_()
        if self.whole_batches:
            self._encode(self.training, self.train, self.order, self.position)
        self.position.sub_(1)

    def read_slot(self, place: Place) -> Weights:
        """A slot's present weights, on the CPU."""
        return Weights(*(weight.cpu() for weight in self.copy_slot(place)))

    def copy_slot(self, place: Place) -> Weights:
        """A slot's present weights, copied on the device."""
        at = self._rows(place)
        return Weights(
            encoder_weight=self.encoder.weight[at],
            encoder_bias=self.encoder_bias.weight[at],
            decoder_weight=self.decoder.weight[at].T.contiguous(),
            decoder_bias=self.decoder_bias.weight[place.slot].clone(),
        )

    def _rows(self, place: Place) -> Tensor:
        """The rows of a place's units, (hidden width,)."""
        tiles = torch.tensor(place.tiles)[:, None] * self.blocks.units
        rows = (tiles + torch.arange(self.blocks.units)).flatten()
        return on_device(rows[: place.hidden_width], self.device)

    def _index(self, slots: Sequence[int]) -> Tensor:
        return on_device(torch.tensor(slots), self.device)

    # Launches

    def train_step(self) -> None:
        """One step of every slot that trains."""
        self._begin_step()
        if not self.whole_batches:
            self._encode(self.training, self.train, self.order, self.position)
        self._decode()
        if not self.whole_batches:
            self._hidden_gradient()
        self._update_decoder()
        self._update_encoder()

    def measure_step(self, images: Images, *, watch: bool = False, keep: bool = False) -> None:
        """Add one batch of images, in line, to the sums of every slot that is measured."""
        self.page.add_(1)
        self._encode(self.measuring, images.pixels, self.in_line, self.page)
        if watch:
            self._watch_units(len(images.pixels))
        self._measure(images, keep)

    def measure(self, images: Images, step: Callable[[], None], *, summarise: bool) -> Measured:
        """All of the images, by a step for each batch; with the weights' own numbers too."""
        for tensor in (self.page, self.sums, self.class_squares, self.active, self.saturated):
            tensor.zero_()
        self.page.sub_(1)
        for _ in range(math.ceil(len(images.pixels) / self.batch_size)):
            step()
        if summarise:
            self._summarise_tiles()
        self._summarise_slots()
        return Measured(self.report.clone(), self.class_squares.clone())

    def reconstruct(self, images: Images, slots: Sequence[int]) -> Tensor:
        """Images as slots that are measured give them back, (slots, n, D)."""
        self.page.fill_(-1)
        parts = []
        for _ in range(math.ceil(len(images.pixels) / self.batch_size)):
            self.measure_step(images, keep=True)
            parts.append(self.outputs[self._index(slots)])
        return torch.cat(parts, dim=1)[:, : len(images.pixels)]

    def _begin_step(self) -> None:
        block = 128
        self._launch(
            kernels.begin_step,
            (math.ceil(self.layout.n_slots / block),),
            self.training.count,
            self.codes,
            self.settings,
            self.steps_done,
            self.position,
            self.rates,
            self.layout.n_slots,
            BLOCK_K=block,
        )

    def _encode(self, work: Work, images: Tensor, order: Tensor, position: Tensor) -> None:
        n_blocks = math.ceil(self.batch_size / self.blocks.examples_for(self.batch_size))
        self._launch(
            kernels.encode,
            (self.layout.n_tiles, n_blocks),
            *work.tiles,
            images,
            order,
            order.stride(0) if order.ndim == 2 else 0,
            len(images),
            position,
            self.encoder.weight,
            self.encoder_bias.weight,
            self.z,
            **self._sizes(self.blocks.inputs),
        )

    def _decode(self) -> None:
        self._decode_slots(kernels.decode, self.decoder[:1], self._decode_sizes())
        if self.joined_tiles:
            sizes = {
                "BLOCK_B": self.blocks.joined_for(self.batch_size),
                "num_warps": self.blocks.joined_warps,
                "num_stages": self.blocks.joined_stages,
                "maxnreg": self.blocks.joined_registers,
            }
            self._decode_slots(kernels.decode_joined, self.decoder, self._decode_sizes() | sizes)

    def _decode_slots(
        self, kernel: Any, weights: Sequence[Tensor], sizes: dict[str, object]
    ) -> None:
        """Either kernel of decode: ``weights`` with their moments where it takes W2's step."""
        self._launch(
            kernel,
            (self.n_parts, self.layout.n_slots),
            *self.training.slots,
            self.codes,
            self.rates,
            self.numbers,
            self.train,
            self.order,
            self.order.stride(0),
            len(self.train),
            self.position,
            *weights,
            *self.decoder_bias,
            self.z,
            self.outputs,
            self.losses,
            self.layout.n_slots,
            JOINED_TILES=self.joined_tiles,
            **sizes,
        )

    def _hidden_gradient(self) -> None:
        self._launch(
            kernels.hidden_gradient,
            (self.layout.n_tiles,),
            *self.training.tiles,
            self.training.count,
            self.codes,
            self.rates,
            self.numbers,
            len(self.train),
            self.position,
            self.decoder.weight,
            *self.encoder_bias,
            self.z,
            self.outputs,
            self.hidden,
            PARTS=self.n_parts,
            JOINED_TILES=self.joined_tiles,
            maxnreg=self.blocks.hidden_registers,
            **self._sizes(self.blocks.inputs),
        )

    def _update_encoder(self) -> None:
        self._launch(
            kernels.update_encoder,
            (self.layout.n_tiles,),
            *self.training.tiles,
            self.codes,
            self.rates,
            self.numbers,
            self.train,
            self.order,
            self.order.stride(0),
            len(self.train),
            self.position,
            *self.encoder,
            self.encoder_bias.weight,
            self.hidden,
            self.z,
            **self._update_sizes(),
        )

    def _update_decoder(self) -> None:
        self._launch(
            kernels.update_decoder,
            (self.layout.n_tiles,),
            *self.training.tiles,
            self.training.count,
            self.codes,
            self.rates,
            self.numbers,
            len(self.train),
            self.position,
            *self.decoder,
            *self.encoder_bias,
            self.z,
            self.outputs,
            self.hidden,
            PARTS=self.n_parts,
            JOINED_TILES=self.joined_tiles,
            **self._update_sizes(),
        )

    def _watch_units(self, n_images: int) -> None:
        self._launch(
            kernels.watch_units,
            (self.layout.n_tiles,),
            self.measuring.tile_list,
            self.measuring.tile_slot,
            self.numbers,
            n_images,
            self.page,
            self.z,
            self.active,
            self.saturated,
            B=self.batch_size,
            BLOCK_R=self.blocks.units,
            BLOCK_B=self.blocks.examples_for(self.batch_size),
        )

    def _measure(self, images: Images, keep: bool) -> None:
        self._launch(
            kernels.measure,
            (self.n_parts, self.layout.n_slots),
            *self.measuring.slots,
            self.codes,
            images.pixels,
            len(images.pixels),
            images.labels,
            images.n_classes,
            self.page,
            self.decoder.weight,
            self.decoder_bias.weight,
            self.z,
            self.sums,
            self.class_squares,
            self.outputs,
            int(keep),
            **self._decode_sizes(),
        )

    def _summarise_tiles(self) -> None:
        self._launch(
            kernels.summarise_tiles,
            (self.layout.n_tiles,),
            *self.measuring.tiles,
            self.codes,
            self.encoder.weight,
            self.encoder_bias.weight,
            self.decoder.weight,
            self.active,
            self.saturated,
            self.tile_sums,
            D=self.n_inputs,
            BLOCK_R=self.blocks.units,
            BLOCK_D=self.blocks.outputs,
        )

    def _summarise_slots(self) -> None:
        self._launch(
            kernels.summarise_slots,
            (self.layout.n_slots,),
            self.measuring.slot_list,
            self.measuring.tile_list,
            self.measuring.first,
            self.measuring.count,
            self.decoder_bias.weight,
            self.tile_sums,
            self.losses,
            self.steps_per_epoch,
            self.n_parts,
            len(self.train),
            self.sums,
            self.report,
            self.layout.n_slots,
            D=self.n_inputs,
            BLOCK_D=self.blocks.outputs,
            PARTS=_power_of_2(self.n_parts),
        )

    def _decode_sizes(self) -> dict[str, object]:
        return self._sizes(self.blocks.outputs) | {
            "BLOCK_B": self.blocks.decoded_for(self.batch_size),
            "num_warps": self.blocks.warps,
            "maxnreg": self.blocks.registers,
        }

    def _update_sizes(self) -> dict[str, object]:
        return self._sizes(self.blocks.outputs) | {
            "BLOCK_B": self.blocks.summed_for(self.batch_size),
            "num_warps": self.blocks.warps,
            "num_stages": self.blocks.stages_for(self.batch_size),
            "WHOLE": self.whole_batches,
            "maxnreg": self.blocks.registers,
        }

    def _sizes(self, block_inputs: int) -> dict[str, object]:
        return {
            "B": self.batch_size,
            "D": self.n_inputs,
            "BLOCK_R": self.blocks.units,
            "BLOCK_B": self.blocks.examples_for(self.batch_size),
            "BLOCK_D": block_inputs,
            "PRECISION": self.precision,
        }

    def _zeros(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def _with_moments(self, *shape: int) -> "Layer":
        return Layer(*(self._zeros(*shape) for _ in range(3)))


class Layer(NamedTuple):
    """One of the four parameters, of all slots, and what the optimizers remember of it."""

    weight: Tensor
    first: Tensor
    second: Tensor


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """CPU values on the device; a GPU's own work is not waited for, which pageable memory would."""
    if device.type == "cuda":
        return values.contiguous().pin_memory().to(device, non_blocking=True)
    return values


def _run(kernel: Any, grid: tuple[int, ...], *args: object, **sizes: object) -> object:
    return kernel[grid](*args, **sizes)


def _power_of_2(n: int) -> int:
    """The next one that is not smaller."""
    return 1 << (n - 1).bit_length()
