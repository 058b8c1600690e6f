"""The fused trainer: a population of different trials, trained as one program.

Each trial has bitwise the result that it would have alone: its weights, its data order and the
order of every sum depend only on the trial. It agrees with the reference trainer, to rounding.

``train_epoch`` is ``launch_epoch`` followed by ``collect``; a caller that launches the next epoch
before it collects the last one keeps a GPU busy meanwhile, and learns of a divergence, or obeys a
stop, one epoch later.

A trial's slots are free once its last epoch is launched: later launches run after it on the device.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.messages import Diagnostics, EpochDone, TrialDiverged, TrialDone, TrialSpec
from sweep.trainer.data import DeviceData
from sweep.trainer.fused.arrays import NewSlot
from sweep.trainer.fused.checks import check_device, check_images, check_trial
from sweep.trainer.fused.device_time import DeviceTime, DeviceTimer
from sweep.trainer.fused.draws import Draws
from sweep.trainer.fused.graphs import repeatable
from sweep.trainer.fused.kernel_config import PRECISIONS, KernelConfig
from sweep.trainer.fused.layout import Layout, SlotPlace
from sweep.trainer.fused.memory import Shape
from sweep.trainer.fused.population import DeviceImages, Measured, Population
from sweep.trainer.fused.results import (
    Pictures,
    diagnostics,
    divergence,
    epoch_metrics,
    saved_weights,
    test_metrics,
)
from sweep.trainer.fused.steps import TrainingSteps
from sweep.trainer.fused.table_rows import rows_of
from sweep.trainer.fused.transfers import to_cpu
from sweep.trainer.fused.trials import FusedTrial, Row, Tested
from sweep.trainer.initialisation import Weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Launched:
    """An epoch that the device is working on."""

    trials: tuple[FusedTrial, ...]
    #: Those whose last epoch it is.
    last: tuple[FusedTrial, ...]
    #: On the CPU once ``done``, like the next two.
    validation: Measured
    #: None if no trial ends.
    test: Measured | None
    #: Squared errors (K, D) along principal directions, of each slot; None without a spectrum.
    direction_squares: Tensor | None
    #: Reconstructions of the strip by the first seed of each of ``last``, (trials, images, D).
    reconstructions: Tensor | None
    #: Event at which the device is done; None on a CPU, where launches are synchronous.
    done: torch.cuda.Event | None
    #: Device time of the training, validation and test steps.
    time: DeviceTime

    def wait(self) -> float:
        """Wait until the device is done; return the seconds that it worked on the steps."""
        if self.done is not None:
            self.done.synchronize()
        return self.time.wait()


class FusedTrainer:
    """Trains its trials at the same time on a device that holds the data.

    It holds ``rows`` hidden units and ``slots`` seeds at a time (``memory.population_size``); all
    trials have one batch size. ``precision`` is that of products: "tf32", or "ieee" for float32.
    Without a GPU it needs Triton's interpreter, which is for tests.
    """

    def __init__(
        self,
        data: DeviceData,
        device: torch.device,
        *,
        batch_size: int,
        rows: int,
        slots: int,
        precision: str = "tf32",
        config: KernelConfig | None = None,
    ) -> None:
        check_device(device)
        if precision not in PRECISIONS:
            raise ValueError(f"unknown precision '{precision}'. Known: {', '.join(PRECISIONS)}.")
        check_images(data)
        config = config or PRECISIONS[precision]
        labels, self._class_sizes = _labels(data, device)
        self._test_pixels = data.test_pixels  # counted now: later, it would wait for the device
        self.data, self.device = data, device
        #: Batch size of all trials; larger than the actual batches if there are fewer images.
        self.batch_size = batch_size
        self._layout = Layout(n_slots=slots, n_tiles=rows // config.units, tile_units=config.units)
        n_classes = len(self._class_sizes)
        self._population = Population(
            self._layout,
            data.train,
            batch_size=min(batch_size, len(data.train)),
            n_evaluated=max(len(data.validation), len(data.test)),
            n_classes=n_classes,
            config=config,
            precision=precision,
        )
        self._shape = Shape(
            n_train=len(data.train),
            n_inputs=data.n_inputs,
            batch_size=self._population.shape.batch_size,
        )
        self._validation = DeviceImages(data.validation, labels, 0)
        self._test = DeviceImages(data.test, labels, n_classes)
        self._strip = DeviceImages(data.strip, labels, 0)
        self._pictures = Pictures(data)
        population = self._population
        self._timer = DeviceTimer(device)
        self._train_steps = TrainingSteps(population, device, self._timer)
        validate = repeatable(lambda: population.measure_step(self._validation, watch=True), device)
        test = repeatable(lambda: population.measure_step(self._test, split=True), device)
        self._validate_step = partial(self._timer.run, validate)
        self._test_step = partial(self._timer.run, test)
        self._project = _projection(population, data, labels, device, self._timer)
        self._trials: dict[int, FusedTrial] = {}
        self._draws = Draws(slots, len(data.train), data.n_inputs, device)
        #: How long the device has worked on the steps of the collected epochs.
        self.trained_seconds = 0.0

    # Who is in

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the present trials, in the order of their admission."""
        return tuple(self._trials)

    @property
    def goes_on(self) -> bool:
        """Whether any trial has an epoch to launch."""
        return any(trial.goes_on for trial in self._trials.values())

    def admit(self, spec: TrialSpec) -> FusedTrial | None:
        """Admit a trial, at epoch 0, from the next launch on; return None if it does not fit now.

        Raises ValueError for a trial that this population can never hold.
        """
        config = spec.config
        if spec.number in self._trials:
            raise ValueError(f"trial {spec.number} is in the population already.")
        check_trial(spec, self._layout, self.batch_size)
        places = self._layout.take(config.hidden_width, len(spec.seeds))
        if places is None:
            return None
        trial = FusedTrial(
            spec=spec,
            places=places,
            first_weights=self._draws.start_weights(config, spec.seeds),
        )
        self._draw_orders(trial)
        self._trials[spec.number] = trial
        return trial

    def stop(self, number: int) -> None:
        """Launch no more epochs of a trial; launched ones are still collected."""
        trial = self._trials[number]
        if trial.goes_on:
            trial.stopped = True
            self._give_back((trial,))

    def release(self, number: int) -> None:
        """Release a trial, finished or not; its slots are free at once."""
        trial = self._trials.pop(number)
        if trial.last_weights is None:
            self._layout.give_back(trial.places)

    def close(self) -> None:
        """Stop the threads; the memory is freed with the trainer."""
        self._draws.close()

    # Epochs

    def train_epoch(self) -> list[EpochDone | TrialDiverged]:
        """Train every trial that has epochs left for one epoch; release trials that diverged."""
        return self.collect(self.launch_epoch())

    def launch_epoch(self) -> Launched:
        """Launch an epoch: training, validation, and the test set for trials at their end.

        A trial admitted from now on starts with the next epoch.
        """
        trials = tuple(trial for trial in self._trials.values() if trial.goes_on)
        self._prepare(trials)
        self._train(trials)
        validation = self._measure(trials, self._validation)
        direction_squares = None if self._project is None else to_cpu(self._project())
        for trial in trials:
            trial.launched += 1
            self._draw_orders(trial)
        last = tuple(trial for trial in trials if not trial.goes_on)
        test = self._measure(last, self._test) if last else None
        reconstructions = self._reconstruct(last) if last else None
        self._give_back(last)
        return Launched(
            trials=trials,
            last=last,
            validation=validation,
            test=test,
            direction_squares=direction_squares,
            reconstructions=reconstructions,
            done=self._mark(),
            time=self._timer.take(),
        )

    def collect(self, launched: Launched) -> list[EpochDone | TrialDiverged]:
        """Wait for an epoch; return its outcome for each trial that is still in training."""
        seconds = self._seconds(launched)
        report = launched.validation.report.numpy()
        spectra = self._spectra(launched.direction_squares)
        self._keep_tests(launched)
        return [
            self._collect(trial, report, spectra, seconds)
            for trial in launched.trials
            if self._trials.get(trial.spec.number) is trial
        ]

    def diagnostics(self, number: int) -> tuple[Diagnostics, ...]:
        """Return the diagnostics of the trial's networks after its last epoch, one per seed."""
        return self._trials[number].diagnostics

    def result(self, number: int, keep_below: float | None = None) -> TrialDone:
        """Measure a trial that has trained to its last epoch; it stays until released.

        Weights and pictures are included if its error is below ``keep_below``, by default the
        trial's own limit.
        """
        trial, data = self._trials[number], self.data
        spec, tested = trial.spec, trial.tested
        if tested is None:
            raise ValueError(
                f"trial {number} has finished {trial.epoch} of {spec.config.epochs} epochs;"
                " its result comes after the last."
            )
        if keep_below is None:
            keep_below = math.inf if spec.keep_always else spec.keep_below
        keeps = trial.last_error < keep_below
        return TrialDone(
            number=number,
            attempt=spec.attempt,
            results=tuple(
                test_metrics(
                    row,
                    squares,
                    self._class_sizes,
                    spec.config,
                    data,
                    of_seed,
                    by_value,
                    self._test_pixels,
                )
                for row, squares, of_seed, by_value in zip(
                    tested.report,
                    tested.class_squares,
                    trial.diagnostics,
                    tested.value_squares,
                    strict=True,
                )
            ),
            train_seconds=trial.train_seconds,
            reconstructions_png=self._pictures.reconstructions_png(tested) if keeps else None,
            errors_png=self._pictures.errors_png(tested) if keeps else None,
            weights=saved_weights(trial, data) if keeps else None,
        )

    def weights(self, number: int) -> tuple[Weights, ...]:
        """Copy a trial's present weights to the CPU, one a seed."""
        return self._weights_of(self._trials[number])

    # Launching

    def _prepare(self, trials: Iterable[FusedTrial]) -> None:
        """Do everything that waits for the host, so that the device need not wait."""
        population = self._population
        population.assign_training(_places(trials))
        self._write_new(trials)
        for order in [order for trial in trials for order in trial.orders]:
            order.result()
        self._draws.send_orders([place.slot for place in _places(trials)], population.arrays.order)
        population.start_epoch()

    def _write_new(self, trials: Iterable[FusedTrial]) -> None:
        """Write the settings and first weights of trials admitted since the last turn."""
        new = []
        for trial in trials:
            if trial.first_weights:
                rows = rows_of(trial.spec.config, self._population.steps_per_epoch)
                for place, weights in zip(trial.places, trial.first_weights, strict=True):
                    new.append(NewSlot(place, rows, weights.result()))
                trial.first_weights = []
        self._population.arrays.write_slots(new)

    def _train(self, trials: tuple[FusedTrial, ...]) -> None:
        if trials:
            self._train_steps(self._population.steps_per_epoch)

    def _measure(self, trials: Iterable[FusedTrial], images: DeviceImages) -> Measured:
        population = self._population
        population.measuring.assign(_places(trials), self._layout.tile_units)
        validates = images is self._validation
        step = self._validate_step if validates else self._test_step
        measured = population.measure(images, step, summarise=validates)
        return Measured(*(to_cpu(tensor) for tensor in measured))

    def _reconstruct(self, last: tuple[FusedTrial, ...]) -> Tensor:
        """Reconstruct the strip with each trial's first seed, (trials, images, D)."""
        slots = [trial.places[0].slot for trial in last]
        return to_cpu(self._population.reconstruct(self._strip, slots))

    def _give_back(self, trials: Sequence[FusedTrial]) -> None:
        """Free the places of these trials.

        Keep their weights, which are being copied to the CPU.
        """
        if not trials:
            return
        self._write_new(trials)  # one may be stopped before its first epoch
        weights = iter(self._population.arrays.read_slots(_places(trials)))
        copied = self._mark()
        for trial in trials:
            trial.last_weights = [next(weights) for _ in trial.places]
            trial.weights_copied = copied
            self._layout.give_back(trial.places)

    def _draw_orders(self, trial: FusedTrial) -> None:
        if trial.goes_on:
            seeds = trial.spec.seeds
            trial.orders = self._draws.start_orders(trial.slots, seeds, trial.launched + 1)

    def _mark(self) -> torch.cuda.Event | None:
        if self.device.type != "cuda":
            return None
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    # Collecting

    def _seconds(self, launched: Launched) -> dict[SlotPlace, float]:
        """Divide the device's time among slots by the memory traffic of their steps."""
        spent = launched.wait()
        self.trained_seconds += spent
        places = _places(launched.trials)
        traffic = [self._shape.step_bytes(place.hidden_width) for place in places]
        whole = sum(traffic)
        return {place: spent * part / whole for place, part in zip(places, traffic, strict=True)}

    def _keep_tests(self, launched: Launched) -> None:
        if launched.test is None or launched.reconstructions is None:
            return
        report = launched.test.report.numpy()
        class_squares = launched.test.class_squares.numpy()
        value_squares = launched.test.value_squares.numpy()
        for trial, reconstructions in zip(launched.last, launched.reconstructions, strict=True):
            trial.tested = Tested(
                report=report[trial.slots],
                class_squares=class_squares[trial.slots].sum(axis=1),
                value_squares=value_squares[trial.slots].sum(axis=1),
                reconstructions=reconstructions,
            )

    def _spectra(self, squares: Tensor | None) -> Row | None:
        """Compute the error spectra (K, N_BANDS) of all slots."""
        basis = self.data.spectrum
        return None if basis is None or squares is None else basis.by_band(squares.numpy())

    def _collect(
        self, trial: FusedTrial, report: Row, spectra: Row | None, seconds: dict[SlotPlace, float]
    ) -> EpochDone | TrialDiverged:
        spec, rows, epoch = trial.spec, report[trial.slots], trial.epoch + 1
        metrics = tuple(
            epoch_metrics(
                row,
                spec.config,
                self.data.validation.shape,
                seconds[place],
                None if spectra is None else spectra[place.slot],
            )
            for row, place in zip(rows, trial.places, strict=True)
        )
        reason = divergence(trial, metrics, rows, epoch)
        if reason is not None:
            self.release(spec.number)
            return TrialDiverged(
                number=spec.number, attempt=spec.attempt, epoch=epoch, reason=reason
            )
        trial.epoch = epoch
        trial.metrics.append(metrics)
        trial.diagnostics = tuple(
            diagnostics(row, spec.config, len(self.data.validation)) for row in rows
        )
        return EpochDone(number=spec.number, attempt=spec.attempt, epoch=epoch, metrics=metrics)

    def _weights_of(self, trial: FusedTrial) -> tuple[Weights, ...]:
        weights, copied = trial.last_weights, trial.weights_copied
        if weights is None:
            self._write_new((trial,))
            weights = self._population.arrays.read_slots(trial.places)
            copied = self._mark()
        if copied is not None:
            copied.synchronize()
        return tuple(one.as_weights() for one in weights)


def _places(trials: Iterable[FusedTrial]) -> list[SlotPlace]:
    return [place for trial in trials for place in trial.places]


def _projection(
    population: Population,
    data: DeviceData,
    labels: Tensor,
    device: torch.device,
    timer: DeviceTimer,
) -> Callable[[], Tensor] | None:
    """Return a function that measures errors along principal directions.

    None without a spectrum.
    """
    basis = data.spectrum
    if basis is None:
        return None
    images, directions = DeviceImages(basis.images, labels, 0), basis.directions
    step = repeatable(lambda: population.project_step(images, directions), device)
    return lambda: population.project(images, partial(timer.run, step))


def _labels(data: DeviceData, device: torch.device) -> tuple[Tensor, NDArray[np.int64]]:
    """Map the test images' classes to 0, 1, …, (n,) int32 on the device, and count each.

    Without labels there are no classes, and the labels are not read.
    """
    if data.test_labels is None:
        return torch.zeros(len(data.test), dtype=torch.int32, device=device), np.zeros(0, np.int64)
    _, labels, sizes = np.unique(data.test_labels, return_inverse=True, return_counts=True)
    return torch.from_numpy(labels.astype(np.int32)).to(device), sizes.astype(np.int64)
