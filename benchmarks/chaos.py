"""Run studies under random faults: processes killed or stopped; databases killed, locked or full.

    python -m benchmarks.chaos --kills 200
    python -m benchmarks.chaos --seeds 7 --backend postgres --verbose

Each seed is a separate study, in SQLite, in PostgreSQL, or in SQLite with its workers in a Ray
cluster on this machine. It has a coordinator process, two or three worker processes, and a sequence
of faults drawn from the seed:

    kill worker         SIGKILL
    kill workers        SIGKILL to all of them
    stop worker         SIGSTOP, and SIGCONT after a moment, or after its heartbeat timed out
    kill coordinator    SIGKILL; its workers must end by themselves; another coordinator resumes
    stop coordinator    SIGSTOP, and SIGCONT within its lease
    take over           SIGSTOP; the lease expires; another coordinator takes the study over;
                        SIGCONT: the first must notice, exit with code 7, and end its workers
    kill database       PostgreSQL: SIGKILL, and a restart after a while
    lock database       SQLite: another process holds the lock for a while (--lock-seconds)
    fill disk           SQLite, as root: a file fills the disk; the coordinator exits with code 10;
                        the file is deleted; another coordinator resumes
    kill driver         Ray: SIGKILL to the process that talks to the cluster; the coordinator exits
                        with code 8; another coordinator resumes
    kill cluster        Ray: SIGKILL to all its processes; the coordinator exits with code 8;
                        another one resumes in a new cluster

Then the study runs to its end. ``exactly_once.problems`` checks the result; no process may be left
over, and no log may contain a traceback. Most seeds have simulated workers (real processes, the
real session, a trainer that only waits); the first ``--real N`` seeds train, with the CPU, the
reference and the fused trainer (in Triton's interpreter) in turn. Leases of simulated studies last
3 seconds instead of 30, and heartbeats time out after 5 seconds instead of 60.

Prints the tally, and one line of JSON. Exits with 1 if anything was wrong. On a busy machine,
``--patience 5`` makes every time limit five times as long.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks.chaos_field import (
    BACKENDS,
    LEASE_SECONDS,
    TRAINERS,
    Cluster,
    Field,
    WrongError,
    small_disk,
)
from sweep.enums import Trainer
from sweep.errors import SweepError
from sweep.messages import WorkerSetup
from sweep.store.migrate import open_store
from sweep.worker.runner import Orders, Send
from tests.support.postgres import PostgresServer
from tests.support.simulated_worker import (
    SimulatedAnalysis,
    SimulatedLauncher,
    Simulation,
    simulate,
)


def run_seed(
    seed: int,
    backend: str,
    trainer: Trainer | None,
    options: argparse.Namespace,
    tally: Counter[str],
) -> list[str]:
    """Run one seed's study from beginning to end.

    Return what is wrong and count its faults in ``tally``.
    """
    dice = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="sweep-chaos-"))
    server = PostgresServer.start(durable=True) if backend == "postgres" else None
    cluster = Cluster(folder) if backend == "ray" else None
    found: list[str] = []
    with small_disk(folder) as disk:
        place = disk if disk is not None and dice.random() < 0.5 else folder
        study = Field(
            folder=folder,
            url=f"sqlite:///{place / 'x.db'}" if server is None else server.new_database(),
            dice=dice,
            trainer=trainer,
            server=server,
            cluster=cluster,
            patience=options.patience,
            n_workers=dice.choice([2, 3]),
            rate=options.rate,
            lock_seconds=options.lock_seconds,
            say=print if options.verbose else lambda line: None,
            tally=tally,
        )
        try:
            study.prepare(options.trials if study.trainer is None else 60)
            study.inject(options.faults)
            found = study.finish()
        except WrongError as error:
            found = [str(error)]
        finally:
            study.end()
            if server is not None:
                server.stop()
            if cluster is not None:
                cluster.kill()
    if found:
        print(f"  its log: {folder / 'log'}")
    else:
        shutil.rmtree(folder)
    return found


def coordinate(options: argparse.Namespace) -> int:
    """Run a coordinator's process: `sweep start --resume` with simulated workers."""
    from sweep.coordinator import buffered_writer, run
    from sweep.launch.ray import RayLauncher
    from sweep.launch.resources import RunOptions
    from sweep.store import lease
    from sweep.studyfile import load

    lease.TTL_SECONDS = LEASE_SECONDS
    lease.RENEW_SECONDS = buffered_writer.RENEW_SECONDS = LEASE_SECONDS / 4
    simulation = Simulation(trials_per_second=options.rate, slots=8, jitter=0.3, seed=options.seed)
    say = _say_once()
    try:
        if options.ray_address is None:
            launcher = SimulatedLauncher(simulation)
        else:
            launcher = RayLauncher(options.ray_address, work="benchmarks.chaos:simulate_in_ray")
            launcher.start_analysis = lambda name: SimulatedAnalysis(name, launcher.inbox)
        run.start(
            open_store(None, create=True),
            load(Path(options.coordinate)),
            RunOptions(gpus="cpu", cpu_workers=options.workers),
            lambda progress: say(progress.message),
            say=say,
            go_on=True,
            launcher=launcher,
        )
    except SweepError as error:
        print(f"sweep: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def simulate_in_ray(device: str, setup: WorkerSetup, orders: Orders, send: Send) -> None:
    """Run an actor of a simulated study."""
    simulation = Simulation(trials_per_second=12.0, slots=8, jitter=0.3, seed=os.getpid())
    simulate(simulation, device, setup, orders, send)


def _say_once() -> Callable[[str | None], None]:
    said: set[str] = set()

    def say(line: str | None) -> None:
        if line is not None and line[:30] not in said:
            said.add(line[:30])
            print(line, file=sys.stderr, flush=True)

    return say


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kills", type=int, default=200, help="go on until there were this many kills"
    )
    parser.add_argument("--seeds", type=int, nargs="*", help="only these seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--real", type=int, default=3, help="seeds that train")
    parser.add_argument("--faults", type=int, default=15, help="a seed")
    parser.add_argument("--trials", type=int, default=600, help="a simulated study's budget")
    parser.add_argument("--backend", choices=BACKENDS, help="all in turn by default")
    parser.add_argument("--patience", type=float, default=1.0, help="factor on all time limits")
    parser.add_argument("--lock-seconds", type=float, default=4.0, help="at most")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--coordinate", help=argparse.SUPPRESS)
    parser.add_argument("--ray-address", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=2, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=12.0, help="trials/s of a simulated worker")
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.coordinate:
        return coordinate(options)
    return run_seeds(options)


def run_seeds(options: argparse.Namespace) -> int:
    """Run seed after seed until there were enough kills; return the exit code."""
    began, wrong = time.monotonic(), {}
    by_backend, by_workers = defaultdict(Counter[str]), defaultdict(Counter[str])
    for i, seed in enumerate(options.seeds or itertools.count(options.first_seed)):
        if not options.seeds and sum(map(_n_kills, by_backend.values())) >= options.kills:
            break
        backend = options.backend or BACKENDS[seed % len(BACKENDS)]
        trainer = TRAINERS[i % len(TRAINERS)] if i < options.real else None
        tally = Counter(studies=1)
        if found := run_seed(seed, backend, trainer, options, tally):
            wrong[seed] = found
        workers = trainer or "simulated"
        by_backend[backend] += tally
        by_workers[workers] += tally
        faults_text = ", ".join(f"{n} {what}" for what, n in sorted(tally.items()))
        print(
            f"seed {seed}, {backend}, {workers}: {'; '.join(found) or 'fine'} ({faults_text})",
            flush=True,
        )
    show("backend", by_backend)
    show("workers", by_workers)
    n_kills, seconds = sum(map(_n_kills, by_backend.values())), round(time.monotonic() - began)
    tallies = {"by_backend": by_backend, "by_workers": by_workers}
    print(json.dumps({"kills": n_kills, "seconds": seconds, "problems": wrong, **tallies}))
    return 1 if wrong else 0


def show(head: str, tallies: dict[str, Counter[str]]) -> None:
    """Print how often each fault was injected."""
    lines = [(head, list(tallies))]
    lines.append(("kills", [f"{_n_kills(tally):,}" for tally in tallies.values()]))
    for what in sorted(set().union(*tallies.values())):
        lines.append((what, [f"{tally[what]:,}" for tally in tallies.values()]))
    print()
    for head, cells in lines:
        print(f"{head:28}" + "".join(f"{cell:>12}" for cell in cells))


def _n_kills(tally: Counter[str]) -> int:
    return sum(n for what, n in tally.items() if what.startswith("kills"))


if __name__ == "__main__":
    sys.exit(main())
