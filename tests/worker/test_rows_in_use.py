"""A long study's population stays full: real hand-out and admission, pretended training."""

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from sweep.config import TrialConfig
from sweep.enums import StopReason
from sweep.messages import (
    Capacity,
    EpochsDone,
    Event,
    Order,
    Shutdown,
    Stop,
    Train,
    TrialDone,
    TrialRequest,
    TrialSpec,
    TrialStopped,
    WorkloadEstimate,
)
from sweep.trainer.fused import Shape
from sweep.worker.fused import MAX_SLOTS, capacity_for
from sweep.worker.populations import Populations
from sweep.worker.session import Session
from tests.support.fake_populations import FakePopulation, PretendedEpoch
from tests.support.trainer_factories import make_spec

MNIST = Shape(n_train=55_000, n_inputs=784, batch_size=128)
#: Log-uniform in 8..1024.
EXPECTED = WorkloadEstimate(
    mean_hidden_width=210, max_hidden_width=1024, n_seeds=1, max_batch_size=128, n_batch_sizes=1
)


class Counting(FakePopulation):
    """Tells at every launch which share of its hidden units trains."""

    def __init__(self, capacity: Capacity, tell: Callable[[float], None]) -> None:
        super().__init__(128, capacity)
        self._tell = tell

    def launch_epoch(self) -> PretendedEpoch:
        inside = [one.spec for one in self._trials.values() if one.goes_on]
        units = sum(self.capacity.units_of(spec.config.hidden_width) for spec in inside)
        self._tell(units / self.capacity.hidden_units)
        return super().launch_epoch()


class Study:
    """Hands 2,000 trials out as a coordinator does, and prunes one in twenty at every epoch."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)
        self.waiting = deque(self.trial(number) for number in range(2_000))
        self.n_out = 0
        self.inbox: SimpleQueue[Order] = SimpleQueue()
        #: Share of the hidden units that train, while trials wait; and how the trials ended.
        self.busy: list[float] = []
        self.ended: list[int] = []

    def trial(self, number: int) -> TrialSpec:
        width = round(2 ** self.rng.uniform(3, 10))
        config = TrialConfig(hidden_width=width, epochs=int(self.rng.integers(1, 11)))
        return make_spec(config, number=number)

    def launched(self, share: float) -> None:
        if self.waiting:
            self.busy.append(share)

    def hand_out(self, n: int) -> None:
        specs = tuple(self.waiting.popleft() for _ in range(min(n, len(self.waiting))))
        self.n_out += len(specs)
        if specs:
            self.inbox.put(Train(specs=specs))

    def hear(self, event: Event) -> None:
        if isinstance(event, TrialRequest):
            self.hand_out(event.n)
        elif isinstance(event, EpochsDone):
            for one in event.epochs:
                if self.rng.random() < 0.05:
                    order = Stop(number=one.number, attempt=1, reason=StopReason.INTERRUPTED)
                    self.inbox.put(order)
        elif isinstance(event, TrialDone | TrialStopped):
            self.ended.append(event.number)
        if not self.waiting and len(self.ended) == self.n_out:
            self.inbox.put(Shutdown())


def test_at_least_95_of_100_hidden_units_train_while_trials_wait() -> None:
    capacity = capacity_for(MNIST, EXPECTED, 80 * 10**9, max_slots=MAX_SLOTS)
    study = Study()
    trainer = Populations(
        lambda _, capacity: Counting(capacity, study.launched),
        capacity=capacity,
        halve=lambda capacity: None,
        expected=EXPECTED,
    )
    Session(trainer, study.inbox, study.hear, pruning=False).run()
    assert sorted(study.ended) == list(range(2_000))
    assert len(study.busy) > 20 and min(study.busy) >= 0.95
