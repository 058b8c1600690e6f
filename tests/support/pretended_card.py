"""The command ``sweep`` on a machine with a pretended GPU that computes wrong numbers.

Its workers are real, with Triton's interpreter in place of the card, and one kernel does nothing.

    CUDA_VISIBLE_DEVICES=0 TRITON_INTERPRET=1 python -m tests.support.pretended_card start x.toml
"""

import sys

WORKER = """
import sys
sys.argv[1:] = ["--device", "cpu"]
from tests.support.pretended_card import break_kernels
from sweep.worker.__main__ import main
break_kernels()
main()
"""


def break_kernels() -> None:
    """Let the self-check run, and fail."""
    from sweep.trainer.fused import kernels
    from sweep.worker import fused
    from tests.support.broken_kernels import Launching, nothing
    from tests.support.quick_interpreter import quicken

    quicken()
    fused.is_checked = lambda device: True
    kernels.update_encoder = Launching("update_encoder", nothing)


def main() -> None:
    from sweep.cli import main as sweep
    from sweep.launch import resources
    from sweep.launch.local import LocalLauncher
    from sweep.launch.process import WorkerProcess

    command = (sys.executable, "-c", WORKER)
    resources.start_processes = lambda devices, **_: [WorkerProcess(of, command) for of in devices]
    resources.local_launcher = lambda ahead: LocalLauncher(command, ahead)
    sweep()


if __name__ == "__main__":
    main()
