"""A real coordinator that does one tick when told to, with workers that a test speaks for.

It runs in a thread of its own and waits in its observer, which every tick calls once. So a test
says what its workers send, lets it go on for a tick, and looks at what it wrote and ordered.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, event

from sweep.coordinator.loop import WAKE
from sweep.coordinator.progress import Progress
from sweep.coordinator.run import start
from sweep.enums import StopReason, Trainer
from sweep.errors import StoreError
from sweep.launch.launcher import Gone, Inbox
from sweep.launch.resources import RunOptions
from sweep.messages import (
    DatasetInfo,
    EpochDone,
    EpochMetrics,
    EpochsDone,
    Event,
    ImageShape,
    Order,
    Ready,
    Stop,
    TestMetrics,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialRequest,
    TrialSpec,
    TrialStopped,
)
from sweep.store.engine import Engine
from tests.support.coordinator_runs import ONE, STUDY, study_file


class Puppet:
    """A worker: it keeps what it is told, and says what the test says for it."""

    def __init__(self, name: str, device: str, inbox: Inbox) -> None:
        self.name, self.device, self.host, self.pid = name, device, socket.gethostname(), 1
        self.orders: list[Order] = []
        self._inbox = inbox
        self._ended: set[tuple[int, int]] = set()

    def send(self, order: Order) -> None:
        self.orders.append(order)

    def say(self, what: Event | Gone) -> None:
        """Send an event; keep one trial in training and one queued, as a session does."""
        self._inbox.put((self.name, what))
        if isinstance(what, Ready):
            self._inbox.put((self.name, TrialRequest(n=2)))
        if isinstance(what, TrialDone | TrialDiverged | TrialFailed | TrialStopped):
            attempt = what.number, what.attempt
            if attempt in self._given() - self._ended:
                self._ended.add(attempt)
                self._inbox.put((self.name, TrialRequest(n=1)))

    def _given(self) -> set[tuple[int, int]]:
        return {(spec.number, spec.attempt) for spec in self.given()}

    def kill(self) -> None:
        """The coordinator believes it dead."""

    def wait(self, timeout_seconds: float) -> bool:
        return True

    def given(self) -> list[TrialSpec]:
        """Every trial that was handed to it."""
        trains = [order for order in self.orders if isinstance(order, Train)]
        return [spec for order in trains for spec in order.specs]

    def told_to_leave(self, spec: TrialSpec) -> bool:
        """Whether this attempt is to end because it was pruned."""
        stop = spec.number, spec.attempt, StopReason.PRUNED
        return any(
            isinstance(order, Stop) and (order.number, order.attempt, order.reason) == stop
            for order in self.orders
        )


class Puppets:
    """Their launcher."""

    def __init__(self) -> None:
        self.inbox: Inbox = SimpleQueue()
        self.started: list[Puppet] = []
        #: The processes that analyse networks.
        self.analyses: list[Puppet] = []

    def start(self, name: str, device: str) -> Puppet:
        self.started.append(Puppet(name, device, self.inbox))
        return self.started[-1]

    def start_analysis(self, name: str) -> Puppet:
        self.analyses.append(Puppet(name, "cpu", self.inbox))
        return self.analyses[-1]


#: Starts or resumes a study, and gives the phase in which it ended.
Begin = Callable[[Puppets, Callable[[Progress], None]], str]


class Killed(BaseException):
    """The process is gone."""


class Lockstep:
    """One coordinator, from its start or resume to its end."""

    def __init__(self, begin: Begin, weather: "Weather") -> None:
        self.puppets = Puppets()
        self.phase: str | None = None
        self.error: BaseException | None = None
        self.progress: Progress | None = None
        self._begin = begin
        self._weather = weather
        self._ticked: SimpleQueue[None] = SimpleQueue()
        self._go: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ticked.get(timeout=60)

    @property
    def ended(self) -> bool:
        return self.phase is not None or self.error is not None

    def tick(self) -> None:
        """One turn of its loop, and all that it brings about."""
        assert not self.ended
        self.puppets.inbox.put((WAKE, Gone(reason="")))
        self._go.put(True)
        self._ticked.get(timeout=60)

    def kill(self) -> None:
        """It will do nothing more but what a dying process cannot help; that is tried, too."""
        if not self.ended:
            self._go.put(False)
            self._ticked.get(timeout=60)
        self._thread.join(timeout=60)

    def _run(self) -> None:
        self._weather.follow(self._thread)
        try:
            self.phase = self._begin(self.puppets, self._observe)
        except BaseException as error:
            self.error = error
        self._ticked.put(None)

    def _observe(self, progress: Progress) -> None:
        self.progress = progress
        self._ticked.put(None)
        if not self._go.get():
            raise Killed


class Weather:
    """Whether the database answers the coordinators' writes; nobody else's are disturbed."""

    def __init__(self) -> None:
        #: Nothing can be written.
        self.away = False
        #: What is written next is there, but nobody is told.
        self.answer_lost = False
        self._coordinators: set[threading.Thread] = set()

    def follow(self, thread: threading.Thread) -> None:
        self._coordinators.add(thread)

    def _concerns(self, connection: Connection) -> bool:
        writes = connection.get_execution_options().get("sweep_writes", False)
        thread = threading.current_thread()
        # Their ticks are written by threads of their outboxes.
        return bool(writes) and (thread in self._coordinators or thread.name == "write")

    def begin(self, connection: Connection) -> None:
        if self.away and self._concerns(connection):
            raise StoreError("the database is away")

    def commit(self, connection: Connection) -> None:
        if self.answer_lost and self._concerns(connection):
            self.answer_lost = False
            driver: Any = connection.connection.dbapi_connection
            driver.commit()
            raise StoreError("the answer was lost")


@contextmanager
def weather_of(engine: Engine) -> Iterator[Weather]:
    """What a test may do to a database."""
    weather = Weather()
    event.listen(engine, "begin", weather.begin)
    event.listen(engine, "commit", weather.commit)
    try:
        yield weather
    finally:
        event.remove(engine, "begin", weather.begin)
        event.remove(engine, "commit", weather.commit)


EPOCHS = 3


SEEDS = 2


def attempt_of(spec: TrialSpec) -> dict[str, int]:
    return {"number": spec.number, "attempt": spec.attempt}


def worker_ready() -> Ready:
    return Ready(
        device="cpu",
        device_name="none",
        torch_version="2",
        data=DatasetInfo(sha256="5", shape=ImageShape(height=1, width=1), n_train=9, n_test=1),
        originals_png=b"",
        trainer=Trainer.REFERENCE,
    )


def epochs_done(spec: TrialSpec, epoch: int, error: float) -> EpochsDone:
    metrics = EpochMetrics(train_loss=0.5, val_mse=error, val_bce=0.25, seconds=0.0)
    done = EpochDone(**attempt_of(spec), epoch=epoch, metrics=(metrics,) * SEEDS)
    return EpochsDone(epochs=(done,))


def report_epochs(puppet: Puppet, spec: TrialSpec) -> None:
    """All that a worker tells before a trial's result."""
    for epoch in range(1, EPOCHS + 1):
        puppet.say(epochs_done(spec, epoch, 0.5))


def trial_done(spec: TrialSpec) -> TrialDone:
    result = TestMetrics(
        test_mse=0.5,
        test_bce=None,
        psnr=3.0,
        exact_pixel_share=0.0,
        per_class_mse=(0.5,),
        n_parameters=9,
    )
    return TrialDone(
        **attempt_of(spec),
        results=(result,) * SEEDS,
        train_seconds=0.5,
        reconstructions_png=None,
        errors_png=None,
        weights=None,
    )


@contextmanager
def lockstep(engine: Engine, *overrides: str, options: RunOptions = ONE) -> Iterator[Lockstep]:
    """A coordinator whose workers are ready; one tick at a time."""
    file = study_file(STUDY, "study.repeat=2", *overrides)
    with weather_of(engine) as weather, patch("sweep.coordinator.run.prepare_data"):
        coordinator = Lockstep(
            lambda puppets, observe: start(
                engine, file, options, observe, say=lambda _: None, launcher=puppets
            ),
            weather,
        )
        try:
            for worker in coordinator.puppets.started:
                worker.say(worker_ready())
            coordinator.tick()
            yield coordinator
        finally:  # a test that fails leaves no thread behind
            coordinator.kill()
