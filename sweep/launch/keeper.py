"""What runs on the host of a worker of a Ray cluster: the actor that keeps the worker's process."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import ray

import sweep
from sweep import datasets
from sweep.codec import decode, encode
from sweep.errors import SweepError
from sweep.launch.launcher import Gone, Inbox
from sweep.launch.local import LocalWorker
from sweep.launch.process import WorkerProcess
from sweep.messages import WorkerFailed, WorkerSetup

#: How long a keeper waits for its worker to say something before it answers that there is nothing.
LISTEN_SECONDS = 1.0


class Keeper:
    """The actor: on its host it keeps one worker's process, and what it said until it is asked."""

    def __init__(self, name: str, kind: str, command: Sequence[str]) -> None:
        self._name = name
        self._kind = kind
        self._command = command
        self._dataset: str | None = None
        self._inbox: Inbox = SimpleQueue()
        self._worker: LocalWorker | None = None

    def begin(
        self, dataset: str | None, digest: str, files: Mapping[str, Any]
    ) -> dict[str, str | int]:
        """Fetch the data where this host has none, start the process, and say who it is."""
        device = self._kind if self._kind == "cpu" else _own_gpu()
        about: dict[str, str | int] = {"host": socket.gethostname(), "pid": os.getpid()}
        about |= {"device": device, "version": sweep.__version__}
        try:
            if dataset is not None:
                self._dataset = datasets.unpack(dataset, digest, lambda: _fetched(files))
        except SweepError as error:
            failed = WorkerFailed(error=type(error).__name__, message=str(error))
            self._inbox.put((self._name, failed))
            self._inbox.put((self._name, Gone(reason="its host could not keep the data")))
            return about
        self._worker = LocalWorker(self._name, self._inbox, WorkerProcess(device, self._command))
        return about | {"pid": self._worker.pid}

    def say(self, orders: list[bytes]) -> None:
        """Hand orders to the worker, in this order."""
        for line in orders:
            order = decode(line)
            if isinstance(order, WorkerSetup) and self._dataset is not None:
                order = replace(order, dataset=self._dataset)
            if self._worker is not None:
                self._worker.send(order)

    def hear(self) -> tuple[list[bytes], str | None]:
        """What it has said since, as lines, and when it is gone, why."""
        lines: list[bytes] = []
        with suppress(Empty):
            _, event = self._inbox.get(timeout=LISTEN_SECONDS)
            while not isinstance(event, Gone):
                lines.append(encode(event))
                _, event = self._inbox.get_nowait()
            return lines, event.reason
        return lines, None

    def kill(self) -> None:
        """End the process now."""
        if self._worker is not None:
            self._worker.kill()


def _own_gpu() -> str:
    """As CUDA_VISIBLE_DEVICES, which Ray has set, calls it on this host."""
    gpu: str = ray.get_runtime_context().get_accelerator_ids()["GPU"][0]
    return os.environ.get("CUDA_VISIBLE_DEVICES") or gpu


def _fetched(files: Mapping[str, Any]) -> datasets.Parcel:
    return {name: ray.get(reference) for name, reference in files.items()}
