"""Find devices of this machine without loading torch, and choose devices of a Ray cluster."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from sweep.errors import DeviceError, UsageError

#: Lines of `nvidia-smi -L`: a card with its index, followed by its MIG partitions.
_CARD = re.compile(r"GPU (\d+): .*\(UUID: (GPU-[\w-]+)\)")
_PART = re.compile(r"\s+MIG .*\(UUID: (MIG-[\w/-]+)\)")
#: Timeout of nvidia-smi, which takes seconds if the driver has to be loaded first.
_ANSWER_SECONDS = 30


def visible_gpus() -> list[str]:
    """List identifiers of the visible GPUs, each usable in CUDA_VISIBLE_DEVICES.

    Raises DeviceError if nvidia-smi hangs.
    """
    narrowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if narrowed is not None:
        return [gpu.strip() for gpu in narrowed.split(",") if gpu.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        answer = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"nvidia-smi gave no answer within {_ANSWER_SECONDS} s: the driver or a GPU hangs. "
            "`--gpus cpu` trains on the CPU."
        ) from error
    return _list_cards(answer.stdout) if answer.returncode == 0 else []


def _list_cards(text: str) -> list[str]:
    """List the cards' indices, or the identifiers of the partitions of cards divided by MIG.

    CUDA gives a process at most one partition, and only by its identifier.
    """
    devices: list[list[str]] = []
    for line in text.splitlines():
        if card := _CARD.match(line):
            devices.append([card[1]])
        elif (part := _PART.match(line)) and devices:
            devices[-1].append(part[1])
    return [name for card, *parts in devices for name in (parts or [card])]


def n_cores() -> int:
    """Return the number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wanted_threads() -> int | None:
    """Return OMP_NUM_THREADS, which limits torch's threads; None if it is not set to a number.

    A list has a number for each level of nested threads; the first one applies.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else None


def choose_devices(gpus: str | None, per_gpu: int, cpu_workers: int = 1) -> list[str]:
    """Return one entry per worker: ``cpu``, or a GPU's identifier.

    ``cpu`` is repeated ``cpu_workers`` times, a GPU's identifier ``per_gpu`` times. ``gpus`` is
    ``all``, ``cpu``, a list like ``0,1`` or ``MIG-…``, or None: all GPUs if there are any, else the
    CPU. Raises DeviceError if a requested GPU does not exist, UsageError for an invalid value.
    """
    if gpus == "cpu":
        return ["cpu"] * cpu_workers
    found = visible_gpus()
    if gpus is None and not found:
        return choose_devices("cpu", per_gpu, cpu_workers)
    if gpus in (None, "all"):
        if not found:
            raise DeviceError(
                "--gpus all: no GPU found (nvidia-smi lists none). `--gpus cpu` trains on the CPU."
            )
        return [gpu for gpu in found for _ in range(per_gpu)]
    return [gpu for gpu in _select_named(str(gpus), found) for _ in range(per_gpu)]


def _select_named(gpus: str, found: list[str]) -> list[str]:
    wanted = [gpu.strip() for gpu in gpus.split(",") if gpu.strip()]
    if not wanted:
        raise UsageError(f"--gpus {gpus!r}: give all, cpu, or indices like 0,1.")
    chosen = []
    for gpu in wanted:
        if gpu.startswith(("GPU-", "MIG-")):
            chosen.append(_by_identifier(gpu, found))
            continue
        if not (gpu.isascii() and gpu.isdigit() and len(gpu) < 6):
            raise UsageError(f"--gpus {gpus}: {gpu!r} is not a GPU. Give all, cpu, 0,1 or MIG-….")
        # An index counts within CUDA_VISIBLE_DEVICES, as usual.
        if int(gpu) >= len(found):
            there = f"there are {len(found)}" if found else "none was found"
            raise DeviceError(
                f"--gpus {gpus}: no GPU {gpu}; {there}. `--gpus cpu` trains on the CPU."
            )
        chosen.append(found[int(gpu)])
    return chosen


def _by_identifier(identifier: str, found: list[str]) -> str:
    """Find a visible device by its UUID or, as in CUDA, by an unambiguous prefix of it."""
    matching = [gpu for gpu in found if gpu.startswith(identifier)]
    if len(matching) == 1:
        return matching[0]
    there = ", ".join(found) or "none"
    raise DeviceError(
        f"--gpus {identifier}: {'several' if matching else 'no'} such device. Visible: {there}."
    )


@dataclass(frozen=True, kw_only=True)
class ClusterResources:
    """Present resources of a Ray cluster."""

    n_gpus: int
    n_cpus: int
    #: Cores per CPU worker: at most those of the largest host.
    cores_per_cpu_worker: int


def choose_cluster_devices(
    cluster: ClusterResources, gpus: str | None, per_gpu: int, cpu_workers: int | None = None
) -> list[str]:
    """Return one entry per worker: ``cpu``, or the number of a GPU among those requested.

    ``gpus`` is ``all`` (of the cluster's present GPUs), ``cpu``, a number of GPUs, which may exceed
    the present ones, or None: all, else the CPU. Ray chooses a GPU for each number, and keeps it.
    Raises DeviceError if there is none, UsageError for an invalid value.
    """
    if gpus == "cpu" or (gpus is None and not cluster.n_gpus):
        n_fitting = cluster.n_cpus // cluster.cores_per_cpu_worker
        if not (cpu_workers or n_fitting):
            raise DeviceError("--launcher ray: the cluster has neither GPUs nor CPU cores now.")
        return ["cpu"] * (cpu_workers or n_fitting)
    if gpus in (None, "all"):
        if not (n_gpus := cluster.n_gpus):
            raise DeviceError(
                "--gpus all: the cluster has no GPU now. `--gpus 8` waits for 8 GPUs to join, "
                "`--gpus cpu` trains on its CPUs."
            )
    elif gpus.isascii() and gpus.isdigit() and 0 < int(gpus) <= 100_000:
        n_gpus = int(gpus)
    else:
        raise UsageError(
            f"--gpus {gpus}: with --launcher ray give all, cpu, or the number of GPUs. Ray chooses "
            "which."
        )
    return [str(gpu) for gpu in range(n_gpus) for _ in range(per_gpu)]
