"""How a worker fares, told every few seconds: only between epochs and while it waits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil
import torch

from sweep.trial import Vitals

BEAT_SECONDS = 2.0


class Memory(NamedTuple):
    """Of a device, in bytes."""

    used: int
    total: int


def device_memory(device: torch.device) -> Memory:
    """A GPU's memory, whoever uses it; on the CPU what this process has of the machine's."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return Memory(used=total - free, total=total)
    return Memory(used=psutil.Process().memory_info().rss, total=psutil.virtual_memory().total)


class Pulse:
    """Measures how long a worker waits, and sends its vitals when they are due."""

    def __init__(
        self,
        send: Callable[[Vitals], None],
        memory: Callable[[], Memory],
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._send = send
        self._memory = memory
        self._clock = clock
        self._since = clock()
        self._waited_seconds = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The block waits for orders; all other time is work."""
        began = self._clock()
        try:
            yield
        finally:
            self._waited_seconds += self._clock() - began

    def beat(self) -> None:
        """Send the vitals, if the last ones are old enough."""
        now = self._clock()
        seconds = now - self._since
        if seconds < BEAT_SECONDS:
            return
        memory = self._memory()
        self._send(
            Vitals(
                busy=1 - min(1.0, self._waited_seconds / seconds),
                memory_used_bytes=memory.used,
                memory_total_bytes=memory.total,
            )
        )
        self._since, self._waited_seconds = now, 0.0
