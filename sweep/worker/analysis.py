"""Run the analysis process: it analyses the networks of kept weights, one after another.

It is not a worker: it belongs to a coordinator and runs on its host, during training at a low
priority or after training. It uses the workers' protocol, and exits as a worker does when its
coordinator has exited.
"""

import argparse
import os
from contextlib import suppress
from pathlib import Path

from sweep import datasets
from sweep.errors import SweepError
from sweep.files import LARGEST_WEIGHTS, read_regular
from sweep.messages import AnalyseNetwork, NetworkAnalysed
from sweep.worker.__main__ import serve, without_collection
from sweep.worker.runner import Orders, Send, first_order

#: Training has priority.
NICENESS = 10


def main() -> None:
    """Analyse networks until Shutdown or the end of the input."""
    parser = argparse.ArgumentParser(prog="sweep.worker.analysis")
    parser.add_argument("--device", choices=["cpu"], default="cpu")
    parser.parse_args()
    serve(_analyse_in_background, name="sweep-analysis")


def _analyse_in_background(orders: Orders, send: Send) -> None:
    with without_collection():
        import sweep.trainer  # noqa: F401  loads torch: seconds, which a study would wait for
    with suppress(OSError):  # a sandbox that forbids it
        os.nice(NICENESS)
    analyse_networks(orders, send)


def analyse_networks(orders: Orders, send: Send) -> None:
    """Answer each AnalyseNetwork with a NetworkAnalysed, until Shutdown.

    Raises DataError if the data set cannot be read on this host.
    """
    setup = first_order(orders)
    images = datasets.load(setup.dataset)
    import torch

    from sweep.trainer import NetworkAnalyser

    split = (setup.validation_fraction, setup.split_seed, setup.train_limit)
    analyser = NetworkAnalyser.of(images, split, setup.baselines)
    while isinstance(order := orders.get(), AnalyseNetwork):
        torch.set_num_threads(order.n_threads)
        analysis, failure = None, None
        try:
            analysis = analyser.analyse(
                read_regular(Path(order.weights), LARGEST_WEIGHTS, follow_links=False)
            )
        except (SweepError, OSError, RuntimeError) as error:  # only this analysis fails
            failure = f"{type(error).__name__}: {error}"
        send(NetworkAnalysed(number=order.number, analysis=analysis, failure=failure))


if __name__ == "__main__":
    main()
