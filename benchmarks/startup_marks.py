"""Record when the processes of a `sweep start` reach certain points, for ``benchmarks.startup``.

Every process started with the benchmark's ``sitecustomize.py`` imports this module, so the commands
measured are the real ones. Each mark is a line ``time pid name value`` of the file named by
SWEEP_MARKS; times are seconds since the epoch.
"""

import importlib.abc
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: Modules whose import is recorded.
MODULES = (
    *("sweep.cli.application", "sweep.studyfile", "sweep.coordinator.run"),
    *("optuna", "sqlalchemy", "alembic", "scipy", "torch", "sweep.worker.work"),
)
#: Messages between coordinator and workers that are recorded.
MESSAGES = ("WorkerSetup", "Ready", "Train", "EpochsDone", "TrialDone", "Shutdown")


def mark(name: str, value: float = 0.0) -> None:
    """Append a line, short enough to be written atomically by several processes."""
    line = f"{time.time()} {os.getpid()} {name} {value}\n"
    descriptor = os.open(os.environ["SWEEP_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


class _Watch(importlib.abc.MetaPathFinder):
    """Record when modules are loaded, and make ``sweep.codec`` record what it encodes."""

    def __init__(self) -> None:
        self._waited_for = {*MODULES, "sweep.codec"}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._waited_for:
            return None
        self._waited_for.remove(fullname)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _note_end_of(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _note_end_of(load: Any) -> Any:
    def exec_module(module: ModuleType) -> None:
        load(module)
        if module.__name__ == "sweep.codec":
            _note_messages(module)
        else:
            mark(f"loaded:{module.__name__}")

    return exec_module


def _note_messages(wire: ModuleType) -> None:
    for codec in (wire.EVENTS, wire.ORDERS):
        codec.encode = _noting_messages(codec.encode)


def _noting_messages(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def note_and_encode(record: Any) -> bytes:
        name = type(record).__name__
        if name in MESSAGES:
            epochs = getattr(record, "epochs", None)
            mark(f"said:{name}", epochs[0].metrics[0].seconds if epochs else 0.0)
        return encode(record)

    return note_and_encode


def install() -> None:
    """Begin to record in this process."""
    if "SWEEP_MARKS" in os.environ:
        mark("process")
        sys.meta_path.insert(0, _Watch())
