"""Which devices this machine has, asked without loading torch."""

import os
import shutil
import subprocess

from sweep.errors import DeviceError, UsageError

CORES_PER_CPU_WORKER = 2


def visible_gpus() -> list[str]:
    """Identifiers of the GPUs in sight, each fit for CUDA_VISIBLE_DEVICES."""
    narrowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if narrowed is not None:
        return [gpu.strip() for gpu in narrowed.split(",") if gpu.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    answer = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return answer.stdout.split() if answer.returncode == 0 else []


def n_cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_devices(gpus: str | None, per_gpu: int, cpu_workers: int | None = None) -> list[str]:
    """One entry a worker: ``cpu``, or a GPU's identifier (``per_gpu`` times).

    ``gpus`` is ``all``, ``cpu``, a list like ``0,1``, or None: all GPUs there are, else the CPU.
    Raises DeviceError when a GPU is asked for that is not there, UsageError for nonsense.
    """
    if gpus == "cpu":
        return ["cpu"] * (cpu_workers or max(1, n_cores() // CORES_PER_CPU_WORKER))
    found = visible_gpus()
    if gpus is None and not found:
        return choose_devices("cpu", per_gpu, cpu_workers)
    if gpus in (None, "all"):
        if not found:
            raise DeviceError(
                "--gpus all: no GPU found (nvidia-smi lists none). `--gpus cpu` trains on the CPU."
            )
        return [gpu for gpu in found for _ in range(per_gpu)]
    return [gpu for gpu in _named(str(gpus), found) for _ in range(per_gpu)]


def _named(gpus: str, found: list[str]) -> list[str]:
    wanted = [gpu.strip() for gpu in gpus.split(",") if gpu.strip()]
    if not wanted:
        raise UsageError(f"--gpus {gpus!r}: give all, cpu, or indices like 0,1.")
    chosen = []
    for gpu in wanted:
        if not (gpu.isascii() and gpu.isdigit() and len(gpu) < 6):
            raise UsageError(f"--gpus {gpus}: {gpu!r} is no index. Give all, cpu, or e.g. 0,1.")
        # An index counts within CUDA_VISIBLE_DEVICES, as everywhere.
        if int(gpu) >= len(found):
            there = f"there are {len(found)}" if found else "none was found"
            raise DeviceError(
                f"--gpus {gpus}: no GPU {gpu}; {there}. `--gpus cpu` trains on the CPU."
            )
        chosen.append(found[int(gpu)])
    return chosen
