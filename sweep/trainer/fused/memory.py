"""How many slots and rows fit into a device's memory, and what a step moves.

Notation: D inputs, B examples in a batch, N training images, S = N / B steps of an epoch, P blocks
of outputs, C classes. Everything is float32 unless said otherwise.

A row is a hidden unit: two weights and two moments of each, for each of D pixels; inputs and
gradients of the unit for B examples; its bias with moments; two counters:
    row_bytes = 4 (6 D + 2 B + 5)
A slot has the gradient by its outputs (B, D), bias and moments of D outputs, the order of N images
(int32), a loss for each step and block, and sums over images (float64), by class, pixel value and
direction too:
    slot_bytes = 4 (B D + 3 D + N + S P) + 8 P (6 + C) + 8 D
and some hundred bytes of tables, counted as 1024.
"""

import math
from dataclasses import dataclass

#: Share of the free memory that a population uses: the rest is for kernels, graphs and the
#: allocator's blocks.
USED_SHARE = 0.9

_TABLES_BYTES = 1024


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a population's memory depends on, except for its size."""

    #: N
    n_train: int
    #: D
    n_inputs: int
    #: B
    batch_size: int
    n_classes: int = 10
    #: Outputs of a block.
    block_outputs: int = 64

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a hidden unit's row."""
        return 4 * (6 * self.n_inputs + 2 * self.batch_size + 5)

    @property
    def slot_bytes(self) -> int:
        """Return the bytes of a slot without its rows."""
        n_blocks = math.ceil(self.n_inputs / self.block_outputs)
        n_steps = math.ceil(self.n_train / self.batch_size)
        floats = (self.batch_size + 3) * self.n_inputs + self.n_train + n_steps * n_blocks
        sums = n_blocks * (6 + self.n_classes) + self.n_inputs
        return 4 * floats + 8 * sums + _TABLES_BYTES

    def step_bytes(self, hidden_width: int) -> int:
        """Return a lower bound of the memory traffic of a slot's training step.

        Weights and both moments of either layer are read and written once; inputs and gradients of
        the units, the gradient by the outputs and the images pass through memory.
        """
        rows = hidden_width * 4 * (12 * self.n_inputs + 5 * self.batch_size)
        return rows + 4 * 3 * self.batch_size * self.n_inputs


@dataclass(frozen=True, kw_only=True)
class PopulationSize:
    """How much a population holds."""

    slots: int
    rows: int

    def bytes(self, shape: Shape) -> int:
        """Return the bytes of a population."""
        return self.slots * shape.slot_bytes + self.rows * shape.row_bytes


def population_size(
    free_bytes: int, shape: Shape, *, rows_per_slot: int, tile_units: int = 32
) -> PopulationSize:
    """Size the largest population with these mean rows per slot, in USED_SHARE of the memory.

    ``rows_per_slot`` is the mean hidden width of the trials, times their padding to whole tiles:
        slots = floor(USED_SHARE free_bytes / (slot_bytes + rows_per_slot row_bytes))
        rows = slots rows_per_slot, in whole tiles
    If not even one such slot fits, both are 0.
    """
    per_slot = math.ceil(rows_per_slot / tile_units) * tile_units
    slots = int(USED_SHARE * free_bytes) // (shape.slot_bytes + per_slot * shape.row_bytes)
    return PopulationSize(slots=slots, rows=slots * per_slot)
