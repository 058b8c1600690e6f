"""What every way of starting workers offers to the coordinator."""

from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from sweep.messages import Event, Order


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A worker's process ended; why, as far as it can be told."""

    reason: str
    #: Its coordinator stood still, and it left: no fault of what it trained.
    was_left_alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Lost(Gone):
    """All workers' did, and no other can be started: what held them together has gone."""


#: What workers say, in the order it arrived: the worker's name and its event.
Inbox = SimpleQueue[tuple[str, "Event | Gone"]]


class WorkerHandle(Protocol):
    """One worker, from the coordinator's side."""

    name: str
    device: str
    host: str

    @property
    def pid(self) -> int:
        """Its process id; 0 while it has none yet."""

    def send(self, order: Order) -> None:
        """Send an order without waiting for the worker to read it.

        An order to a worker that is gone is dropped: its Gone is on the way.
        """

    def kill(self) -> None:
        """End it now."""

    def wait(self, timeout_seconds: float) -> bool:
        """Tell whether it ended within the time."""


class Launcher(Protocol):
    """Starts workers and delivers what they say."""

    inbox: Inbox

    def start(self, name: str, device: str) -> WorkerHandle:
        """Start a worker on a device (``cpu`` or a GPU's identifier)."""

    def start_analysis(self, name: str) -> WorkerHandle:
        """Start the process that analyses networks, on this host; it speaks as a worker does.

        Raises DeviceError where this host has no room for it.
        """
