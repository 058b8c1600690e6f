"""A worker that loads its data, but no torch, and simulates its training."""

from sweep import datasets
from sweep.messages import WorkerSetup
from sweep.worker.__main__ import serve
from sweep.worker.runner import Orders, Send, first_order
from tests.support import simulated_worker
from tests.support.simulated_worker import Simulation

#: One trial at a time, for a fifth of a second each.
SIMULATION = Simulation(trials_per_second=5.0, slots=1)


def work(device: str, setup: WorkerSetup, orders: Orders, send: Send) -> None:
    """Do a worker's work, as ``sweep.worker.work`` does."""
    data = datasets.load(setup.dataset).info
    simulated_worker.simulate(SIMULATION, device, setup, orders, send, data)


if __name__ == "__main__":
    serve(lambda orders, send: work("cpu", first_order(orders), orders, send))
