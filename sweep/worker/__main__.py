"""The worker process: its pipes and its end."""

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
            from sweep.worker.work import work  # loads torch: seconds

        work(device, first_order(orders), orders, send)

    serve(train)


@contextmanager
def without_collection() -> Iterator[None]:
    """Collect no garbage while the block loads modules, nor ever among what it loaded.

    Half a million objects of torch's stay for good; looking through them takes a tenth of its time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def serve(work: Callable[[Orders, Send], None], *, name: str = "sweep-worker") -> NoReturn:
    """Do the work of a worker process: orders from its input, events to its output.

    The process gets this name, up to 15 letters, where the system has a place for it.
    """
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)  # as `top` shows it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to interpret
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
    os._exit(code)  # all is sent; Python takes up to a second to take torch apart


def _read(lines: BinaryIO, inbox: OrderInbox) -> None:
    for line in lines:
        try:
            inbox.put(ORDERS.decode(line))
        except ValueError:
            leave_unreadable(line)
    os._exit(0)  # the coordinator is gone: nothing more can be sent


def leave_unreadable(line: bytes) -> NoReturn:
    """Exit because of a line that cannot be read, and say so unless a death has cut it off."""
    if not line.endswith(b"\n"):
        os._exit(0)
    sys.stderr.write(f"it was sent an order that cannot be read: {line[:80]!r}\n")
    sys.stderr.flush()
    os._exit(SweepError.exit_code)


if __name__ == "__main__":
    main()
