"""The worker process: its pipes and its end."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import BinaryIO, NoReturn

from sweep.codec import decode, encode, own_pipes
from sweep.errors import SweepError
from sweep.messages import Event, Heartbeat, Order, WorkerFailed, WorkerSetup
from sweep.worker.heartbeat import beating
from sweep.worker.watchdog import CoordinatorWatchdog


def main() -> None:
    """Read orders until Shutdown or the end of the input; the device is pinned by the caller."""
    parser = argparse.ArgumentParser(prog="sweep.worker")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    device = parser.parse_args().device

    def train(inbox: SimpleQueue[Order], send: Callable[[Event], None]) -> None:
        from sweep.worker.work import work  # loads torch: seconds

        work(device, inbox, send)

    serve(train)
    sys.stderr.flush()
    os._exit(0)  # all is sent; Python takes up to a second to take torch apart


def serve(work: Callable[[SimpleQueue[Order], Callable[[Event], None]], None]) -> None:
    """Do the work of a worker process: orders from its input, events to its output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to interpret
    orders, results = own_pipes()
    inbox: SimpleQueue[Order] = SimpleQueue()
    threading.Thread(target=_read, args=(orders, inbox), daemon=True).start()

    lock = threading.Lock()

    def send(event: Event) -> None:
        try:
            with lock:
                results.write(encode(event))
                results.flush()
        except BrokenPipeError:
            os._exit(0)

    try:
        with beating(send):
            work(inbox, send)
    except SweepError as error:
        send(WorkerFailed(error=type(error).__name__, message=str(error)))
        sys.exit(error.exit_code)


def _read(orders: BinaryIO, inbox: "SimpleQueue[Order]") -> None:
    watch = CoordinatorWatchdog()
    for line in orders:
        try:
            order = decode(line)
        except ValueError:
            _leave(line)
        watch.heard()
        if isinstance(order, WorkerSetup):
            watch.begin(order.silence_seconds)
        if not isinstance(order, Heartbeat):
            inbox.put(order)
    os._exit(0)  # the coordinator is gone; nobody would hear another word


def _leave(line: bytes) -> NoReturn:
    if not line.endswith(b"\n"):
        os._exit(0)  # the coordinator's death has cut it off
    sys.stderr.write(f"it was sent an order that cannot be read: {line[:80]!r}\n")
    sys.stderr.flush()
    os._exit(SweepError.exit_code)


if __name__ == "__main__":
    main()
