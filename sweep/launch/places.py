"""How many workers a Ray cluster has room for, and of which kind."""

from dataclasses import dataclass

from sweep.errors import DeviceError, UsageError


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a cluster has at one moment."""

    n_gpus: int
    n_cpus: int
    #: Cores that a worker on CPUs takes: never more than the largest host has.
    cores_per_cpu_worker: int


def choose_places(
    capacity: Capacity, gpus: str | None, per_gpu: int, cpu_workers: int | None = None
) -> list[str]:
    """One entry a worker: ``cpu``, or the number of a GPU among those asked for.

    ``gpus`` is ``all`` (that the cluster has now), ``cpu``, a number of GPUs, which may be more
    than there are now, or None: all, else the CPU. Where they are is Ray's affair.
    Raises DeviceError when there is none, UsageError for nonsense.
    """
    if gpus == "cpu" or (gpus is None and not capacity.n_gpus):
        n_fitting = capacity.n_cpus // capacity.cores_per_cpu_worker
        if not (cpu_workers or n_fitting):
            raise DeviceError("--launcher ray: the cluster has neither GPUs nor CPU cores now.")
        return ["cpu"] * (cpu_workers or n_fitting)
    if gpus in (None, "all"):
        if not (n_gpus := capacity.n_gpus):
            raise DeviceError(
                "--gpus all: the cluster has no GPU now. `--gpus 8` waits for 8 that it will have, "
                "`--gpus cpu` trains on its CPUs."
            )
    elif gpus.isascii() and gpus.isdigit() and 0 < int(gpus) <= 100_000:
        n_gpus = int(gpus)
    else:
        raise UsageError(
            f"--gpus {gpus}: with --launcher ray give all, cpu, or how many GPUs. Ray "
            "chooses which."
        )
    return [str(gpu) for gpu in range(n_gpus) for _ in range(per_gpu)]
