"""Define a worker as an actor, which Ray places on a host and which trains in its process."""

import os
import pkgutil
import socket
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import ray

import sweep
from sweep import datasets
from sweep.launch.launcher import Gone
from sweep.launch.process import worker_environment
from sweep.launch.ray import Placed, WorkerMessage
from sweep.messages import Order
from sweep.worker.runner import OrderInbox, Orders, Send, first_order, run_worker
from sweep.worker.watchdog import EXIT_CODE, describe_silence


class WorkerActor:
    """A worker: ``run`` yields its messages, ``order`` receives its orders.

    A separate thread trains, so that ``run`` can yield meanwhile.
    """

    def __init__(self, device: str, work: str) -> None:
        """``work`` names the function that trains, as ``module:function``."""
        self._device = "cpu" if device == "cpu" else _own_gpu()
        self._work = work
        os.environ.update(worker_environment(self._device))
        self._orders: Orders = SimpleQueue()
        self._inbox = OrderInbox(self._orders, self._leave)
        self._messages: SimpleQueue[WorkerMessage] = SimpleQueue()

    def run(
        self, version: str, dataset: str | None, digest: str, files: Sequence[Any]
    ) -> Iterator[list[WorkerMessage]]:
        """Train until the orders say to end; yield batches of messages, Gone last.

        ``files`` holds the object in Ray's store with an archive's files; the data set is fetched
        if this host has none of that name.
        """
        host = socket.gethostname()
        yield [Placed(host=host, pid=os.getpid(), device=self._device)]
        if version != sweep.__version__:
            here = f"{host} has sweep {sweep.__version__}, the coordinator {version}"
            yield [Gone(reason=here)]
            return

        def work(orders: Orders, send: Send) -> None:
            train = pkgutil.resolve_name(self._work)  # loads torch, which takes seconds
            setup = first_order(orders)
            if dataset is not None:
                local = datasets.install(dataset, digest, lambda: ray.get(files[0]))
                setup = replace(setup, dataset=local)
            train("cpu" if self._device == "cpu" else "cuda", setup, orders, send)

        threading.Thread(target=self._run, args=(work,), name="worker", daemon=True).start()
        batch: list[WorkerMessage] = []
        while not (batch and isinstance(batch[-1], Gone)):
            batch = self._next_batch()
            yield batch

    def order(self, orders: Sequence[Order]) -> None:
        """Receive orders, in order."""
        for order in orders:
            self._inbox.put(order)

    def _next_batch(self) -> list[WorkerMessage]:
        """Wait for a message; return it and those that follow, up to Gone."""
        batch = [self._messages.get()]
        with suppress(Empty):
            while not isinstance(batch[-1], Gone):
                batch.append(self._messages.get_nowait())
        return batch

    def _run(self, work: Any) -> None:
        try:
            how = f"exit code {run_worker(work, self._orders, self._messages.put)}"
        except Exception as error:
            traceback.print_exc()  # into Ray's log of this actor
            first, *_ = f"{type(error).__name__}: {error}".splitlines()
            how = f"exit code 1: {first}"
        self._messages.put(Gone(reason=how))

    def _leave(self, silent_seconds: float) -> None:
        how = describe_silence(silent_seconds)
        self._messages.put(Gone(reason=f"exit code {EXIT_CODE}: {how}", was_left_alone=True))


def _own_gpu() -> str:
    """Return the GPU that Ray has assigned, as CUDA_VISIBLE_DEVICES names it on this host."""
    gpu: str = ray.get_runtime_context().get_accelerator_ids()["GPU"][0]
    return os.environ.get("CUDA_VISIBLE_DEVICES") or gpu
