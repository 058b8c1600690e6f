"""The command ``sweep`` where a cluster's GPUs are pretended: Ray hands them out, and whoever gets
one trains on the CPU all the same.

    python -m tests.pretended_gpus start x.toml --engine ray --trainer reference
"""

import sys
from functools import partial

WORKER = """
import sys
sys.argv[1:] = ["--device", "cpu"]
from sweep.worker.__main__ import main
main()
"""


def main() -> None:
    from sweep.cli import main as sweep
    from sweep.launch import ray

    command = (sys.executable, "-c", WORKER)
    ray.RayLauncher = partial(ray.RayLauncher, command=command)  # type: ignore[misc, assignment]
    sweep()


if __name__ == "__main__":
    main()
