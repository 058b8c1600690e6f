"""Looking into networks beside the training: one thread, one network after the other.

A look takes seconds, in which a device finishes many trials. So a trial that ends as the best of
its width, or whose spec asks for it, leaves its network here, and the training goes on.

What waits is bounded. Of a class of widths it is the best so far: a better one takes the place of
one that was not begun. A worse one waits beside it, for the better may be marked invalid by now,
which only the coordinator knows. What a spec asks for is never dropped, so whoever trains asks
``has_room`` before the next epoch, and trains no further without.

torch is not loaded from here: a worker that only pretends to train does without it.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sweep.config import TrialConfig, width_class
from sweep.messages import Decomposition, Event, Probe, TrialLookedInto, TrialSpec

#: Networks: more than two to a class of all the widths from 8 to 1024, and 200 MB of the widest.
MOST_WAITING = 32
#: Of the thread, where threads have a priority. Not the lowest: where others want every core, who
#: waits for Python's lock would wait for the one that holds it to get a core at all.
NICENESS = 10

#: Configuration and network, as its trainer gives it -> what is found in it.
Find = Callable[[TrialConfig, Any], tuple[Decomposition | None, Probe | None]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """A network to be looked into, of a trial that is over."""

    spec: TrialSpec
    #: Validation error of the last epoch, the mean over the seeds.
    error: float
    network: Any

    def replaces(self, other: "Look") -> bool:
        """Whether the other, not begun, need not be looked into any more."""
        widths = {width_class(look.spec.config.hidden_width) for look in (self, other)}
        return len(widths) == 1 and not other.spec.probe and self.error <= other.error


class Looker:
    """Looks into networks in a thread of its own, and sends what it finds.

    Of every network that it takes it sends one TrialLookedInto, be it replaced, unless it is closed
    before.
    """

    def __init__(self, find: Find, send: Callable[[Event], None]) -> None:
        self._find = find
        self._send = send
        self._waiting: list[Look] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="looker", daemon=True)

    @property
    def has_room(self) -> bool:
        """Whether more may come."""
        self._check()
        return len(self._waiting) <= MOST_WAITING

    def take(self, look: Look) -> None:
        """Look into a network when those before it are done."""
        self._check()
        with self._changed:
            replaced = [other for other in self._waiting if look.replaces(other)]
            # In the other's place, not at the end: else a class that improves often never has its
            # turn.
            place = self._waiting.index(replaced[0]) if replaced else len(self._waiting)
            self._waiting.insert(place, look)
            self._waiting = [other for other in self._waiting if other not in replaced]
            self._changed.notify()
        if self._thread.ident is None:
            self._thread.start()
        for other in replaced:
            self._send(_nothing(other.spec))

    def close(self, timeout_seconds: float | None = None) -> None:
        """End with the look under way, waited for that long; what waits is dropped."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def _check(self) -> None:
        """Without its thread nothing would be found, nor make room; another worker does better."""
        if self._thread.ident is not None and not self._thread.is_alive():
            raise RuntimeError("the thread that looks into networks is dead")

    def _run(self) -> None:
        _give_way()
        while self._look_into_next():
            pass

    def _look_into_next(self) -> bool:
        """Once there is one; whether it goes on."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return False
            look = self._waiting.pop(0)
        self._send(self._found(look))
        return True

    def _found(self, look: Look) -> TrialLookedInto:
        number, attempt = look.spec.number, look.spec.attempt
        try:
            decomposition, probe = self._find(look.spec.config, look.network)
        except Exception as error:  # it costs this look, and is told; the training goes on
            return _nothing(look.spec, failure=f"{type(error).__name__}: {error}")
        return TrialLookedInto(
            number=number, attempt=attempt, decomposition=decomposition, probe=probe
        )


def _nothing(spec: TrialSpec, failure: str | None = None) -> TrialLookedInto:
    return TrialLookedInto(
        number=spec.number, attempt=spec.attempt, decomposition=None, probe=None, failure=failure
    )


def _give_way() -> None:
    """Let the other threads go first; elsewhere than on Linux only processes can."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox that forbids it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
