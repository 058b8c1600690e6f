"""Load torch once, then fork the processes of a CPU's workers.

    python -m sweep.worker.preload worker:5,6,7 worker:8,9,10 analysis:11,12,13

Each argument names a process and the descriptors of its standard input, output and error. Loading
torch takes more than a second of a core; the processes share what was loaded. The command prints
the process id of each, then exits: its processes become children of the ancestor that adopts
orphans, see ``sweep.launch.preload``.

A fork has only one thread, so no other thread may be started before: torch starts its threads at
the first product.
"""

import os
import select
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from sweep.codec import EVENTS
from sweep.messages import Heartbeat
from sweep.worker import __main__ as worker
from sweep.worker import analysis
from sweep.worker.heartbeat import HEARTBEAT_SECONDS

#: Main functions of the processes.
PROCESSES = {"worker": worker.main, "analysis": analysis.main}


class Fork(NamedTuple):
    """A process to fork, and the descriptors that become its standard streams."""

    name: str
    stdin: int
    stdout: int
    stderr: int


def main() -> None:
    """Load, fork, print the process ids, and exit."""
    forks = [_parse(argument) for argument in sys.argv[1:]]
    _beat_for(forks)
    try:
        load()
    except Exception:
        for fork in forks:
            os.write(fork.stderr, traceback.format_exc().encode())
        os._exit(1)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for fork in forks:
        if (pid := os.fork()) == 0:
            _become(fork, forks)
        os.write(1, f"{pid}\n".encode())
    os._exit(0)


def load() -> None:
    """Load what the processes would load."""
    with worker.without_collection():
        import sweep.trainer
        import sweep.worker.work  # noqa: F401


def _parse(argument: str) -> Fork:
    name, _, descriptors = argument.partition(":")
    return Fork(name, *map(int, descriptors.split(",")))


def _beat_for(forks: Sequence[Fork]) -> None:
    """Send the heartbeats of the processes that do not exist yet."""
    # The first encoding imports modules. A signal handler must not: it interrupts the import of
    # torch, whose locks it would wait for, or whose half-loaded modules it would use.
    heartbeat = EVENTS.encode(Heartbeat())

    def beat(*_: object) -> None:
        for fork in forks:
            os.write(fork.stdout, heartbeat)

    signal.signal(signal.SIGALRM, beat)
    signal.setitimer(signal.ITIMER_REAL, HEARTBEAT_SECONDS, HEARTBEAT_SECONDS)


def _become(fork: Fork, forks: Sequence[Fork]) -> None:
    """Run a process in this fork, with only its own streams."""
    for standard, descriptor in enumerate(fork[1:]):
        os.dup2(descriptor, standard)
    for one in forks:
        for descriptor in one[1:]:
            os.close(descriptor)
    # A process that is needed later, or never, is silent until then: heartbeats would fill the
    # pipe.
    select.select([0], [], [])
    sys.argv[1:] = ["--device", "cpu"]
    PROCESSES[fork.name]()


if __name__ == "__main__":
    main()
