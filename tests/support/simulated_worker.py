"""A worker process that trains nothing: it answers at a given rate, as a GPU's population would.

    python -m tests.support.simulated_worker --trials-per-second 250 --slots 128

It is the real worker but for its trainer: the same pipes, the same session, so the same messages in
the same order, at the times at which a device of that rate would have them. It loads no torch and
starts in half a second. For measuring what the coordinator keeps up with, and for killing.

A trial costs the device 1 / rate seconds, the same part of it in each of its epochs, whatever else
trains. The device works on one epoch of one population at a time, and on the next one meanwhile
that its worker reads the last, like the fused trainer; judged epochs, queued trials, statistics
and what is sent of the best trials are the session's own affair. What a trial reports is a pure
function of its configuration, seed and epoch (``val_mse_of``), so that whoever reads a study can
tell whether each number belongs where it stands.
"""

import argparse
import hashlib
import io
import math
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from sweep.active_trial import ActiveTrial
from sweep.config import TrialConfig
from sweep.enums import Output, Trainer
from sweep.launch.launcher import Inbox
from sweep.launch.local import LocalLauncher, LocalWorker
from sweep.launch.process import WorkerProcess
from sweep.messages import (
    N_BANDS,
    Accuracies,
    AnalyseNetwork,
    Capacity,
    DatasetInfo,
    Decomposition,
    Diagnostics,
    EpochDone,
    EpochMetrics,
    FeatureProbe,
    ImageShape,
    NetworkAnalysed,
    NetworkAnalysis,
    Order,
    PixelErrors,
    Probe,
    Ready,
    SpectrumBands,
    TestMetrics,
    TrialDiverged,
    TrialDone,
    TrialSpec,
    WorkerSetup,
    pack_spectrum,
)
from sweep.worker.__main__ import serve
from sweep.worker.populations import Populations
from sweep.worker.runner import Orders, Send, first_order
from sweep.worker.session import Session

N_INPUTS = 784
TILE_UNITS = 32
#: As the fused trainer's.
MAX_POPULATIONS = 4
DATA = DatasetInfo(
    sha256=hashlib.sha256(b"simulated").hexdigest(),
    shape=ImageShape(height=28, width=28),
    n_train=6_000,
    n_test=1_000,
)


BANDS = SpectrumBands(
    n_directions=(N_INPUTS // N_BANDS,) * N_BANDS,
    variances=tuple(10.0 / 4**band for band in range(N_BANDS)),
    mean_image_errors=(0.09 / N_BANDS,) * N_BANDS,
    n_images=82,
)


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The device that is simulated."""

    #: Trials that it finishes in a second while its population is never empty.
    trials_per_second: float = 100.0
    #: Slots of a population; ``WorkerSetup.max_slots`` may say less.
    slots: int = 64
    #: An epoch takes up to this share more or less than its time, at random.
    jitter: float = 0.0
    seed: int = 0
    #: From its start until it is ready, beyond what Python takes.
    start_seconds: float = 0.0

    def options(self) -> list[str]:
        """As ``main`` reads them."""
        return [f"--{_option(f.name)}={getattr(self, f.name)}" for f in fields(self)]


class SimulatedLauncher(LocalLauncher):
    """Starts simulated workers; each has a seed of its own."""

    def __init__(self, simulation: Simulation) -> None:
        # By its path, which holds in any folder.
        super().__init__((sys.executable, str(Path(__file__).resolve()), *simulation.options()))
        self._simulation = simulation
        self._n_started = 0

    def start(self, name: str, device: str) -> LocalWorker:
        seed = f"--seed={self._simulation.seed + self._n_started}"
        self._n_started += 1
        process = WorkerProcess(device, (*self._command, seed))
        return LocalWorker(name, self.inbox, process)

    def start_analysis(self, name: str) -> "SimulatedAnalysis":  # type: ignore[override]
        return SimulatedAnalysis(name, self.inbox)


class SimulatedAnalysis:
    """An analysis process that answers at once: simulated weights are no network's."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        self.name = name
        self._inbox = inbox

    def send(self, order: Order) -> None:
        if isinstance(order, AnalyseNetwork):
            event = NetworkAnalysed(number=order.number, analysis=ANALYSIS)
            self._inbox.put((self.name, event))

    def kill(self) -> None:
        """It has no process."""

    def wait(self, timeout_seconds: float) -> bool:
        return True


def val_mse_of(config: TrialConfig, seed: int, epoch: int) -> float:
    """The validation error that is reported: it falls with width and epochs, and knows a best
    learning rate, 1e-3."""
    noise = int(hashlib.sha256(f"{seed} {epoch}".encode()).hexdigest()[:8], 16) / 2**32
    steps = math.log10(config.learning_rate) + 3
    return 0.1 / math.sqrt(config.hidden_width) + 0.01 / epoch + 1e-3 * steps**2 + 1e-5 * noise


class Device:
    """Works on one launch after the other."""

    def __init__(self, simulation: Simulation, clock: Callable[[], float] = time.monotonic) -> None:
        self._simulation = simulation
        self._dice = random.Random(simulation.seed)
        self._clock = clock
        self._free_at = clock()

    def launch(self, specs: list[TrialSpec]) -> tuple[float, float]:
        """The epoch's end, by the clock, and the seconds that it takes."""
        rate, jitter = self._simulation.trials_per_second, self._simulation.jitter
        seconds = sum(1 / (rate * spec.config.epochs) for spec in specs)
        seconds *= 1 + jitter * self._dice.uniform(-1, 1)
        self._free_at = max(self._clock(), self._free_at) + seconds
        return self._free_at, seconds


@dataclass(kw_only=True, eq=False)
class SimulatedTrial(ActiveTrial):
    """A trial that only takes time."""

    seconds: float = 0.0

    def n_units(self, capacity: Capacity) -> int:
        return len(self.spec.seeds) * capacity.units_of(self.spec.config.hidden_width)


class Launched(NamedTuple):
    """An epoch that the device works on."""

    trials: list[tuple[SimulatedTrial, int]]  # and the epoch of each
    ends_at: float
    seconds: float


class SimulatedPopulation:
    """A ``PopulationTrainer`` that only waits; a place is free once its last epoch is launched."""

    def __init__(self, device: Device, capacity: Capacity) -> None:
        self.trained_seconds = 0.0
        self._device = device
        self._capacity = capacity
        self._trials: dict[int, SimulatedTrial] = {}

    @property
    def goes_on(self) -> bool:
        return any(trial.goes_on for trial in self._trials.values())

    def admit(self, spec: TrialSpec) -> SimulatedTrial | None:
        new = SimulatedTrial(spec=spec)
        slots, units = self._capacity.slots or 0, self._capacity.hidden_units
        if len(spec.seeds) > slots or new.n_units(self._capacity) > units:
            raise ValueError(
                f"trial {spec.number} needs more than {slots} slots and {units} units."
            )
        placed = [new, *(trial for trial in self._trials.values() if trial.goes_on)]
        if sum(len(trial.spec.seeds) for trial in placed) > slots:
            return None
        if sum(trial.n_units(self._capacity) for trial in placed) > units:
            return None
        self._trials[spec.number] = new
        return new

    def stop(self, number: int) -> None:
        self._trials[number].stopped = True

    def release(self, number: int) -> None:
        del self._trials[number]

    def launch_epoch(self) -> Launched:
        trials = [trial for trial in self._trials.values() if trial.goes_on]
        ends_at, seconds = self._device.launch([trial.spec for trial in trials])
        for trial in trials:
            trial.launched += 1
        return Launched([(trial, trial.launched) for trial in trials], ends_at, seconds)

    def collect(self, launched: Launched) -> list[EpochDone | TrialDiverged]:
        time.sleep(max(0.0, launched.ends_at - time.monotonic()))
        self.trained_seconds += launched.seconds
        share = launched.seconds / len(launched.trials)
        events: list[EpochDone | TrialDiverged] = []
        for trial, epoch in launched.trials:
            if self._trials.get(trial.spec.number) is trial:
                trial.epoch = epoch
                trial.seconds += share
                events.append(_epoch_done(trial.spec, epoch, share))
        return events

    def result(self, number: int, keep_below: float | None = None) -> TrialDone:
        trial = self._trials[number]
        if keep_below is None:
            keep_below = math.inf if trial.spec.keep_always else trial.spec.keep_below
        return _trial_done(trial.spec, keep_below, trial.seconds)

    def close(self) -> None:
        self._trials.clear()


def _epoch_done(spec: TrialSpec, epoch: int, seconds: float) -> EpochDone:
    metrics = []
    for seed in spec.seeds:
        error = val_mse_of(spec.config, seed, epoch)
        metrics.append(
            EpochMetrics(
                train_loss=1.05 * error,
                val_mse=error,
                val_bce=_bce(spec.config, error),
                seconds=seconds / len(spec.seeds),
                spectrum=pack_spectrum([error / N_BANDS] * N_BANDS),
            )
        )
    return EpochDone(number=spec.number, attempt=spec.attempt, epoch=epoch, metrics=tuple(metrics))


def _trial_done(spec: TrialSpec, keep_below: float, seconds: float) -> TrialDone:
    config = spec.config
    errors = [val_mse_of(config, seed, config.epochs) for seed in spec.seeds]
    mean = sum(errors) / len(errors)
    keeps = mean < keep_below
    return TrialDone(
        number=spec.number,
        attempt=spec.attempt,
        results=tuple(_test_metrics(config, 1.01 * error) for error in errors),
        train_seconds=seconds,
        reconstructions_png=PICTURES if keeps else None,
        errors_png=PICTURES if keeps else None,
        weights=bytes(4 * n_parameters(config)) if keeps else None,
    )


def _test_metrics(config: TrialConfig, error: float) -> TestMetrics:
    norm = math.sqrt(config.hidden_width)
    return TestMetrics(
        test_mse=error,
        test_bce=_bce(config, error),
        psnr=-10 * math.log10(error),
        exact_pixel_share=0.4 / (1 + error),
        per_class_mse=tuple(error * (0.9 + 0.02 * i) for i in range(10)),
        n_parameters=n_parameters(config),
        diagnostics=Diagnostics(
            dead_share=0.01,
            saturated_share=0.02,
            stuck_share=0.03,
            encoder_norm=norm,
            decoder_norm=norm,
        ),
        pixel_errors=PixelErrors(
            black_pixels=0.5, white_pixels=0.01, black_error=0.1, white_error=0.02
        ),
    )


def _bce(config: TrialConfig, error: float) -> float | None:
    return 0.25 + error if config.output_activation is Output.SIGMOID else None


def n_parameters(config: TrialConfig) -> int:
    """Of an autoencoder of 784 pixels."""
    return 2 * N_INPUTS * config.hidden_width + config.hidden_width + N_INPUTS


def _pictures() -> bytes:
    """A strip of ten pictures: noise, of about a real one's bytes."""
    grey = bytes(random.Random(0).randrange(128) for _ in range(28 * 280))
    with io.BytesIO() as file:
        Image.frombytes("L", (280, 28), grey).save(file, "PNG")
        return file.getvalue()


PICTURES = _pictures()
TOLD = Accuracies(linear=0.75, neighbours=0.8, network=0.85)
FEATURES = FeatureProbe(
    all_labels=TOLD,
    validation=TOLD,
    few_labels=TOLD,
    few_labels_std=TOLD,
    n_train=54_000,
    n_few=1_000,
    n_draws=5,
    nearest=((0, 1, 2, 3, 4),) * 10,
)
ANALYSIS = NetworkAnalysis(
    decomposition=Decomposition(code_rank=9.5, encoder_rank=8.5, decoder_rank=7.5, end_to_end=None),
    probe=Probe(
        code=FEATURES, n_pixels=N_INPUTS, n_test=10_000, commonest=0.1, shown=tuple(range(10))
    ),
)


def capacity_for(simulation: Simulation, setup: WorkerSetup) -> Capacity:
    """As many slots as the simulation has, each wide enough for the widest trial."""
    assert setup.expected is not None
    slots = simulation.slots if setup.max_slots is None else setup.max_slots
    slots = max(slots, setup.expected.n_seeds)
    units = slots * -(-setup.expected.max_hidden_width // TILE_UNITS) * TILE_UNITS
    return Capacity(
        slots=slots,
        hidden_units=units,
        tile_units=TILE_UNITS,
        bytes=units * 4 * 6 * N_INPUTS,
        n_populations=min(setup.expected.n_batch_sizes, MAX_POPULATIONS),
        n_seeds=setup.expected.n_seeds,
    )


def simulate(
    simulation: Simulation,
    device_name: str,
    setup: WorkerSetup,
    orders: Orders,
    send: Send,
    data: DatasetInfo = DATA,
) -> None:
    """Do a worker's work, as ``sweep.worker.work`` does; ``data`` is what it says it trains on."""
    time.sleep(simulation.start_seconds)
    capacity, device = capacity_for(simulation, setup), Device(simulation)
    assert setup.expected is not None
    send(
        Ready(
            device=device_name,
            device_name=f"simulated, {simulation.trials_per_second:g} trials/s",
            torch_version="none",
            data=data,
            originals_png=PICTURES,
            trainer=Trainer.FUSED if capacity.slots else Trainer.REFERENCE,
            capacity=capacity,
            spectrum=BANDS,
        )
    )
    trainer = Populations(
        lambda batch_size, capacity: SimulatedPopulation(device, capacity),
        capacity=capacity,
        halve=lambda capacity: None,
        expected=setup.expected,
    )
    Session(trainer, orders, send, pruning=setup.pruning).run()


def add_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of ``Simulation``."""
    for field in fields(Simulation):
        kind = type(field.default)
        parser.add_argument(f"--{_option(field.name)}", type=kind, default=field.default)


def simulation_of(options: argparse.Namespace) -> Simulation:
    """What the options say."""
    return Simulation(**{field.name: getattr(options, field.name) for field in fields(Simulation)})


def _option(name: str) -> str:
    return name.replace("_", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description="A worker that only pretends to train.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; simulated either way")
    add_options(parser)
    options = parser.parse_args()
    simulation = simulation_of(options)

    def work(orders: Orders, send: Send) -> None:
        simulate(simulation, options.device, first_order(orders), orders, send)

    serve(work)


if __name__ == "__main__":
    main()
