"""Training a trial again, to see whether it comes out the same: what ``sweep verify`` calls.

The worker is an ordinary one, started and spoken to as a study's are; the database is only read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any

import sweep.errors
from sweep import datasets
from sweep.coordinator.provenance import collect_provenance
from sweep.coordinator.replay import Comparison, Metrics, TrainingTrace, compare
from sweep.coordinator.workload import estimate_workload
from sweep.enums import Outcome, StopReason, Trainer
from sweep.errors import SweepError, UsageError
from sweep.launch.devices import choose_devices, n_cores
from sweep.launch.launcher import Gone, Launcher, WorkerHandle
from sweep.launch.local import LocalLauncher
from sweep.launch.resources import resolve_trainer
from sweep.messages import (
    EpochDone,
    EpochsDone,
    Event,
    Ready,
    Shutdown,
    Stop,
    TestMetrics,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialSpec,
    TrialStopped,
    WorkerFailed,
    WorkerSetup,
)
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study
from sweep.store.records import TrialDetail
from sweep.store.training_record import Trained
from sweep.studyfile import StudyFile, loads, typed_config

#: Relative: what two devices, or two orders of summing, are likely to differ by (unmeasured).
TOLERANCE = 1e-3
_SHUTDOWN_SECONDS = 10.0
_OUTCOMES = (Outcome.COMPLETE, Outcome.PRUNED, Outcome.TIMED_OUT, Outcome.DIVERGED)
_OF_EPOCH = ("train_loss", "val_mse", "val_bce")
_OF_TEST = ("test_mse", "test_bce", "psnr", "exact_pixels")

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """How to train again; None is as the trial was trained."""

    #: ``cpu``, or an index like ``0``.
    gpus: str | None = None
    trainer: Trainer | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Result of a verification."""

    number: int
    comparison: Comparison
    trainer: Trainer
    device: str
    device_name: str
    n_epochs: int
    n_seeds: int
    #: In what this machine, its code or its data differ from what is on record, one each.
    differs: tuple[str, ...]


def verify(
    engine: Engine,
    name: str,
    number: int,
    options: VerifyOptions,
    *,
    say: Say,
    launcher: Launcher | None = None,
) -> Verification:
    """Train a trial of a study again and compare.

    Raises UsageError for a trial that was not trained, DeviceError and DataError when the device
    or the data are not there, SweepError when the training fails.
    """
    study = open_study(engine, name)
    trial = study.trial(number)
    _check_trained(name, trial)
    record = study.training_record(number)
    file = loads(study.record().study_file, f"study '{name}'", check_packages=False)
    datasets.load(file.data.name)  # raises DataError, sooner than a worker would
    device = _device(options, record)
    asked = options.trainer or record.trainer or Trainer.AUTO
    trainer = resolve_trainer(asked, on_cpu=device == "cpu")
    stored = _stored(study, trial)
    training = _Training(
        launcher or LocalLauncher(), device, _setup(file, trainer, device, record), say
    )
    goes_on = trial.outcome in (Outcome.COMPLETE, Outcome.DIVERGED)
    again = training.run(_spec(trial), stored.last_epoch, goes_on=goes_on)
    return Verification(
        number=number,
        comparison=compare(stored, again, options.tolerance),
        trainer=training.ready.trainer,
        device=device,
        device_name=training.ready.device_name,
        n_epochs=stored.last_epoch,
        n_seeds=len(trial.seeds),
        differs=tuple(_differs(record, collect_provenance(trainer), training.ready)),
    )


def _check_trained(name: str, trial: TrialDetail) -> None:
    if trial.outcome == Outcome.REUSED:
        raise UsageError(
            f"trial {trial.number} was not trained: it has the results of trial "
            f"{trial.reused_from}. `sweep verify {quote(name)} {trial.reused_from}`"
        )
    if trial.outcome not in _OUTCOMES or not trial.seeds:
        raise UsageError(
            f"trial {trial.number} of study '{name}' is {trial.state.lower()}: there is nothing to "
            "compare with. Name one that is complete, pruned or diverged."
        )


def _device(options: VerifyOptions, record: Trained) -> str:
    on_gpu = record.device not in (None, "cpu")
    return choose_devices(options.gpus or ("all" if on_gpu else "cpu"), 1, 1)[0]


def _setup(file: StudyFile, trainer: Trainer, device: str, record: Trained) -> WorkerSetup:
    return WorkerSetup(
        dataset=file.data.name,
        validation_fraction=file.data.validation_fraction,
        split_seed=file.data.split_seed,
        pruning=False,
        n_threads=(record.n_threads or n_cores()) if device == "cpu" else None,
        train_limit=file.data.train_limit,
        trainer=trainer,
        expected=estimate_workload(file),
    )


def _spec(trial: TrialDetail) -> TrialSpec:
    return TrialSpec(
        number=trial.number,
        attempt=1,
        config=typed_config(trial.config),
        seeds=trial.seeds,
        keep_below=float("-inf"),
    )


def _stored(study: StudyHandle, trial: TrialDetail) -> TrainingTrace:
    curves = study.seed_curves(trial.number)
    course = TrainingTrace(
        epochs={
            (point.epoch, seed_index): {metric: getattr(point, metric) for metric in _OF_EPOCH}
            for seed_index, points in curves.items()
            for point in points
        },
        tests={result.seed_index: _numbers(vars(result)) for result in trial.results},
    )
    if trial.outcome != Outcome.DIVERGED:
        return course
    return TrainingTrace(epochs=course.epochs, infinite_at=course.last_epoch + 1)


def _numbers(test: Mapping[str, Any]) -> Metrics:
    """A seed's test results, flat."""
    classes = {f"mse of class {n}": mse for n, mse in enumerate(test["per_class_mse"] or ())}
    return {metric: test[metric] for metric in _OF_TEST} | classes


class _Training:
    """One trial in a worker of its own."""

    ready: Ready

    def __init__(self, launcher: Launcher, device: str, setup: WorkerSetup, say: Say) -> None:
        self._launcher = launcher
        self._device = device
        self._setup = setup
        self._say = say
        self._epochs: dict[tuple[int, int], Metrics] = {}

    def run(self, spec: TrialSpec, last_epoch: int, *, goes_on: bool) -> TrainingTrace:
        """Train to the end, or (not ``goes_on``) to the last epoch that is stored."""
        worker = self._launcher.start("verify", self._device)
        try:
            worker.send(self._setup)
            for event in self._events():
                match event:
                    case Ready():
                        self.ready = event
                        worker.send(Train(specs=(spec,)))
                    case EpochDone():
                        self._hear_epoch(event, spec)
                        if event.epoch >= last_epoch and not goes_on:
                            reason = StopReason.INTERRUPTED
                            worker.send(Stop(number=spec.number, attempt=1, reason=reason))
                    case TrialDone(results=results):
                        return self._course(results)
                    case TrialStopped():
                        return self._course(())
                    case TrialDiverged(epoch=epoch):
                        return TrainingTrace(epochs=self._epochs, infinite_at=epoch)
                    case TrialFailed(reason=reason):
                        raise SweepError(f"trial {spec.number} could not be trained: {reason}")
            raise AssertionError("a launcher tells when a worker has gone")
        finally:
            _end(worker)

    def _events(self) -> Iterator[Event | EpochDone]:
        while True:
            _, event = self._launcher.inbox.get()
            match event:
                case WorkerFailed(error=error, message=message):
                    raise getattr(sweep.errors, error, SweepError)(message)
                case Gone(reason=reason):
                    raise SweepError(f"the worker has gone: {reason}. `sweep doctor` may tell why.")
                case EpochsDone(epochs=epochs):
                    yield from epochs
                case _:
                    yield event

    def _hear_epoch(self, event: EpochDone, spec: TrialSpec) -> None:
        for seed_index, metrics in enumerate(event.metrics):
            numbers = {metric: getattr(metrics, metric) for metric in _OF_EPOCH}
            self._epochs[event.epoch, seed_index] = numbers
        self._say(f"epoch {event.epoch} of {spec.config.epochs}")

    def _course(self, results: tuple[TestMetrics, ...]) -> TrainingTrace:
        tests = {index: _numbers(asdict(result)) for index, result in enumerate(results)}
        return TrainingTrace(epochs=self._epochs, tests=tests)


def _end(worker: WorkerHandle) -> None:
    worker.send(Shutdown())
    if not worker.wait(_SHUTDOWN_SECONDS):
        worker.kill()
        worker.wait(_SHUTDOWN_SECONDS)


def _differs(record: Trained, now: Mapping[str, Any], ready: Ready) -> Iterator[str]:
    """What is another than it was: data, code, versions, machine; one line each."""
    pairs: dict[str, tuple[Any, Any]] = {"data SHA-256": (record.data_sha256, ready.data_sha256)}
    for key in ("git_commit", "sweep", "python", "platform"):
        pairs[key.replace("_", " ")] = record.provenance.get(key), now[key]
    pairs["trainer"] = record.trainer, ready.trainer
    packages: Mapping[str, Any] = record.provenance.get("packages", {})
    for package, version in now["packages"].items():
        pairs[package] = packages.get(package), version
    pairs["ptxas"] = record.ptxas_version, ready.ptxas_version
    pairs["device"] = record.device_name, ready.device_name
    for what, (then, here) in pairs.items():
        if then is not None and then != here:
            yield f"{what}: was {then}, is {here or 'unknown'}"
