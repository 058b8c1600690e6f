"""A long study's population stays full: real hand-out and admission, pretended training."""

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import cast

import numpy as np

from sweep.config import TrialConfig
from sweep.coordinator.running_trial import RunningTrial
from sweep.coordinator.worker_pool import Worker
from sweep.launch.launcher import WorkerHandle
from sweep.messages import (
    EpochsDone,
    Event,
    Leave,
    Order,
    Room,
    Shutdown,
    Train,
    TrialDone,
    TrialLeft,
    TrialSpec,
    WorkloadEstimate,
)
from sweep.trainer.fused import Shape
from sweep.worker.fused import MAX_SLOTS, room_for
from sweep.worker.populations import PopulationSession
from tests.fake_populations import FakePopulation, PretendedEpoch
from tests.trainer_factories import make_spec

MNIST = Shape(n_train=55_000, n_inputs=784, batch_size=128)
#: Log-uniform in 8..1024.
EXPECTED = WorkloadEstimate(
    mean_hidden_width=210, max_hidden_width=1024, n_seeds=1, max_batch_size=128, n_batch_sizes=1
)


class Counting(FakePopulation):
    """Tells at every launch which share of its rows trains."""

    def __init__(self, room: Room, tell: Callable[[float], None]) -> None:
        super().__init__(128, room)
        self._tell = tell

    def launch_epoch(self) -> PretendedEpoch:
        inside = [one.spec for one in self._trials.values() if one.goes_on]
        rows = sum(self.room.rows_of(spec.config.hidden_width) for spec in inside)
        self._tell(rows / self.room.rows)
        return super().launch_epoch()


class Study:
    """Hands 2,000 trials out as a coordinator does, and prunes one in twenty at every epoch."""

    def __init__(self, room: Room) -> None:
        self.rng = np.random.default_rng(7)
        self.waiting = deque(self.trial(number) for number in range(2_000))
        self.worker = Worker(name="w0", device="0", handle=cast(WorkerHandle, None), room=room)
        self.inbox: SimpleQueue[Order] = SimpleQueue()
        #: Of the rows that train, while trials wait; and how the trials ended.
        self.busy: list[float] = []
        self.ended: list[int] = []

    def trial(self, number: int) -> TrialSpec:
        width = round(2 ** self.rng.uniform(3, 10))
        config = TrialConfig(hidden_width=width, epochs=int(self.rng.integers(1, 11)))
        return make_spec(config, number=number)

    def launched(self, share: float) -> None:
        if self.waiting:
            self.busy.append(share)

    def hand_out(self) -> None:
        specs = []
        while self.waiting and self.worker.wants_more:
            specs.append(self.waiting.popleft())
            self.worker.hand(RunningTrial(spec=specs[-1]))
        if specs:
            self.inbox.put(Train(specs=tuple(specs)))

    def hear(self, event: Event) -> None:
        if isinstance(event, EpochsDone):
            for one in event.epochs:
                if self.rng.random() < 0.05:
                    self.inbox.put(Leave(number=one.number, attempt=1))
        elif isinstance(event, TrialDone | TrialLeft):
            self.worker.drop(self.worker.trials[event.number])
            self.ended.append(event.number)
        self.hand_out()
        if not self.waiting and not self.worker.trials:
            self.inbox.put(Shutdown())


def test_at_least_95_of_100_rows_train_while_trials_wait() -> None:
    room = room_for(MNIST, EXPECTED, 80 * 10**9, max_slots=MAX_SLOTS)
    study = Study(room)
    study.hand_out()
    PopulationSession(
        lambda _, room: Counting(room, study.launched),
        study.inbox,
        study.hear,
        room=room,
        halve=lambda room: None,
        pruning=False,
    ).run()
    assert sorted(study.ended) == list(range(2_000))
    assert len(study.busy) > 20 and min(study.busy) >= 0.95
