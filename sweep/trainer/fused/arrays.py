"""Allocate a population's memory on the device.

Notation: K slots, T tiles of R hidden units, B examples, D inputs, S steps of an epoch, P blocks of
outputs, C classes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from sweep.trainer.fused.kernels import tables
from sweep.trainer.fused.launches import LaunchShape
from sweep.trainer.fused.layout import SlotPlace
from sweep.trainer.fused.row_weights import RowWeights
from sweep.trainer.fused.table_rows import TableRows
from sweep.trainer.fused.transfers import stack_to_device, to_cpu, to_device


class LayerArrays(NamedTuple):
    """One of the four parameters, of all slots, and its optimizer moments."""

    weight: Tensor
    first: Tensor
    second: Tensor


T = TypeVar("T")

#: Hidden units whose weights are copied at a time: 26 MB of a layer with 784 inputs.
COPIED_ROWS = 8_192


class NewSlot(NamedTuple):
    """A slot's new trial."""

    place: SlotPlace
    rows: TableRows
    weights: RowWeights


class PopulationArrays:
    """Weights, moments, tables and scratch memory of all slots, allocated once per population."""

    def __init__(
        self,
        shape: LaunchShape,
        device: torch.device,
        *,
        n_train: int,
        n_evaluated: int,
        n_classes: int,
        steps_per_epoch: int,
    ) -> None:
        self.shape, self.device = shape, device
        k, t, d = shape.n_slots, shape.n_tiles, shape.n_inputs
        rows = t * shape.config.units

        self.encoder, self.decoder = self._with_moments(rows, d), self._with_moments(rows, d)
        self.encoder_bias, self.decoder_bias = self._with_moments(rows), self._with_moments(k, d)
        self.z = self._zeros(t, shape.batch_size, shape.config.units)
        self.grad_hidden = self._zeros(t, shape.config.units, shape.batch_size)
        #: Reconstructions while measuring.
        self.grad_logits = self._zeros(k, shape.batch_size, d)
        self.losses = self._zeros(steps_per_epoch, k, shape.n_parts)

        self.choice_table = self._zeros(k, int(tables.CHOICE_COLUMNS), dtype=torch.int32)
        self.schedule_table = self._zeros(k, int(tables.SCHEDULE_COLUMNS), dtype=torch.float64)
        self.optimizer_table = self._zeros(k, int(tables.OPTIMIZER_COLUMNS))
        self.step_table = self._zeros(k, int(tables.STEP_COLUMNS))
        #: Steps of each slot's training; the step of the epoch; the batch that is measured.
        self.steps_done, self.position, self.page = (
            self._zeros(k, dtype=torch.int32) for _ in range(3)
        )
        self.order = self._zeros(k, n_train, dtype=torch.int32)
        #: Order of the images when measuring: the same for all slots.
        self.in_line = torch.arange(n_evaluated, dtype=torch.int32, device=device)

        self.active, self.saturated = (self._zeros(rows, dtype=torch.int32) for _ in range(2))
        self.tile_sums = self._zeros(t, int(tables.N_TILE_SUMS), dtype=torch.float64)
        self.sums = self._zeros(k, shape.n_parts, int(tables.N_SUMS), dtype=torch.float64)
        self.class_squares = self._zeros(k, shape.n_parts, n_classes, dtype=torch.float64)
        #: Squared errors along principal directions, and on pixels of two values.
        self.direction_squares = self._zeros(k, d, dtype=torch.float64)
        self.value_squares = self._zeros(
            k, shape.n_parts, int(tables.N_VALUES), dtype=torch.float64
        )
        self.report = self._zeros(k, int(tables.N_REPORT), dtype=torch.float64)

    @property
    def by_name(self) -> dict[str, Tensor]:
        """Return all arrays by the names of kernel parameters."""
        named = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        for name, value in vars(self).items():
            if isinstance(value, LayerArrays):
                named |= {
                    name: value.weight,
                    f"{name}_first": value.first,
                    f"{name}_second": value.second,
                }
        return named

    def write_slots(self, slots: Sequence[NewSlot]) -> None:
        """Write new trials' settings and first weights, and moments of 0.

        One copy per array, or a few if a population is filled: copies go through page-locked
        memory, which stays allocated.
        """
        for some in _in_runs(slots, [slot.place.hidden_width for slot in slots]):
            self._write_slots(some)

    def _write_slots(self, slots: Sequence[NewSlot]) -> None:
        places = [slot.place for slot in slots]
        at, index = self.unit_rows(places), self.index([place.slot for place in places])
        tables = (self.choice_table, self.schedule_table, self.optimizer_table)
        rows_of_tables = zip(*(slot.rows for slot in slots), strict=True)
        for table, rows in zip(tables, rows_of_tables, strict=True):
            values = torch.tensor(rows, dtype=table.dtype)
            table.index_copy_(0, index, to_device(values, self.device))
        self.steps_done.index_fill_(0, index, 0)
        weights = [slot.weights for slot in slots]
        new = (
            (self.encoder, at, [one.encoder for one in weights]),
            (self.decoder, at, [one.decoder for one in weights]),
            (self.encoder_bias, at, [one.encoder_bias for one in weights]),
            (self.decoder_bias, index, [one.decoder_bias[None] for one in weights]),
        )
        for layer, where, parts in new:
            layer.weight.index_copy_(0, where, stack_to_device(parts, self.device))
            layer.first.index_fill_(0, where, 0.0)
            layer.second.index_fill_(0, where, 0.0)

    def read_slots(self, places: Sequence[SlotPlace]) -> list[RowWeights]:
        """Return the present weights of these places, on the CPU after all previous launches."""
        runs = _in_runs(places, [place.hidden_width for place in places])
        return [weights for some in runs for weights in self._read_slots(some)]

    def _read_slots(self, places: Sequence[SlotPlace]) -> list[RowWeights]:
        at = self.unit_rows(places)
        widths = [place.hidden_width for place in places]
        by_unit = (self.encoder, self.encoder_bias, self.decoder)
        encoders, encoder_biases, decoders = (
            torch.split(to_cpu(layer.weight[at]), widths) for layer in by_unit
        )
        slots = self.index([place.slot for place in places])
        decoder_biases = to_cpu(self.decoder_bias.weight[slots])
        parts = zip(encoders, encoder_biases, decoders, decoder_biases, strict=True)
        return [RowWeights(*part) for part in parts]

    def unit_rows(self, places: Sequence[SlotPlace]) -> Tensor:
        """Return the rows of the places' units, one place after another."""
        units = self.shape.config.units
        in_tile = torch.arange(units)
        rows = [
            (torch.tensor(place.tiles)[:, None] * units + in_tile).flatten()[: place.hidden_width]
            for place in places
        ]
        return to_device(torch.cat(rows), self.device)

    def index(self, slots: Sequence[int]) -> Tensor:
        """Copy the numbers of slots to the device."""
        return to_device(torch.tensor(slots), self.device)

    def _zeros(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def _with_moments(self, *shape: int) -> LayerArrays:
        return LayerArrays(*(self._zeros(*shape) for _ in range(3)))


def _in_runs(values: Sequence[T], n_rows: Sequence[int]) -> Iterator[list[T]]:
    """Split into runs of at most COPIED_ROWS rows, or of a single value with more."""
    run: list[T] = []
    total = 0
    for value, n in zip(values, n_rows, strict=True):
        if run and total + n > COPIED_ROWS:
            yield run
            run, total = [], 0
        run.append(value)
        total += n
    if run:
        yield run
