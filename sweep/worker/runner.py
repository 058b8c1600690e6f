"""Run a worker on any transport: orders arrive in a queue, events leave through a function."""

from collections.abc import Callable
from queue import SimpleQueue

from sweep.errors import SweepError
from sweep.messages import Event, Heartbeat, Order, WorkerFailed, WorkerSetup
from sweep.worker.heartbeat import send_heartbeats
from sweep.worker.watchdog import CoordinatorWatchdog

Orders = SimpleQueue[Order]
Send = Callable[[Event], None]


def run_worker(work: Callable[[Orders, Send], None], orders: Orders, send: Send) -> int:
    """Work until the orders say to end, with heartbeats, and return the worker's exit code.

    A SweepError that ends the work is sent as WorkerFailed; any other exception is raised.
    """
    try:
        with send_heartbeats(send):
            work(orders, send)
    except SweepError as error:
        send(WorkerFailed(error=type(error).__name__, message=str(error)))
        return error.exit_code
    return 0


def first_order(orders: Orders) -> WorkerSetup:
    """Wait for the setup, which precedes every other order."""
    setup = orders.get()
    assert isinstance(setup, WorkerSetup)
    return setup


class OrderInbox:
    """Queue of the coordinator's orders, which also monitors that the coordinator is alive."""

    def __init__(self, orders: Orders, end: Callable[[float], None] | None = None) -> None:
        """``end`` is called with the limit (seconds) when the coordinator was silent for longer."""
        self._orders = orders
        self._watchdog = CoordinatorWatchdog(end)

    def put(self, order: Order) -> None:
        """Queue an order; a heartbeat only says that the coordinator is alive."""
        self._watchdog.heard()
        if isinstance(order, WorkerSetup):
            self._watchdog.begin(order.silence_seconds)
        if not isinstance(order, Heartbeat):
            self._orders.put(order)
