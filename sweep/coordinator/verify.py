"""Train a trial again and compare, for ``sweep verify``.

The trial is the only one of a study in memory, which an ordinary coordinator runs; the database is
only read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

from sweep.config import TrialConfig, typed_config
from sweep.coordinator.progress import Observer, Progress
from sweep.coordinator.replay import (
    Agreement,
    Metrics,
    TraceComparison,
    TrainingTrace,
    compare,
    shares_of_bands,
)
from sweep.coordinator.run import Say, ScratchStudy, prepare_data, run_scratch
from sweep.enums import Outcome, Pruner, Sampler, Trainer
from sweep.errors import SweepError, UsageError
from sweep.launch.devices import choose_devices, n_cores
from sweep.launch.launcher import Launcher
from sweep.launch.resources import RunResources, local_launcher, resolve_trainer
from sweep.search.curves import CurvesAtStep
from sweep.search.pruning import PruningRule
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study
from sweep.store.memory import memory_store
from sweep.store.records import TrialDetail
from sweep.store.training_record import Trained
from sweep.studyfile import StudyFile, loads
from sweep.studyfile.sections import BudgetSection, PrunerSection, SamplerSection, WarmStartSection
from sweep.studyfile.space import Fixed, Space

#: Relative: an (unmeasured) bound on the difference of two devices, or two orders of summation.
TOLERANCE = 1e-3
_OUTCOMES = (Outcome.COMPLETE, Outcome.PRUNED, Outcome.TIMED_OUT, Outcome.DIVERGED)
_OF_EPOCH = ("train_loss", "val_mse", "val_bce")
_OF_TEST = ("test_mse", "test_bce", "psnr", "exact_pixel_share")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """How to train again; None means as the trial was trained."""

    #: ``cpu``, or an index like ``0``.
    gpus: str | None = None
    trainer: Trainer | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Result of a verification."""

    number: int
    comparison: TraceComparison
    trainer: Trainer
    device: str
    device_name: str
    n_epochs: int
    n_seeds: int
    #: How this machine, its code or its data differ from what is recorded, an item each.
    differs: tuple[str, ...]
    #: The weights of the second training, as safetensors; None where it did not reach its end.
    weights: bytes | None


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

    Raises UsageError for a trial that was not trained, DeviceError and DataError if the device or
    the data are not available, SweepError if the training fails.
    """
    study = open_study(engine, name)
    trial = study.trial(number)
    _check_trained(name, trial)
    record = study.training_record(number)
    file = loads(study.record().study_file, f"study '{name}'", check_packages=False)
    # Raises DataError, sooner than a worker would.
    dataset = prepare_data(file, say, record.data_sha256, engine)
    device = _device(options, record)
    asked = options.trainer or record.trainer or Trainer.AUTO
    repeating = _file_of(file, typed_config(trial.config))
    resources = RunResources(
        devices=(device,),
        trainer=resolve_trainer(asked, repeating.space, on_cpu=device == "cpu"),
        population=None,
        n_threads=(record.n_threads or n_cores()) if device == "cpu" else None,
        launcher=launcher or local_launcher([]),
    )
    stored = _trace(study, trial)
    goes_on = trial.outcome in (Outcome.COMPLETE, Outcome.DIVERGED)
    rule = None if goes_on else _EndAfter(stored.last_epoch)
    with memory_store() as scratch, TemporaryDirectory() as folder:
        run_scratch(
            scratch,
            repeating,
            ScratchStudy(dataset=dataset, seeds=trial.seeds, rule=rule, artifacts=Path(folder)),
            resources,
            _epochs_to(say),
            say=say,
        )
        repeated = open_study(scratch, name)
        second = repeated.trial(0)
        if second.outcome == Outcome.FAILED:
            raise SweepError(f"trial {number} could not be trained: {second.reason}")
        again, its_record = _trace(repeated, second), repeated.training_record(0)
        kept = second.artifact_id
        weights = None if kept is None else Path(folder, kept).read_bytes()
    return Verification(
        number=number,
        comparison=compare(stored, again, options.tolerance),
        trainer=its_record.trainer or resources.trainer,
        device=device,
        device_name=its_record.device_name or "",
        n_epochs=stored.last_epoch,
        n_seeds=len(trial.seeds),
        differs=tuple(_differences(record, its_record)),
        weights=weights,
    )


def train_weights(study: StudyHandle, number: int, *, say: Say) -> bytes:
    """Train a trial again, as ``verify`` does, and return its weights as safetensors.

    Raises as ``verify`` does, and SweepError where the results are not those on record.
    """
    found = verify(study.engine, study.name, number, VerifyOptions(), say=say)
    if found.comparison.agreement is Agreement.DIVERGED:
        raise SweepError(
            f"trial {number} of study '{study.name}' does not train to the results on record. "
            f"`sweep verify {quote(study.name)} {number}` shows the differences."
        )
    if found.weights is None:
        raise UsageError(
            f"trial {number} of study '{study.name}' ended early, and has no weights. Name a trial "
            "that is complete."
        )
    return found.weights


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


class _EndAfter(PruningRule):
    """Ends every trial after an epoch, or one later: the worker trains on meanwhile."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def decide(self, standing: CurvesAtStep) -> set[int]:
        return set(map(int, standing.numbers)) if standing.step + 1 >= self._epoch else set()


def _file_of(file: StudyFile, config: TrialConfig) -> StudyFile:
    """Build the file of the study that trains a configuration: one trial, tried once."""
    nodes = (
        Fixed(setting=setting, path=f"space.{setting}", value=value)
        for setting, value in vars(config).items()
    )
    return file.model_copy(
        update={
            "study": file.study.model_copy(update={"baseline": None, "probe": False}),
            "space": Space(nodes=tuple(nodes)),
            "enqueue": (),
            "sampler": SamplerSection(name=Sampler.RANDOM),
            "warm_start": WarmStartSection(),
            "pruner": PrunerSection(name=Pruner.NONE),
            "budget": BudgetSection(trials=1),
            "workers": file.workers.model_copy(update={"retries": 0}),
        }
    )


def _epochs_to(say: Say) -> Observer:
    """Build an observer that reports each new epoch."""
    last = 0

    def observe(progress: Progress) -> None:
        nonlocal last
        for worker in progress.workers:
            if worker.epoch > last:
                last = worker.epoch
                say(f"epoch {last} of {worker.epochs}")

    return observe


def _trace(study: StudyHandle, trial: TrialDetail) -> TrainingTrace:
    curves = study.seed_curves(trial.number)
    bands = {
        (point.epoch, seed_index): shares_of_bands(point.errors)
        for seed_index, points in study.seed_spectra(trial.number).items()
        for point in points
    }
    trace = TrainingTrace(
        epochs={
            (point.epoch, seed_index): {metric: getattr(point, metric) for metric in _OF_EPOCH}
            | bands.get((point.epoch, seed_index), {})
            for seed_index, points in curves.items()
            for point in points
        },
        tests={result.seed_index: _numbers(vars(result)) for result in trial.results},
    )
    if trial.outcome != Outcome.DIVERGED:
        return trace
    return TrainingTrace(epochs=trace.epochs, infinite_at=trace.last_epoch + 1)


def _numbers(test: Mapping[str, Any]) -> Metrics:
    """Flatten a seed's test results."""
    classes = {f"mse of class {n}": mse for n, mse in enumerate(test["per_class_mse"] or ())}
    return {metric: test[metric] for metric in _OF_TEST} | classes | (test["pixel_errors"] or {})


def _differences(record: Trained, again: Trained) -> Iterator[str]:
    """Yield data, code, versions and devices that differ from the recorded ones, one per line."""
    pairs: dict[str, tuple[Any, Any]] = {"data SHA-256": (record.data_sha256, again.data_sha256)}
    for key in ("git_commit", "sweep", "python", "platform"):
        pairs[key.replace("_", " ")] = record.provenance.get(key), again.provenance.get(key)
    pairs["trainer"] = record.trainer, again.trainer
    packages: Mapping[str, Any] = record.provenance.get("packages", {})
    for package, version in again.provenance["packages"].items():
        pairs[package] = packages.get(package), version
    pairs["ptxas"] = record.ptxas_version, again.ptxas_version
    pairs["device"] = record.device_name, again.device_name
    for what, (then, here) in pairs.items():
        if then is not None and then != here:
            yield f"{what}: was {then}, is {here or 'unknown'}"
