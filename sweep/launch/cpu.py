"""Share the cores of a CPU: how many workers a study gets, and how many threads each.

A trial is trained by one worker. Products of narrow networks are too small for a second thread: two
threads that wait for each other after every product are slower than one below THREADED_WIDTH hidden
units, and far slower if other work wants the cores. Two workers never wait for each other. So
workers come first, and threads get the remaining cores.
"""

import math
from typing import NamedTuple

#: Hidden units from which a second thread pays off.
THREADED_WIDTH = 256
#: Minimum number of the study's trials per worker: a sampler learns only from trials that ended
#: before it is asked, and each worker holds one trial in training and one in its queue.
TRIALS_PER_WORKER = 4
#: Memory of a worker: torch, the images and a network.
WORKER_BYTES = 500_000_000


class CpuShare(NamedTuple):
    """Worker processes, and torch's threads in each."""

    n_workers: int
    n_threads: int


def share_cpu(
    *,
    n_cores: int,
    widest: int,
    n_trials: int,
    free_bytes: int,
    n_workers: int | None = None,
    max_threads: int | None = None,
) -> CpuShare:
    """Choose workers and threads for a study whose networks have up to ``widest`` hidden units.

    ``n_workers`` (`--workers`) and ``max_threads`` (OMP_NUM_THREADS) take precedence if they are
    given.
    """
    if n_workers is None:
        each = max_threads or 1
        by_trials = math.ceil(n_trials / TRIALS_PER_WORKER)
        n_workers = max(1, min(n_cores // each, by_trials, free_bytes // WORKER_BYTES))
    cores_each = max(1, n_cores // n_workers)
    if max_threads is not None:
        return CpuShare(n_workers, min(cores_each, max_threads))
    return CpuShare(n_workers, cores_each if widest >= THREADED_WIDTH else 1)
