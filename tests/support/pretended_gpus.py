"""The command ``sweep`` where a cluster's GPUs are pretended: Ray hands them out, and a worker
that gets one trains on the CPU all the same, or with ``--simulated`` or ``--simulated-fast`` trains
nothing.

    python -m tests.support.pretended_gpus [--simulated] start x.toml --launcher ray
"""

import sys
from functools import partial

from sweep.messages import WorkerSetup
from sweep.worker.runner import Orders, Send


def train_on_cpu(_: str, setup: WorkerSetup, orders: Orders, send: Send) -> None:
    from sweep.worker.work import work

    work("cpu", setup, orders, send)


def simulate(
    device: str, setup: WorkerSetup, orders: Orders, send: Send, trials_per_second: float = 0.7
) -> None:
    from tests.support import simulated_worker

    simulation = simulated_worker.Simulation(trials_per_second=trials_per_second, slots=2)
    simulated_worker.simulate(simulation, device, setup, orders, send)


def simulate_fast(device: str, setup: WorkerSetup, orders: Orders, send: Send) -> None:
    simulate(device, setup, orders, send, 1.5)


SIMULATED = {"--simulated": simulate, "--simulated-fast": simulate_fast}


def main() -> None:
    from sweep.cli import main as sweep
    from sweep.launch import ray

    work = SIMULATED.get(sys.argv[1], train_on_cpu)
    if sys.argv[1] in SIMULATED:
        del sys.argv[1]
    ray.RayLauncher = partial(  # type: ignore[misc, assignment]
        ray.RayLauncher, work=f"tests.support.pretended_gpus:{work.__name__}"
    )
    sweep()


if __name__ == "__main__":
    main()
