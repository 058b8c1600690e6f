"""Queue trials in a worker until they fit.

They begin in the order in which they were dispatched, as capacity allows. A trial that does not fit
may be overtaken by later ones in PATIENCE turns; after that no trial begins before it, so that a
wide trial waits at most for the trials in training.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sweep.messages import TrialSpec

#: Turns in which a queued trial may be overtaken by later ones.
PATIENCE = 4


@dataclass(kw_only=True)
class QueuedTrial:
    """A trial that has not begun."""

    spec: TrialSpec
    #: Turns in which later trials began before it.
    passed: int = 0


class TrialQueue:
    """The queued trials of a worker."""

    def __init__(self) -> None:
        #: By number, in the order of dispatch.
        self._trials: dict[int, QueuedTrial] = {}

    def __len__(self) -> int:
        return len(self._trials)

    @property
    def specs(self) -> list[TrialSpec]:
        """Return the queued trials, in the order of dispatch."""
        return [queued.spec for queued in self._trials.values()]

    def add(self, spec: TrialSpec) -> None:
        """Append a trial."""
        self._trials[spec.number] = QueuedTrial(spec=spec)

    def remove(self, number: int, attempt: int) -> TrialSpec | None:
        """Remove a trial and return it, if it is queued and of this attempt."""
        queued = self._trials.get(number)
        if queued is None or queued.spec.attempt != attempt:
            return None
        del self._trials[number]
        return queued.spec

    def admit(self, begin: Callable[[TrialSpec], bool]) -> None:
        """Begin trials; ``begin`` returns whether a trial leaves the queue."""
        ahead: list[QueuedTrial] = []
        n_passed = 0
        for queued in [*self._trials.values()]:
            if begin(queued.spec):
                del self._trials[queued.spec.number]
                n_passed = len(ahead)
                continue
            ahead.append(queued)
            if queued.passed >= PATIENCE:
                break
        for queued in ahead[:n_passed]:
            queued.passed += 1
