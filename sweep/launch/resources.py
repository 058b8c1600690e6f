"""Choose the resources of a run: devices, trainer and launcher.

This module imports quickly (neither Optuna nor SQL), and ``start_ahead`` starts the workers'
processes before those are loaded: each needs seconds to load torch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count

import psutil

from sweep import datasets
from sweep.enums import LauncherKind, Trainer
from sweep.errors import DeviceError, SweepError, UsageError
from sweep.extras import require_torch
from sweep.launch.cpu import share_cpu
from sweep.launch.devices import choose_cluster_devices, choose_devices, n_cores, wanted_threads
from sweep.launch.launcher import Launcher
from sweep.launch.preload import start_processes
from sweep.launch.process import WorkerProcess
from sweep.studyfile import Space, StudyFile


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Command-line options of one run; None leaves the choice to the study file."""

    #: ``all``, ``cpu``, or indices like ``0,1``.
    gpus: str | None = None
    per_gpu: int | None = None
    #: Worker processes when training on the CPU; None lets ``launch.cpu`` choose.
    cpu_workers: int | None = None
    trainer: Trainer = Trainer.AUTO
    #: Maximum slots of a population; None lets the memory decide.
    population: int | None = None
    launcher: LauncherKind = LauncherKind.LOCAL
    #: ``host:port`` or ``auto``; None is RAY_ADDRESS, else a cluster started here.
    ray_address: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunResources:
    """Resources of a run, or of several runs of a study, one after another."""

    #: One entry per worker.
    devices: tuple[str, ...]
    #: ``AUTO`` on GPUs only: there each worker chooses, and reports its choice when it is ready.
    trainer: Trainer
    population: int | None
    #: Threads of torch in each worker on the CPU; None on GPUs.
    n_threads: int | None
    launcher: Launcher
    #: Numbers in workers' names, unique over all runs: a late message of an earlier run is ignored.
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def on_cpu(self) -> bool:
        """Tell whether the study trains on the CPU."""
        return self.devices[0] == "cpu"


def resolve_resources(
    study_file: StudyFile,
    options: RunOptions,
    launcher: Launcher | None = None,
    *,
    n_trials: int | None = None,
) -> RunResources:
    """Choose devices and trainer; join the cluster if the options ask for Ray.

    ``launcher`` replaces this machine's launcher, ``n_trials`` the file's budget. Raises
    DeviceError for a device that does not exist, or that the trainer cannot use, UsageError for an
    option that has no effect.
    """
    if options.launcher is LauncherKind.RAY:
        devices, threads, launcher = _ray_resources(study_file, options)
    else:
        devices, threads = _local_devices(study_file, options, n_trials)
    trainer = _choose_trainer(study_file, options, devices)
    return _resources(options, devices, threads, trainer, launcher or local_launcher([]))


@contextmanager
def start_ahead(
    study_file: StudyFile,
    options: RunOptions,
    *,
    n_trials: int | None = None,
    is_resumed: bool = False,
) -> Iterator[RunResources | None]:
    """Resolve the resources, and start the local workers' processes at once.

    ``n_trials`` replaces the file's budget. Yields None if the options cannot be resolved or ask
    for Ray: the run of the study resolves them again and raises the error then. At the end of the
    block, processes that no worker uses are killed.

    The process that analyses networks is forked together with the workers, except if the study
    ``is_resumed``: it may have networks left to analyse and nothing to train, and killing unused
    workers before they are forked would kill it too.
    """
    processes: list[WorkerProcess] = []
    probe = study_file.study.probe and not is_resumed
    try:
        yield _start_ahead(study_file, options, n_trials, processes, probe=probe)
    finally:
        for process in processes:
            process.discard()


def _start_ahead(
    study_file: StudyFile,
    options: RunOptions,
    n_trials: int | None,
    processes: list[WorkerProcess],
    *,
    probe: bool,
) -> RunResources | None:
    if options.launcher is not LauncherKind.LOCAL:
        return None
    try:
        devices, threads = _local_devices(study_file, options, n_trials)
        trainer = _choose_trainer(study_file, options, devices)
    except SweepError:
        return None
    with suppress(OSError):  # no resources for a process: starting its worker reports it
        processes += start_processes(devices, probe=probe)
    # Not chosen again: the processes have taken memory, so a second choice would have one worker
    # less.
    return _resources(options, devices, threads, trainer, local_launcher(processes))


def _choose_trainer(study_file: StudyFile, options: RunOptions, devices: list[str]) -> Trainer:
    """Return the trainer to ask workers for. Raises UsageError for options without effect."""
    on_cpu = devices[0] == "cpu"
    if on_cpu and options.per_gpu is not None:
        raise UsageError(
            f"--per-gpu {options.per_gpu} is for workers on GPUs, but this run is on the CPU. "
            "`--workers N` sets their number there."
        )
    trainer = resolve_trainer(options.trainer, study_file.space, on_cpu=on_cpu)
    if options.population is not None and trainer in (Trainer.CPU, Trainer.REFERENCE):
        raise UsageError(
            f"--population {options.population} is for the fused trainer, but this run uses the "
            f"{trainer} trainer."
        )
    return trainer


def _resources(
    options: RunOptions, devices: list[str], threads: int, trainer: Trainer, launcher: Launcher
) -> RunResources:
    return RunResources(
        devices=tuple(devices),
        trainer=trainer,
        population=options.population,
        n_threads=threads if devices[0] == "cpu" else None,
        launcher=launcher,
    )


def local_launcher(ahead: list[WorkerProcess]) -> Launcher:
    """Return this machine's launcher, whose first workers use these processes.

    Raises SweepError without PyTorch, which every worker needs.
    """
    require_torch("training")
    from sweep.launch.local import LocalLauncher  # builds the messages' validators: 0.1 s

    return LocalLauncher(ahead=ahead)


def _local_devices(
    study_file: StudyFile, options: RunOptions, n_trials: int | None = None
) -> tuple[list[str], int]:
    """Return one device per worker, and the threads of a worker on the CPU."""
    gpus = options.gpus or study_file.workers.gpus
    share = share_cpu(
        n_cores=n_cores(),
        widest=study_file.space.highest("hidden_width"),
        n_trials=n_trials or study_file.n_trials,
        free_bytes=psutil.virtual_memory().available,
        n_workers=options.cpu_workers,
        max_threads=wanted_threads(),
    )
    return choose_devices(gpus, _per_gpu(study_file, options), share.n_workers), share.n_threads


def _per_gpu(study_file: StudyFile, options: RunOptions) -> int:
    return options.per_gpu or study_file.workers.per_gpu


def _ray_resources(study_file: StudyFile, options: RunOptions) -> tuple[list[str], int, Launcher]:
    """Return one device per worker, the cores of a worker on a CPU, and the launcher."""
    gpus, per_gpu = options.gpus or study_file.workers.gpus, _per_gpu(study_file, options)
    if options.gpus is None and gpus not in (None, "all", "cpu"):
        raise UsageError(
            f"workers.gpus {gpus!r} names GPUs of one machine. With --launcher ray give "
            "--gpus all, --gpus cpu, or the number of GPUs."
        )
    if find_spec("ray") is None:
        raise DeviceError(
            "--launcher ray: Ray is not installed. Install the extra 'ray': "
            "pip install 'sweep-autoencoder[ray]'."
        )
    from sweep.launch import ray

    dataset = datasets.for_workers(study_file.data.name, study_file.data.size)
    launcher = ray.RayLauncher(options.ray_address, dataset=dataset, per_gpu=per_gpu)
    cluster = launcher.cluster
    devices = choose_cluster_devices(cluster, gpus, per_gpu, options.cpu_workers)
    return devices, cluster.cores_per_cpu_worker, launcher


def resolve_trainer(asked: Trainer, space: Space, *, on_cpu: bool) -> Trainer:
    """Return the trainer to ask workers for; on a CPU it is decided here.

    If only the reference trainer can train some trials of a study, it trains all of them, so that
    errors and times stay comparable. Raises DeviceError for a trainer that cannot train on this
    kind of device, UsageError for one that cannot train the study.
    """
    trainer = _of_device(asked, on_cpu=on_cpu)
    beyond = space.reference_only()
    if not beyond or trainer is Trainer.REFERENCE:
        return trainer
    if asked is not Trainer.AUTO:
        raise UsageError(
            f"--trainer {asked}: {' and '.join(beyond)}, which only the reference trainer can "
            "train. Leave --trainer out, or give `--trainer reference`."
        )
    return Trainer.REFERENCE


def _of_device(asked: Trainer, *, on_cpu: bool) -> Trainer:
    if asked is Trainer.CPU and not on_cpu:
        raise DeviceError(
            "--trainer cpu: it trains on the CPU, and this run is on a GPU. `--gpus cpu` uses the "
            "CPU."
        )
    if not on_cpu:
        return asked
    # Tests of the fused trainer run in Triton's interpreter, without a GPU.
    if asked is Trainer.FUSED and os.environ.get("TRITON_INTERPRET") != "1":
        raise DeviceError(
            "--trainer fused: it needs a CUDA device, and this run is on the CPU. `--trainer cpu` "
            "trains there."
        )
    return Trainer.CPU if asked is Trainer.AUTO else asked
