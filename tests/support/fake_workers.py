"""Workers in threads: the real session and the real wire, and a trainer that only pretends.

A pretended trial's error falls with its width and its epochs, so that tests know what to expect.
"""

import hashlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

import pytest

from sweep.codec import EVENTS, ORDERS
from sweep.enums import Trainer
from sweep.errors import FusedUnavailableError, SweepError
from sweep.launch import resources
from sweep.launch.launcher import Gone, Inbox
from sweep.messages import (
    Accuracies,
    AnalyseNetwork,
    Capacity,
    DatasetInfo,
    Decomposition,
    EpochMetrics,
    Event,
    FeatureProbe,
    ImageShape,
    NetworkAnalysed,
    NetworkAnalysis,
    Order,
    Probe,
    ProbeBaseline,
    Ready,
    TestMetrics,
    TrialDone,
    TrialSpec,
    WorkerFailed,
    WorkerSetup,
    WorkloadEstimate,
)
from sweep.worker.populations import Populations
from sweep.worker.session import Session, SessionTrainer
from sweep.worker.single_trials import SingleTrials
from tests.support.fake_populations import FakePopulation

#: Of the data that they pretend to have.
DATA_SHA256 = "5" * 64
SHAPE = ImageShape(height=28, width=28)
DATA = DatasetInfo(sha256=DATA_SHA256, shape=SHAPE, n_train=6_000, n_test=1_000)

#: Called at each epoch of each trial; may sleep, raise, or kill its worker.
OnEpoch = Callable[["FakeWorker", TrialSpec, int], None]


def error_of(spec: TrialSpec, epoch: int, seed: int) -> float:
    """The validation error that a pretended trial reports."""
    noise = int(hashlib.sha256(str(seed).encode()).hexdigest()[:4], 16) / 65536
    return 1 / spec.config.hidden_width + 0.1 / epoch + 1e-6 * noise


class FakeTraining:
    """One pretended trial."""

    pictures = b"png"

    def __init__(self, worker: "FakeWorker", spec: TrialSpec) -> None:
        self._worker = worker
        self._spec = spec
        self.epoch = 0

    @property
    def finished(self) -> bool:
        return self.epoch >= self._spec.config.epochs

    def train_seconds(self) -> float:
        return 0.5

    def train_epoch(self) -> tuple[EpochMetrics, ...]:
        self._worker.on_epoch(self._worker, self._spec, self.epoch + 1)
        self.epoch += 1
        return tuple(
            EpochMetrics(
                train_loss=0.5,
                val_mse=error_of(self._spec, self.epoch, seed),
                val_bce=0.25,
                seconds=0.0,
            )
            for seed in self._spec.seeds
        )

    def result(self) -> TrialDone:
        best = error_of(self._spec, self.epoch, self._spec.seeds[0])
        return TrialDone(
            number=self._spec.number,
            attempt=self._spec.attempt,
            results=tuple(
                TestMetrics(
                    test_mse=error_of(self._spec, self.epoch, seed) * 2,
                    test_bce=0.25,
                    psnr=20.0,
                    exact_pixel_share=0.5,
                    per_class_mse=(0.1, 0.2),
                    n_parameters=self._spec.config.hidden_width,
                )
                for seed in self._spec.seeds
            ),
            train_seconds=self.train_seconds(),
            reconstructions_png=self.pictures,
            errors_png=self.pictures,
            weights=b"weights" if best < self._spec.keep_below or self._spec.keep_always else None,
        )


#: Where a worker is told nothing of the trials to come.
EXPECTED = WorkloadEstimate(
    mean_hidden_width=210, max_hidden_width=1024, n_seeds=1, max_batch_size=128, n_batch_sizes=1
)


def half(capacity: Capacity) -> Capacity | None:
    """Half the slots and hidden units; None where that leaves no slot."""
    slots, units = (capacity.slots or 0) // 2, capacity.hidden_units // 2
    return replace(capacity, slots=slots, hidden_units=units) if slots else None


class Killed(SystemExit):
    """The worker's threads end here, as a process would at SIGKILL."""


def _kind(setup: WorkerSetup, capacity: Capacity) -> Trainer:
    """What trains as much as that."""
    if capacity.slots is not None:
        return Trainer.FUSED
    return Trainer.REFERENCE if setup.trainer is Trainer.AUTO else setup.trainer


class FakeWorker:
    """A worker's handle and its thread."""

    def __init__(
        self, name: str, device: str, inbox: Inbox, on_epoch: OnEpoch, population: "Population"
    ) -> None:
        self.name = name
        self.device = device
        self.host = socket.gethostname()
        self.pid = 1
        self.on_epoch = on_epoch
        self.population = population
        self.orders: list[Order] = []
        self.setup: WorkerSetup | None = None
        self._inbox = inbox
        self._own: SimpleQueue[Order] = SimpleQueue()
        self._dead = False
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def start(self, spec: TrialSpec) -> FakeTraining:
        return FakeTraining(self, spec)

    def send(self, order: Order) -> None:
        self.orders.append(order)
        self._own.put(ORDERS.decode(ORDERS.encode(order)))

    def kill(self) -> None:
        self._dead = True

    def wait(self, timeout_seconds: float) -> bool:
        if not self._dead:
            self._thread.join(timeout_seconds)
        return self._dead or not self._thread.is_alive()

    def _live(self) -> None:
        try:
            setup = self._own.get()
            assert isinstance(setup, WorkerSetup)
            self.setup = setup
            capacity, reason = self._capacity(setup)
            self._tell(
                Ready(
                    device=self.device,
                    device_name="pretended",
                    torch_version="0",
                    data=DATA,
                    originals_png=FakeTraining.pictures,
                    trainer=_kind(setup, capacity),
                    fallback_reason=reason,
                    capacity=capacity,
                    driver_version="580.82.07",
                    ptxas_version=None if capacity.slots is None else self.population.ptxas_version,
                )
            )
            trainer = self._trainer(setup, capacity)
            Session(trainer, self._own, self._tell, pruning=setup.pruning).run()
        except Killed:
            self._inbox.put((self.name, Gone(reason="killed by signal 9")))
        except SweepError as error:
            self._tell(WorkerFailed(error=type(error).__name__, message=str(error)))
            self._inbox.put((self.name, Gone(reason=f"exit code {error.exit_code}")))

    def _capacity(self, setup: WorkerSetup) -> tuple[Capacity, str | None]:
        """What it trains at the same time, and why not more, as it chooses its trainer."""
        reason = self.population.fused_fails
        if reason is not None and setup.trainer is Trainer.FUSED:
            raise FusedUnavailableError(reason)
        if reason is not None and setup.trainer is Trainer.AUTO:
            return Capacity(), reason
        if setup.trainer is Trainer.REFERENCE and self.device != "cpu":
            return Capacity(), None
        n_seeds = 1 if setup.expected is None else setup.expected.n_seeds
        return replace(self.population.capacity, n_seeds=n_seeds), None

    def _trainer(self, setup: WorkerSetup, capacity: Capacity) -> SessionTrainer:
        if capacity.slots is None:
            return SingleTrials(self.start)
        return Populations(
            lambda size, capacity: FakePopulation(size, capacity, self.population.on_launch),
            capacity=capacity,
            halve=half,
            expected=setup.expected or EXPECTED,
        )

    def _tell(self, event: Event) -> None:
        if self._dead:
            raise Killed
        self._inbox.put((self.name, EVENTS.decode(EVENTS.encode(event))))


def nothing(_worker: FakeWorker, _spec: TrialSpec, _epoch: int) -> None:
    """The usual epoch."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """What a pretended worker trains at the same time: by default one trial."""

    capacity: Capacity = field(default_factory=Capacity)
    ptxas_version: str = "12.9.86"
    #: Why its device, a GPU, cannot use the fused trainer.
    fused_fails: str | None = None
    on_launch: Callable[[FakePopulation], None] = lambda population: None


TOLD = Accuracies(linear=0.75, neighbours=0.5, network=0.5)
FEATURES = FeatureProbe(
    all_labels=TOLD,
    validation=TOLD,
    few_labels=TOLD,
    few_labels_std=TOLD,
    n_train=8,
    n_few=4,
    n_draws=2,
    nearest=((0, 1),),
)
BASELINE = ProbeBaseline(data_key="made up", width=9, pca=FEATURES, random=FEATURES)
#: The analysis of every pretended network.
ANALYSIS = NetworkAnalysis(
    decomposition=Decomposition(
        code_rank=3.5, encoder_rank=2.5, decoder_rank=1.5, end_to_end=(1.0, 0.5)
    ),
    probe=Probe(code=FEATURES, n_pixels=9, n_test=4, commonest=0.25, shown=(0,)),
    baselines=(BASELINE,),
)


class FakeAnalysis:
    """An analysis process that answers at once."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        self.name, self.device, self.host, self.pid = name, "cpu", socket.gethostname(), 1
        self.orders: list[Order] = []
        self._inbox = inbox

    def send(self, order: Order) -> None:
        self.orders.append(ORDERS.decode(ORDERS.encode(order)))
        if isinstance(order, AnalyseNetwork):
            event = NetworkAnalysed(number=order.number, analysis=ANALYSIS)
            self._inbox.put((self.name, EVENTS.decode(EVENTS.encode(event))))

    def kill(self) -> None:
        """It does nothing between two orders."""

    def wait(self, timeout_seconds: float) -> bool:
        return True


class FakeLauncher:
    """Starts pretended workers, and remembers them."""

    def __init__(self, on_epoch: OnEpoch = nothing, **population: Any) -> None:
        self.inbox: Inbox = SimpleQueue()
        self.workers: list[FakeWorker] = []
        self.analyses: list[FakeAnalysis] = []
        self._on_epoch = on_epoch
        self._population = Population(**population)

    def start(self, name: str, device: str) -> FakeWorker:
        worker = FakeWorker(name, device, self.inbox, self._on_epoch, self._population)
        self.workers.append(worker)
        return worker

    def start_analysis(self, name: str) -> FakeAnalysis:
        self.analyses.append(FakeAnalysis(name, self.inbox))
        return self.analyses[-1]


def pretend_local_workers(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], FakeLauncher] = FakeLauncher
) -> None:
    """Have runs that name no launcher start pretended workers, and no process ahead of them."""

    monkeypatch.setattr(resources, "start_processes", lambda devices, **_: [])
    monkeypatch.setattr(resources, "local_launcher", lambda ahead: make())


def slowly(_worker: FakeWorker, _spec: TrialSpec, _epoch: int) -> None:
    """An epoch that takes a moment, so that a test can act within it."""
    time.sleep(0.02)
