"""The actor that is a worker: Ray places it on a host, and it trains in its own process there."""

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
from sweep.codec import encode
from sweep.launch.process import worker_environment
from sweep.launch.ray import DriverMessage, MessageType
from sweep.messages import Event
from sweep.worker.runner import OrderReader, Orders, Send, first_order, run_worker
from sweep.worker.watchdog import EXIT_CODE


class WorkerActor:
    """A worker: ``run`` yields what it says, ``order`` takes its orders.

    Texts and lines alone go through Ray, and the files of a data set. A thread of ours trains, so
    that the actor's two methods answer meanwhile.
    """

    def __init__(self, name: str, device: str, work: str) -> None:
        """``work`` names the function that trains, as ``module:function``."""
        self._name = name
        self._device = "cpu" if device == "cpu" else _own_gpu()
        self._work = work
        os.environ.update(worker_environment(self._device))
        self._orders: Orders = SimpleQueue()
        self._reader = OrderReader(self._orders, self._leave)
        self._messages: SimpleQueue[DriverMessage] = SimpleQueue()

    def run(
        self, version: str, dataset: str | None, digest: str, files: Sequence[Any]
    ) -> Iterator[list[bytes]]:
        """Train until the orders say to end; yield batches of DriverMessages, GONE the last.

        ``files`` holds the object in Ray's store with an archive's files; the data set is fetched
        where this host has none of that name.
        """
        about = {"host": socket.gethostname(), "pid": os.getpid(), "device": self._device}
        yield [DriverMessage.of(MessageType.PLACED, self._name, **about).line]
        if version != sweep.__version__:
            here = f"{about['host']} has sweep {sweep.__version__}, the coordinator {version}"
            yield [self._gone(here).line]
            return

        def work(orders: Orders, send: Send) -> None:
            train = pkgutil.resolve_name(self._work)  # loads torch: seconds
            setup = first_order(orders)
            if dataset is not None:
                local = datasets.install(dataset, digest, lambda: ray.get(files[0]))
                setup = replace(setup, dataset=local)
            train("cpu" if self._device == "cpu" else "cuda", setup, orders, send)

        threading.Thread(target=self._run, args=(work,), name="worker", daemon=True).start()
        messages = [self._messages.get()]
        while messages[-1].type is not MessageType.GONE:
            yield [message.line for message in messages]
            messages = self._next_messages()
        yield [message.line for message in messages]

    def order(self, lines: Sequence[bytes]) -> None:
        """Take orders, in this order."""
        for line in lines:
            try:
                self._reader.read(line)
            except ValueError:
                error = f"exit code 1: it was sent an order that cannot be read: {line[:80]!r}"
                self._messages.put(self._gone(error))

    def _next_messages(self) -> list[DriverMessage]:
        """Wait for a message; return it and those behind it, up to GONE."""
        messages = [self._messages.get()]
        with suppress(Empty):
            while messages[-1].type is not MessageType.GONE:
                messages.append(self._messages.get_nowait())
        return messages

    def _run(self, work: Any) -> None:
        try:
            how = f"exit code {run_worker(work, self._orders, self._send)}"
        except Exception as error:
            traceback.print_exc()  # into Ray's log of this actor
            first, *_ = f"{type(error).__name__}: {error}".splitlines()
            how = f"exit code 1: {first}"
        self._messages.put(self._gone(how))

    def _send(self, event: Event) -> None:
        self._messages.put(DriverMessage(MessageType.EVENT, self._name, encode(event)))

    def _leave(self, silent_seconds: float) -> None:
        how = f"its coordinator gave no sign of life for {silent_seconds:.0f} s"
        self._messages.put(self._gone(f"exit code {EXIT_CODE}: {how}", was_left_alone=True))

    def _gone(self, reason: str, *, was_left_alone: bool = False) -> DriverMessage:
        about = {"reason": reason, "was_left_alone": was_left_alone}
        return DriverMessage.of(MessageType.GONE, self._name, **about)


def _own_gpu() -> str:
    """Return the GPU that Ray has given, as CUDA_VISIBLE_DEVICES names it on this host."""
    gpu: str = ray.get_runtime_context().get_accelerator_ids()["GPU"][0]
    return os.environ.get("CUDA_VISIBLE_DEVICES") or gpu
