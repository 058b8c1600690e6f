"""Define what every launcher offers to the coordinator."""

from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from sweep.messages import Event, Order


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A worker's process ended; with the reason, as far as it is known."""

    reason: str
    #: It exited because its coordinator was suspended; its trials are not to blame.
    was_left_alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Lost(Gone):
    """All workers ended, and no other can be started: what connected them is lost."""


#: Workers' messages in order of arrival: the worker's name and its event.
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

        An order to a dead worker is dropped: its Gone is on the way.
        """

    def kill(self) -> None:
        """Kill the worker."""

    def wait(self, timeout_seconds: float) -> bool:
        """Return whether it ended within the time."""


class Launcher(Protocol):
    """Starts workers and delivers their messages."""

    inbox: Inbox

    def start(self, name: str, device: str) -> WorkerHandle:
        """Start a worker on a device (``cpu`` or a GPU's identifier)."""

    def start_analysis(self, name: str) -> WorkerHandle:
        """Start the process that analyses networks, on this host; it uses the workers' protocol.

        Raises DeviceError if this host lacks resources for it.
        """
