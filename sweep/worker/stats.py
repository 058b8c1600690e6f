"""How a worker fares, told every few seconds: only between epochs and while it waits.

torch is not loaded from here: a worker that only pretends to train does without it.
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

BEAT_SECONDS = 2.0


class Memory(NamedTuple):
    """Of a device, in bytes."""

    used: int
    total: int


def device_memory(device: "torch.device | None") -> Memory:
    """Memory in use: a GPU's by all processes, on the CPU (None) the host's by this process."""
    if device is not None and device.type == "cuda":
        import torch

        free, total = torch.cuda.mem_get_info(device)
        return Memory(used=total - free, total=total)
    return Memory(used=psutil.Process().memory_info().rss, total=psutil.virtual_memory().total)


def device_meter(device: "torch.device | None") -> Callable[[], float | None]:
    """Reader of a GPU's utilisation from its driver; on the CPU (None) it is unknown."""
    if device is None or device.type != "cuda":
        return _unknown
    import torch

    return nvml.meter(str(torch.cuda.get_device_properties(device).uuid))


def _unknown() -> None:
    return None


class Pulse:
    """Measures how much of its time a worker trains, and sends its vitals when they are due."""

    def __init__(
        self,
        send: Callable[[WorkerStats], None],
        memory: Callable[[], Memory],
        clock: Callable[[], float] = time.monotonic,  # seconds
        *,
        trained: Callable[[], float] | None = None,
        utilisation: Callable[[], float | None] = _unknown,
    ) -> None:
        """``trained`` tells for how many seconds the device has trained; None: whenever no orders
        were waited for. ``utilisation`` is what its driver tells."""
        self._send = send
        self._memory = memory
        self._clock = clock
        self._trained = trained or self._not_waited
        self._utilisation = utilisation
        #: What it told since the first epoch began.
        self._utilisations = Mean()
        self._began = clock()
        self._waited_seconds = 0.0
        #: Of the last vitals, of the first epoch's begin and of the last one's end.
        self._told = self._mark()
        self._first: Mark | None = None
        self._last: Mark | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The block waits for orders."""
        began = self._clock()
        try:
            yield
        finally:
            self._waited_seconds += self._clock() - began

    @contextmanager
    def training(self) -> Iterator[None]:
        """The block trains an epoch, or asks for one and fetches another."""
        self._first = self._first or self._mark()
        yield
        self._last = self._mark()

    def beat(self, n_training: int = 0) -> None:
        """Send the vitals, if the last ones are old enough."""
        now = self._mark()
        if now.at - self._told.at < BEAT_SECONDS:
            return
        memory, utilisation = self._memory(), self._utilisation()
        if self._first is not None and utilisation is not None:
            self._utilisations.add(utilisation)
        self._send(
            WorkerStats(
                busy=_share(self._told, now) or 0.0,
                busy_since_first=_share(self._first, self._last),
                n_training=n_training,
                memory_used_bytes=memory.used,
                memory_total_bytes=memory.total,
                utilisation=utilisation,
                utilisation_since_first=self._utilisations.value,
            )
        )
        self._told = now

    def _not_waited(self) -> float:
        return self._clock() - self._began - self._waited_seconds

    def _mark(self) -> "Mark":
        return Mark(self._clock(), self._trained())


class Mean:
    """Of numbers that come one after another."""

    def __init__(self) -> None:
        self._n = 0
        self._sum = 0.0

    def add(self, number: float) -> None:
        self._n += 1
        self._sum += number

    @property
    def value(self) -> float | None:
        """None of no numbers."""
        return self._sum / self._n if self._n else None


class Mark(NamedTuple):
    """A moment, and how long the device had trained by then; seconds."""

    at: float
    trained: float


def _share(since: Mark | None, until: Mark | None) -> float | None:
    """The share of the time between in which the device trained."""
    if since is None or until is None or until.at <= since.at:
        return None
    return max(0.0, min(1.0, (until.trained - since.trained) / (until.at - since.at)))
