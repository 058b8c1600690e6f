"""Draw initial weights and data orders of trials in threads while the device trains.

Notation: K slots, N training images.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.trainer.fused.row_weights import RowWeights
from sweep.trainer.fused.transfers import empty_on_host
from sweep.trainer.randomness import data_order, initial_weights

#: A permutation of 55,000 takes about as long as a narrow trial's epoch.
DRAW_THREADS = 4


class Draws:
    """Draws random numbers in a thread pool; they are those that each trial would draw alone.

    A turn's orders are in one buffer, a row per slot, and are copied to the device at once. There
    are two buffers, because the next turn's orders are drawn during the copy.
    """

    def __init__(self, n_slots: int, n_train: int, n_inputs: int, device: torch.device) -> None:
        self._n_inputs, self._device = n_inputs, device
        self._pool = ThreadPoolExecutor(DRAW_THREADS, thread_name_prefix="draws")
        self._buffers = [_OrderBuffer(n_slots, n_train, device) for _ in range(2)]

    def start_weights(
        self, config: TrialConfig, seeds: Sequence[int]
    ) -> list["Future[RowWeights]"]:
        """Begin to draw a trial's first weights, one for each seed."""
        return [self._pool.submit(self._draw_weights, config, seed) for seed in seeds]

    def start_orders(
        self, slots: Sequence[int], seeds: Sequence[int], epoch: int
    ) -> list["Future[None]"]:
        """Begin to draw the orders of these slots for the next turn."""
        buffer = self._buffers[0]
        pairs = zip(slots, seeds, strict=True)
        return [buffer.start(self._pool, slot, seed, epoch) for slot, seed in pairs]

    def send_orders(self, slots: Sequence[int], target: Tensor) -> None:
        """Copy the drawn orders of these slots to their rows of the target (K, N)."""
        self._buffers[0].send(slots, target)
        self._buffers.reverse()

    def close(self) -> None:
        """Cancel the draws that have not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _draw_weights(self, config: TrialConfig, seed: int) -> RowWeights:
        return RowWeights.of(initial_weights(config, self._n_inputs, seed))


class _OrderBuffer:
    """The orders of a turn, (K, N) int32 in page-locked memory."""

    def __init__(self, n_slots: int, n_train: int, device: torch.device) -> None:
        self._orders = empty_on_host((n_slots, n_train), torch.int32, device)
        #: Last order by slot, drawn or being drawn.
        self._draws: dict[int, Future[None]] = {}
        #: Event at which the last copy to the device is complete; None on a CPU.
        self._sent: torch.cuda.Event | None = None

    def start(self, pool: ThreadPoolExecutor, slot: int, seed: int, epoch: int) -> "Future[None]":
        before = self._draws.get(slot)
        self._draws[slot] = pool.submit(self._draw, slot, seed, epoch, before)
        return self._draws[slot]

    def _draw(self, slot: int, seed: int, epoch: int, before: "Future[None] | None") -> None:
        if before is not None:  # an order of a trial that left meanwhile writes to the same row
            wait([before])
        if self._sent is not None:
            self._sent.synchronize()
        self._orders[slot].copy_(data_order(seed, epoch, self._orders.shape[1]))

    def send(self, slots: Sequence[int], target: Tensor) -> None:
        # Slots are allocated from the first one on, so few rows are copied in vain.
        n = max(slots, default=-1) + 1
        target[:n].copy_(self._orders[:n], non_blocking=True)
        if target.device.type == "cuda":
            self._sent = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._sent.record(torch.cuda.current_stream(target.device))
