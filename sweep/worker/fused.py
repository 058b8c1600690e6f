"""Run a worker with the fused trainer: create its populations and choose their sizes."""

from dataclasses import replace
from functools import partial

import numpy as np
import psutil
import torch

from sweep.errors import DeviceError, FusedUnavailableError
from sweep.messages import Capacity, WorkerSetup, WorkloadEstimate
from sweep.trainer.data import DeviceData
from sweep.trainer.fused import (
    FusedTrainer,
    KernelConfig,
    Launched,
    PopulationSize,
    Shape,
    check_images,
    check_kernels,
    compiler_versions,
    population_size,
)
from sweep.worker.populations import Populations
from sweep.worker.stats import device_memory

#: More slots bring no more trials a second (unmeasured beyond 512 slots and 50,000 rows), and let
#: samplers and pruners learn later. So many rows are 2,112 tiles: an update runs one program per
#: tile, two at a time on each of an H100's 132 multiprocessors, eight times over.
MAX_SLOTS = 512
MAX_ROWS = 67_584
#: In Triton's interpreter, where a slot costs milliseconds per step.
MAX_SLOTS_INTERPRETED = 4
#: Maximum number of populations at the same time, each of another batch size.
MAX_POPULATIONS = 4


class FusedWorker:
    """A worker's populations, on a device whose kernels passed the self-check."""

    def __init__(self, data: DeviceData, setup: WorkerSetup, device: torch.device) -> None:
        """Check the data and the kernels, and size the populations.

        Raises FusedUnavailableError if the kernels do not run, compute wrong numbers or cannot
        count the data's pixels, DeviceError if not even one trial fits into the memory.
        """
        assert setup.expected is not None
        _require_countable(data)
        self._data, self._setup, self._device = data, setup, device
        self._checked: set[int] = set()
        self._shape = Shape(
            n_train=len(data.train),
            n_inputs=data.n_inputs,
            batch_size=min(setup.expected.max_batch_size, len(data.train)),
            n_classes=0 if data.test_labels is None else len(np.unique(data.test_labels)),
        )
        self._check(self._shape.batch_size)
        free = free_bytes(device) // setup.n_workers_on_device
        self.capacity = capacity_for(
            self._shape, setup.expected, free, max_slots=_max_slots(setup, device)
        )
        self.triton_version, self.ptxas_version = compiler_versions(device)

    def populations(self) -> "Populations[Launched]":
        """Return the trainer of a session."""
        assert self._setup.expected is not None
        return Populations(
            self._make,
            capacity=self.capacity,
            halve=partial(halve, self._shape, self._setup.expected),
            expected=self._setup.expected,
            device=self._device,
        )

    def _make(self, batch_size: int, capacity: Capacity) -> FusedTrainer:
        assert capacity.slots is not None
        self._check(min(batch_size, len(self._data.train)))
        return FusedTrainer(
            self._data,
            self._device,
            batch_size=batch_size,
            rows=capacity.hidden_units,
            slots=capacity.slots,
        )

    def _check(self, batch_size: int) -> None:
        """Check the kernels of a batch size, once."""
        if is_checked(self._device) and batch_size not in self._checked:
            check_kernels(self._data, self._device, batch_size=batch_size)
            self._checked.add(batch_size)


def _require_countable(data: DeviceData) -> None:
    try:
        check_images(data)
    except ValueError as error:  # else every trial would fail because of it
        raise FusedUnavailableError(str(error).removesuffix(".")) from error


def is_checked(device: torch.device) -> bool:
    """Return whether kernels need the self-check; Triton's interpreter does not."""
    return device.type == "cuda"


def free_bytes(device: torch.device) -> int:
    """Return the free memory."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    memory = device_memory(device)
    return memory.total - memory.used


def capacity_for(
    shape: Shape, expected: WorkloadEstimate, free: int, *, max_slots: int
) -> Capacity:
    """Compute what each population may hold: by memory, by MAX_ROWS and ``max_slots``.

    It holds at least the widest trial with all its seeds. Raises DeviceError if that does not fit
    into the memory.
    """
    share = free // min(expected.n_batch_sizes, MAX_POPULATIONS)
    units = KernelConfig().units
    fits = population_size(share, shape, rows_per_slot=_rows_per_slot(expected), tile_units=units)
    least = _least(expected, units)
    per_slot = fits.rows // fits.slots if fits.slots else units
    slots = max(least.slots, min(fits.slots, max_slots, MAX_ROWS // per_slot))
    size = PopulationSize(slots=slots, rows=max(least.rows, slots * per_slot))
    if (needed := least.bytes(shape)) > share:
        raise DeviceError(
            f"{share / 1e9:.2f} GB of memory are free for a population; one trial of "
            f"{expected.max_hidden_width} hidden units needs {needed / 1e9:.2f} GB. `--trainer "
            "reference` needs less."
        )
    return Capacity(
        slots=size.slots,
        hidden_units=size.rows,
        tile_units=units,
        bytes=size.bytes(shape),
        n_populations=min(expected.n_batch_sizes, MAX_POPULATIONS),
        n_seeds=expected.n_seeds,
    )


def _rows_per_slot(expected: WorkloadEstimate) -> int:
    """Return the mean width; less if widths differ, so that narrow trials fill all rows."""
    mean = expected.mean_hidden_width
    return mean if mean >= expected.max_hidden_width else max(1, mean * 4 // 5)


def halve(shape: Shape, expected: WorkloadEstimate, capacity: Capacity) -> Capacity | None:
    """Return half the capacity, then half as many populations; None if it is minimal."""
    assert capacity.slots is not None
    least, units = _least(expected, capacity.tile_units), capacity.tile_units
    slots = max(least.slots, capacity.slots // 2)
    rows = max(least.rows, capacity.hidden_units // 2 // units * units)
    if (slots, rows) == (capacity.slots, capacity.hidden_units):
        n = capacity.n_populations // 2
        return replace(capacity, n_populations=n) if n else None
    size = PopulationSize(slots=slots, rows=rows)
    return replace(capacity, slots=slots, hidden_units=rows, bytes=size.bytes(shape))


def _least(expected: WorkloadEstimate, units: int) -> PopulationSize:
    """Compute what the widest trial takes."""
    rows = -(-expected.max_hidden_width // units) * units
    return PopulationSize(slots=expected.n_seeds, rows=expected.n_seeds * rows)


def _max_slots(setup: WorkerSetup, device: torch.device) -> int:
    if setup.max_slots is not None:
        return setup.max_slots
    return MAX_SLOTS if device.type == "cuda" else MAX_SLOTS_INTERPRETED
