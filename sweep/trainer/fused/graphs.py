"""Capture repeated launches as a CUDA graph and replay it, if there is a GPU."""

from collections.abc import Callable, Sequence
from functools import partial

import torch

from sweep.trainer.fused.device_time import DeviceTimer

#: Repeats in one graph: the microseconds between two graphs are paid once for this many steps.
CHAIN = 16


def repeatable(launches: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Return the launches as a function that can be called repeatedly.

    The launches run twice here, once to compile and once to capture, so no slot may be in use yet.
    """
    return _capture(launches, device) if device.type == "cuda" else launches


def repeat(
    branches: Sequence[Callable[[], None]], device: torch.device, timer: DeviceTimer | None
) -> Callable[[int], None]:
    """Return a function that runs the branches n times in a row, CHAIN times per graph.

    A branch does not wait for another between its own repeats. Each graph is timed separately,
    unless the caller times all of them.
    """
    chains = [partial(_times, branch, CHAIN) for branch in branches]
    single, chain = (
        repeatable(partial(side_by_side, launches, device), device)
        for launches in (branches, chains)
    )
    if timer is not None:
        single, chain = partial(timer.run, single), partial(timer.run, chain)

    def repeat(n: int) -> None:
        _times(chain, n // CHAIN)
        _times(single, n % CHAIN)

    return repeat


def side_by_side(branches: Sequence[Callable[[], None]], device: torch.device) -> None:
    """Run the launches of each branch in a separate stream; later launches wait for all of them.

    The first branch uses the present stream. On a CPU the branches run one after the other.
    """
    first, *others = branches
    if device.type != "cuda":
        for branch in branches:
            branch()
        return
    present = torch.cuda.current_stream(device)
    streams = [torch.cuda.Stream(device) for _ in others]  # type: ignore[no-untyped-call]
    for stream, branch in zip(streams, others, strict=True):
        stream.wait_stream(present)
        with torch.cuda.stream(stream):
            branch()
    first()
    for stream in streams:
        present.wait_stream(stream)


def _times(do: Callable[[], None], n: int) -> None:
    for _ in range(n):
        do()


def _capture(launches: Callable[[], None], device: torch.device) -> Callable[[], None]:
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
