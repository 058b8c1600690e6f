"""Note when the processes of a `sweep start` reach certain points: for ``benchmarks.startup``.

Imported by every process that is started with the ``sitecustomize.py`` which that benchmark writes,
so the commands measured are the real ones. Each mark is a line ``time pid name value`` of the file
that SWEEP_MARKS names; times are seconds since the epoch.
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

#: Modules whose load is noted.
LOADED = (
    *("sweep.cli.application", "sweep.studyfile", "sweep.coordinator.run"),
    *("optuna", "sqlalchemy", "alembic", "scipy", "torch", "sweep.worker.work"),
)
#: Messages between coordinator and workers that are noted.
SAID = ("WorkerSetup", "Ready", "Train", "EpochsDone", "TrialDone", "Shutdown")


def mark(name: str, value: float = 0.0) -> None:
    """Append a line; short enough to be written whole by several processes at a time."""
    line = f"{time.time()} {os.getpid()} {name} {value}\n"
    descriptor = os.open(os.environ["SWEEP_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


class _Watch(importlib.abc.MetaPathFinder):
    """Notes when modules are loaded, and has ``sweep.codec`` note what it encodes."""

    def __init__(self) -> None:
        self._waited_for = {*LOADED, "sweep.codec"}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._waited_for:
            return None
        self._waited_for.remove(fullname)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _noting(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _noting(load: Any) -> Any:
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
    def noting(record: Any) -> bytes:
        name = type(record).__name__
        if name in SAID:
            epochs = getattr(record, "epochs", None)
            mark(f"said:{name}", epochs[0].metrics[0].seconds if epochs else 0.0)
        return encode(record)

    return noting


def install() -> None:
    """Begin to note, in this process."""
    if "SWEEP_MARKS" in os.environ:
        mark("process")
        sys.meta_path.insert(0, _Watch())
