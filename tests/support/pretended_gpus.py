"""The command ``sweep`` where a cluster's GPUs are pretended: Ray hands them out, and a worker
that gets one trains on the CPU all the same, or with ``--simulated`` trains nothing.

    python -m tests.support.pretended_gpus [--simulated] start x.toml --launcher ray
"""

import sys
from functools import partial

from sweep.messages import WorkerSetup
from sweep.worker.runner import Orders, Send


def train_on_cpu(_: str, setup: WorkerSetup, orders: Orders, send: Send) -> None:
    from sweep.worker.work import work

    work("cpu", setup, orders, send)


def simulate(device: str, setup: WorkerSetup, orders: Orders, send: Send) -> None:
    from tests.support import simulated_worker

    simulation = simulated_worker.Simulation(trials_per_second=0.7, slots=2)
    simulated_worker.simulate(simulation, device, setup, orders, send)


def main() -> None:
    from sweep.cli import main as sweep
    from sweep.launch import ray

    work = train_on_cpu
    if sys.argv[1] == "--simulated":
        del sys.argv[1]
        work = simulate
    ray.RayLauncher = partial(  # type: ignore[misc, assignment]
        ray.RayLauncher, work=f"tests.support.pretended_gpus:{work.__name__}"
    )
    sweep()


if __name__ == "__main__":
    main()
