"""A pretended GPU that computes wrong numbers.

Its workers are real, with Triton's interpreter in place of the card, and one kernel does nothing.
"""

import sys

import pytest

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


def pretend_card(patch: pytest.MonkeyPatch) -> None:
    """Have studies of this process train on it."""
    from sweep.launch.local import LocalLauncher
    from sweep.launch.process import WorkerProcess

    command = (sys.executable, "-c", WORKER)
    patch.setenv("CUDA_VISIBLE_DEVICES", "0")
    patch.setenv("TRITON_INTERPRET", "1")
    patch.setattr(
        "sweep.launch.resources.start_processes",
        lambda devices, **_: [WorkerProcess(device, command) for device in devices],
    )
    patch.setattr(
        "sweep.launch.resources.local_launcher", lambda ahead: LocalLauncher(command, ahead)
    )
