"""Find out what `sweep start` and `sweep resume` would do, without running or writing anything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

import optuna

from sweep import datasets
from sweep.config import TrialConfig
from sweep.coordinator.continuing import how_to_continue
from sweep.coordinator.pilot import TimeEstimate, estimate_time
from sweep.coordinator.run import (
    Say,
    check_baseline,
    check_moved,
    check_same,
    refuse_if_running,
    stored_file,
    with_absolute_path,
)
from sweep.coordinator.warm_start import WarmStart, read_warm_start
from sweep.datasets import Images
from sweep.enums import Dataset, LauncherKind, Trainer
from sweep.errors import SweepError
from sweep.launch import resources as run_resources
from sweep.launch.local import LocalLauncher
from sweep.launch.resources import RunOptions, RunResources, resolve_resources
from sweep.search.configurations import enqueue_params, suggest_config
from sweep.search.samplers import make_sampler, quiet_optuna
from sweep.store.artifacts import artifact_folder
from sweep.store.engine import Engine
from sweep.store.handle import open_study, open_study_or_none
from sweep.studyfile import StudyFile


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a study would run with, for ``--dry-run``."""

    study_file: StudyFile
    #: What happens to an existing study of that name; None if there is none.
    existing: str | None = None
    #: Target number of trials, and those that are still to be trained.
    n_trials: int
    n_left: int
    resources: RunResources
    launcher: LauncherKind
    #: Folder or file of the data; None if they have to be downloaded.
    data_path: Path | None
    images: Images | None
    #: The first configurations, as the sampler would propose them without any results.
    first: tuple[TrialConfig, ...] = ()
    #: What is taken from other studies, a line each.
    warm_start: tuple[str, ...] = ()

    @property
    def devices(self) -> tuple[str, ...]:
        """Return the devices that the study would use."""
        return self.resources.devices

    @property
    def n_threads(self) -> int | None:
        """Threads of each worker on the CPU; None on GPUs."""
        return self.resources.n_threads

    @property
    def trainer(self) -> Trainer:
        """Return the trainer that the study would use."""
        return self.resources.trainer

    @property
    def n_train(self) -> int | None:
        """Number of images that a trial trains on; None before the data are available."""
        if self.images is None:
            return None
        data = self.study_file.data
        split = (data.validation_fraction, data.split_seed, data.train_limit)
        return len(self.images.split(*split)[0])


def plan(
    study_file: StudyFile,
    options: RunOptions,
    n_first: int,
    engine: Engine | None = None,
) -> Plan:
    """Plan what ``start`` would do; raise its errors about the file and its data.

    ``engine`` is the database, None if it does not exist yet. An existing study of the name is no
    error here: ``Plan.existing`` says what ``start`` does then.
    """
    check_baseline(study_file, study_file.n_trials)
    planned = _plan(with_absolute_path(study_file), options)
    existing = None if engine is None else _describe_existing(engine, study_file)
    quiet_optuna()
    warm_start = WarmStart() if engine is None else read_warm_start(engine, study_file)
    study = optuna.create_study(
        sampler=make_sampler(study_file, 0, warm_start.history),
        directions=["minimize"] * len(study_file.study.objectives),
    )
    for configuration in study_file.enqueue:
        study.enqueue_trial(enqueue_params(study_file, configuration))
    for settings, _ in warm_start.first:
        study.enqueue_trial(enqueue_params(study_file, settings))
    count = max(study_file.n_trials, len(study_file.enqueue) + len(warm_start.first))
    first = [suggest_config(study.ask(), study_file)[0] for _ in range(min(n_first, count))]
    return replace(
        planned,
        existing=existing,
        n_trials=count,
        n_left=count,
        first=tuple(first),
        warm_start=warm_start.notes,
    )


def plan_resume(
    engine: Engine,
    name: str,
    options: RunOptions,
    *,
    trials: int | None = None,
    study_file: StudyFile | None = None,
) -> Plan:
    """Plan what ``resume`` would do with the same arguments; raise its errors."""
    study = open_study(engine, name)
    stored, summary = stored_file(engine, name), study.summary()
    refuse_if_running(summary)
    file = stored
    n_trials = trials or summary.n_trials or stored.n_trials
    if study_file is not None:
        file = with_absolute_path(study_file)
        check_same(engine, stored, file)
        if trials is None and file.n_trials != stored.n_trials:
            n_trials = file.n_trials
        check_baseline(file, n_trials)
    digest = study.record().provenance.get("data_sha256")
    if digest and file.data.name != stored.data.name:
        check_moved(file, digest)
    near = [artifact_folder(engine.url).parent]
    planned = _plan(file, options, digest, near, n_trials)
    n_finished = summary.n_finished
    return replace(
        planned,
        existing=f"{n_finished:,} of {n_trials:,} trials have finished",
        n_trials=n_trials,
        n_left=max(0, n_trials - n_finished),
    )


def time_of(planned: Plan, say: Say) -> TimeEstimate | None:
    """Estimate how long the planned trials take: see ``estimate_time``.

    Raises SweepError with the reason if first epochs cannot be trained here.
    """
    if planned.images is None or planned.n_train is None:
        raise SweepError("the data are not on this machine yet")
    if planned.launcher is LauncherKind.RAY:
        raise SweepError("a dry run does not time a cluster's workers")
    if not _has_torch():
        raise SweepError("it needs PyTorch, `pip install 'sweep-autoencoder[train]'`")
    if not planned.n_left:
        raise SweepError("no trial is left to train")
    say("training first epochs, to estimate the time ...")
    with _as_workers_read_it(planned) as dataset:
        return estimate_time(
            planned.study_file,
            planned.resources,
            dataset=dataset,
            n_images=planned.n_train,
            n_inputs=planned.images.n_inputs,
            n_trials=planned.n_left,
        )


def _plan(
    study_file: StudyFile,
    options: RunOptions,
    sha256: str | None = None,
    near: Sequence[Path] = (),
    n_trials: int | None = None,
) -> Plan:
    launcher = run_resources.local_launcher([]) if _has_torch() else LocalLauncher(ahead=[])
    resources = resolve_resources(study_file, options, launcher, n_trials=n_trials)
    path, images = _read(study_file, sha256, near)
    planned = Plan(
        study_file=study_file,
        n_trials=study_file.n_trials,
        n_left=study_file.n_trials,
        resources=resources,
        launcher=options.launcher,
        data_path=path,
        images=images,
    )
    _ = planned.n_train  # raises DataError if the split leaves nothing
    return planned


def _has_torch() -> bool:
    return find_spec("torch") is not None


def _read(
    study_file: StudyFile, sha256: str | None, near: Sequence[Path]
) -> tuple[Path | None, Images | None]:
    """Read the data and their location as a run would.

    None for both if a run would download them.
    """
    name, size = study_file.data.name, study_file.data.size
    path = datasets.find(name)
    if path is None and name in list(Dataset):
        return None, None
    if path is None:
        images = datasets.load_again(name, size, sha256, near)
        return Path(images.name), images
    return path, datasets.load(name, size)


@contextmanager
def _as_workers_read_it(planned: Plan) -> Iterator[str]:
    """Yield what workers load; if they need a copy, it is deleted at the end of the block."""
    assert planned.images is not None
    data = planned.study_file.data
    with TemporaryDirectory() as folder:
        name = data.name if data.name in list(Dataset) else planned.images.name
        yield datasets.for_workers(name, data.size, planned.images, Path(folder))


def _describe_existing(engine: Engine, study_file: StudyFile) -> str | None:
    """Describe what happens to an existing study of that name.

    Raises StudyFileError if its space differs.
    """
    name = study_file.study.name
    study = open_study_or_none(engine, name)
    if study is None:
        return None
    summary = study.summary()
    what = f"already exists, {summary.n_finished:,} trials have finished"
    if summary.running:
        return f"{what}; it runs now: `sweep status {quote(name)}`"
    check_same(engine, stored_file(engine, name), with_absolute_path(study_file))
    return f"{what}: start would fail. {how_to_continue(summary)}; --name OTHER starts another"
