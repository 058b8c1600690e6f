"""Launches that are repeated as they are: one CUDA graph, replayed, where there is a GPU."""

from collections.abc import Callable
from functools import partial

import torch

from sweep.trainer.fused.device_time import DeviceTimer

#: Repeats in one graph: the microseconds between two graphs come once for so many steps.
CHAIN = 16


def repeatable(launches: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The launches as something to call again and again.

    They are made twice here, once to compile and once to capture, so no slot may be at work yet.
    """
    return _captured(launches, device) if device.type == "cuda" else launches


def repeated(
    launches: Callable[[], None], device: torch.device, timer: DeviceTimer
) -> Callable[[int], None]:
    """Return the launches as something to do n times in a row, CHAIN of them in a graph.

    Each graph is timed by itself.
    """
    single = partial(timer.run, repeatable(launches, device))
    chain = partial(timer.run, repeatable(lambda: _times(launches, CHAIN), device))

    def repeat(n: int) -> None:
        _times(chain, n // CHAIN)
        _times(single, n % CHAIN)

    return repeat


def _times(do: Callable[[], None], n: int) -> None:
    for _ in range(n):
        do()


def _captured(launches: Callable[[], None], device: torch.device) -> Callable[[], None]:
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            launches()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Threads of another population may be pinning memory, which a "global" capture forbids.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            launches()
    return graph.replay
