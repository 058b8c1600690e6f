"""Networks that workers still look into, of trials that are over, and how long that is waited for.

A find is accepted of the worker that finished the trial, of that attempt, once. Workers of a study
that has nothing else to do are let go when nothing is awaited any more, or when a find takes longer
than LOOK_SECONDS: what waited then is lost, and so is what waited in a worker that is gone.
One that was told to end waits for LOOK_SECONDS in all, however many finds a worker still has.
"""

import time
from collections.abc import Callable

from sweep.coordinator.heartbeat_monitor import HeartbeatMonitor
from sweep.messages import TrialDone, TrialLookedInto

#: For one look; the widest networks take longest. The coordinator's own delays don't count.
LOOK_SECONDS = 120.0


class Looks:
    """What is awaited of which worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._silence = HeartbeatMonitor(LOOK_SECONDS, clock)
        #: By worker and number: the attempt.
        self._awaited: dict[str, dict[int, int]] = {}
        self._bounded = False

    def begin(self, worker: str, done: TrialDone) -> None:
        """A worker finished a trial, and looks into its network."""
        self._awaited.setdefault(worker, {})[done.number] = done.attempt
        self._silence.heard(worker)

    def end(self, worker: str, found: TrialLookedInto) -> bool:
        """A worker has looked; whether that was awaited of it."""
        if self._awaited.get(worker, {}).get(found.number) != found.attempt:
            return False
        del self._awaited[worker][found.number]
        if not self._bounded:
            self._silence.heard(worker)
        return True

    def bound(self) -> None:
        """The study is to end: a find gives the next one no more time."""
        self._bounded = True

    def lose(self, worker: str) -> list[int]:
        """Nothing of a worker is awaited any more; the trials of which something was."""
        return sorted(self._awaited.pop(worker, {}))

    @property
    def awaited(self) -> list[str]:
        """The workers of which something is."""
        return [worker for worker, trials in self._awaited.items() if trials]

    @property
    def numbers(self) -> list[int]:
        """The trials into whose networks somebody looks."""
        return sorted(number for trials in self._awaited.values() for number in trials)

    def too_slow(self) -> list[str]:
        """Those of them that found nothing for LOOK_SECONDS, or, bounded, not all in that time.

        To be called often, once nothing else is to be done: while there is, nobody waits.
        """
        return self._silence.too_long(self.awaited)
