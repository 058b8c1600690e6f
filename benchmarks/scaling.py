"""Measure the speed-up of many workers over one; the coordinator is in both sides of the ratio.

   python -m benchmarks.scaling
   python -m benchmarks.scaling --workers 8 --rate 50 --storage postgresql://me@localhost/empty

Workers are simulated: each answers like a GPU of a given rate, and nothing trains. Studies of one
worker and of all workers alternate on the same database; each worker has the same number of trials.
The rate of a study is measured from its first twentieth to its end, to leave out Python's start.
Exits with 1 if the ratio is below --least.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bookkeeping import Load, run_load
from sweep.search.samplers import quiet_optuna
from sweep.store.migrate import open_store


def measure(url: str, n_workers: int, rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the median trials a second of both sides over the rounds, and their ratio."""
    reached: dict[int, list[float]] = {1: [], n_workers: []}
    for round_number in range(rounds):
        for n in reached:
            load = Load("random", n, rate, round(n * rate * seconds))
            kept = run_load(url, load, f"scaling-{n}-{round_number}")
            reached[n].append(kept["rate"])
            print(f"{n} x {rate:g}/s, {load.n_trials:,} trials: {kept['rate']:.1f} trials/s")
    one, many = (statistics.median(rates) for rates in reached.values())
    return {"workers": n_workers, "rate": rate, "one": one, "many": many, "ratio": many / one}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rate", type=float, default=50.0, help="trials/s of each worker")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="approximate seconds of each study"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--least", type=float, help="least ratio; by default 7.5 / 8 of --workers")
    parser.add_argument("--storage", help="an empty database; without it SQLite in a new folder")
    options = parser.parse_args()
    quiet_optuna()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_store(options.storage or f"sqlite:///{Path(folder) / 'x.db'}", create=True)
        url = engine.url.render_as_string(hide_password=False)
        backend = engine.url.get_backend_name()
        engine.dispose()
        found = measure(url, options.workers, options.rate, options.seconds, options.rounds)
    least = options.least or 7.5 / 8 * options.workers
    print(json.dumps({"benchmark": "scaling", "storage": backend, **found, "least": least}))
    sys.exit(found["ratio"] < least)


if __name__ == "__main__":
    main()
