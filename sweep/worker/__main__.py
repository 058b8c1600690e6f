"""Run the worker process: its pipes and its end."""

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, NoReturn

from sweep.codec import EVENTS, ORDERS, own_pipes
from sweep.errors import SweepError
from sweep.messages import Event
from sweep.worker.runner import OrderInbox, Orders, Send, first_order, run_worker


def main() -> None:
    """Read orders until Shutdown or the end of the input; the device is pinned by the caller."""
    parser = argparse.ArgumentParser(prog="sweep.worker")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    device = parser.parse_args().device

    def train(orders: Orders, send: Send) -> None:
        with without_collection():
            from sweep.worker.work import work  # loads torch, which takes seconds

        work(device, first_order(orders), orders, send)

    serve(train)


@contextmanager
def without_collection() -> Iterator[None]:
    """Disable garbage collection in the block, and exclude what it loads from later collections.

    Half a million of torch's objects stay alive anyway; traversing them takes a tenth of its time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def serve(work: Callable[[Orders, Send], None], *, name: str = "sweep-worker") -> NoReturn:
    """Run a worker process: orders from its input, events to its output.

    The process gets this name, up to 15 letters, where the system supports it.
    """
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)  # as `top` shows it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the coordinator
    lines, results = own_pipes()
    orders: Orders = SimpleQueue()
    threading.Thread(target=_read, args=(lines, OrderInbox(orders)), daemon=True).start()

    lock = threading.Lock()

    def send(event: Event) -> None:
        try:
            with lock:
                results.write(EVENTS.encode(event))
                results.flush()
        except BrokenPipeError:
            os._exit(0)

    code = run_worker(work, orders, send)
    sys.stderr.flush()
    os._exit(code)  # everything is sent; Python takes up to a second to unload torch


def _read(lines: BinaryIO, inbox: OrderInbox) -> None:
    for line in lines:
        try:
            inbox.put(ORDERS.decode(line))
        except ValueError:
            leave_unreadable(line)
    os._exit(0)  # the coordinator has exited: nothing more can be sent


def leave_unreadable(line: bytes) -> NoReturn:
    """Exit because of an unreadable line, and report it unless a death has truncated it."""
    if not line.endswith(b"\n"):
        os._exit(0)
    sys.stderr.write(f"it received an unreadable order: {line[:80]!r}\n")
    sys.stderr.flush()
    os._exit(SweepError.exit_code)


if __name__ == "__main__":
    main()
