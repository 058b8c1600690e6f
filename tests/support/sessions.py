"""A worker's session with a pretended trainer."""

from queue import SimpleQueue

from sweep.config import TrialConfig
from sweep.enums import StopReason
from sweep.messages import (
    EpochDone,
    EpochsDone,
    Event,
    Order,
    Stop,
    TrialRequest,
    TrialSpec,
)
from sweep.worker.session import Session
from sweep.worker.single_trials import SingleTrials
from tests.support.fake_workers import FakeTraining


class Stage:
    """A session with a pretended trainer; orders are given beforehand, or on an event."""

    def __init__(self, *orders: Order, pruning: bool = False) -> None:
        self.inbox: SimpleQueue[Order] = SimpleQueue()
        self.events: list[Event | EpochDone] = []
        self.requests: list[TrialRequest] = []
        self.answers: dict[int, Order] = {}  # by the epoch that was reported
        self.error: Exception | None = None
        for order in orders:
            self.inbox.put(order)
        trainer = SingleTrials(self.start)
        self._session = Session(trainer, self.inbox, self.hear, pruning=pruning)

    def start(self, spec: TrialSpec) -> FakeTraining:
        return FakeTraining(self, spec)  # type: ignore[arg-type]

    def on_epoch(self, _worker: object, _spec: TrialSpec, epoch: int) -> None:
        if self.error is not None and epoch == 2:
            raise self.error

    def run(self) -> list[str]:
        self._session.run()
        return [type(event).__name__ for event in self.events]

    def hear(self, event: Event) -> None:
        """Record an event, epochs one by one; requests apart."""
        if isinstance(event, TrialRequest):
            self.requests.append(event)
            return
        if not isinstance(event, EpochsDone):
            self.events.append(event)
            return
        self.events.extend(event.epochs)
        for one in event.epochs:
            if one.epoch in self.answers:
                self.inbox.put(self.answers[one.epoch])


def spec(number: int = 0, epochs: int = 3, attempt: int = 1) -> TrialSpec:
    config = TrialConfig(hidden_width=8, epochs=epochs)
    return TrialSpec(number=number, attempt=attempt, config=config, seeds=(1,))


def prune(epoch: int, attempt: int = 1) -> Stop:
    """The judgement of an epoch: the trial ends with the next one."""
    return Stop(number=0, attempt=attempt, reason=StopReason.PRUNED, last_epoch=epoch + 1)
