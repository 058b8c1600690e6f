"""What a coordinator and its Ray driver say to one another: lines of a verb, a worker, a body."""

from enum import StrEnum
from typing import NamedTuple, Self

#: The worker of a line that is about none.
NOBODY = "-"


class Verb(StrEnum):
    """What a line is."""

    #: To the driver: its settings, the first line. It answers with one of the next two.
    JOIN = "join"
    JOINED = "joined"
    REFUSED = "refused"
    #: To the driver: a worker on ``cpu`` or ``gpu``; an order (a line of ``wire``); its end.
    START = "start"
    ORDER = "order"
    KILL = "kill"
    #: From the driver: where a worker is; what it said (a line of ``wire``); why it is gone.
    PLACED = "placed"
    EVENT = "event"
    GONE = "gone"


class Frame(NamedTuple):
    """One line."""

    verb: Verb
    worker: str = NOBODY
    body: bytes = b""

    def line(self) -> bytes:
        """Newline included."""
        return b"%s %s %s\n" % (self.verb.encode(), self.worker.encode(), self.body.rstrip(b"\n"))

    @classmethod
    def of(cls, line: bytes) -> Self:
        """Raises ValueError for a line that is none of these."""
        verb, worker, body = line.rstrip(b"\n").split(b" ", 2)
        return cls(Verb(verb.decode()), worker.decode(), body)
