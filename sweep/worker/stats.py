"""Report statistics of a worker, every few seconds between epochs and while it waits.

This module does not load torch, which a simulated worker does without.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psutil

from sweep import nvml
from sweep.messages import WorkerStats

if TYPE_CHECKING:
    import torch

REPORT_SECONDS = 2.0


class Memory(NamedTuple):
    """Memory of a device, in bytes."""

    used: int
    total: int


def device_memory(device: "torch.device | None") -> Memory:
    """Return the memory in use: of a GPU by all processes, of the host (None) by this process."""
    if device is not None and device.type == "cuda":
        import torch

        free, total = torch.cuda.mem_get_info(device)
        return Memory(used=total - free, total=total)
    return Memory(used=psutil.Process().memory_info().rss, total=psutil.virtual_memory().total)


def device_meter(device: "torch.device | None") -> Callable[[], float | None]:
    """Return a reader of a GPU's utilisation from its driver; on the CPU (None) it is unknown."""
    if device is None or device.type != "cuda":
        return _unknown
    import torch

    return nvml.meter(str(torch.cuda.get_device_properties(device).uuid))


def _unknown() -> None:
    return None


class StatsReporter:
    """Measures the share of its time in which a worker trains, and sends statistics when due."""

    def __init__(
        self,
        send: Callable[[WorkerStats], None],
        memory: Callable[[], Memory],
        trained: Callable[[], float],  # seconds in which the device has trained so far
        clock: Callable[[], float] = time.monotonic,  # seconds
        *,
        utilisation: Callable[[], float | None] = _unknown,  # by the device's driver
    ) -> None:
        self._send = send
        self._memory = memory
        self._clock = clock
        self._trained = trained
        self._utilisation = utilisation
        #: Utilisation since the first epoch began.
        self._utilisations = Mean()
        #: At the last report, at the start of the first epoch and at the end of the last one.
        self._reported = self._mark()
        self._first: TrainingMark | None = None
        self._last: TrainingMark | None = None

    @contextmanager
    def mark_training(self) -> Iterator[None]:
        """Mark the block as the training of an epoch."""
        self._first = self._first or self._mark()
        yield
        self._last = self._mark()

    def report(self, n_training: int = 0) -> None:
        """Send the statistics, if the last ones are old enough."""
        now = self._mark()
        if now.at - self._reported.at < REPORT_SECONDS:
            return
        memory, utilisation = self._memory(), self._utilisation()
        if self._first is not None and utilisation is not None:
            self._utilisations.add(utilisation)
        self._send(
            WorkerStats(
                busy=_share(self._reported, now) or 0.0,
                busy_since_first=_share(self._first, self._last),
                n_training=n_training,
                memory_used_bytes=memory.used,
                memory_total_bytes=memory.total,
                utilisation=utilisation,
                utilisation_since_first=self._utilisations.value,
            )
        )
        self._reported = now

    def _mark(self) -> "TrainingMark":
        return TrainingMark(self._clock(), self._trained())


class Mean:
    """Running mean."""

    def __init__(self) -> None:
        self._n = 0
        self._sum = 0.0

    def add(self, number: float) -> None:
        """Add a number."""
        self._n += 1
        self._sum += number

    @property
    def value(self) -> float | None:
        """The mean; None without numbers."""
        return self._sum / self._n if self._n else None


class TrainingMark(NamedTuple):
    """A time and the training until then, in seconds."""

    at: float
    trained: float


def _share(since: TrainingMark | None, until: TrainingMark | None) -> float | None:
    """Compute the share of the time between two marks in which the device trained."""
    if since is None or until is None or until.at <= since.at:
        return None
    return max(0.0, min(1.0, (until.trained - since.trained) / (until.at - since.at)))
