"""The command ``sweep`` where a cluster's GPUs are pretended: Ray hands them out, and whoever gets
one trains on the CPU all the same, or with ``--simulated`` trains nothing.

    python -m tests.pretended_gpus start x.toml --launcher ray --trainer reference
    python -m tests.pretended_gpus --simulated start x.toml --launcher ray --trainer reference
"""

import sys
from functools import partial

WORKER = """
import sys
sys.argv[1:] = ["--device", "cpu"]
from sweep.worker.__main__ import main
main()
"""
COMMAND = (sys.executable, "-c", WORKER)
SIMULATED = (
    *(sys.executable, "-m", "benchmarks.simulated_worker"),
    *("--trials-per-second", "0.3", "--slots", "2"),
)


def main() -> None:
    from sweep.cli import main as sweep
    from sweep.launch import ray

    is_simulated = sys.argv[1] == "--simulated"
    if is_simulated:
        del sys.argv[1]
    ray.RayLauncher = partial(  # type: ignore[misc, assignment]
        ray.RayLauncher, command=SIMULATED if is_simulated else COMMAND
    )
    sweep()


if __name__ == "__main__":
    main()
