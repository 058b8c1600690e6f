"""What a worker does before its first trial, on a card that need not be there.

``check_kernels`` trains trials of every choice with both trainers; here the fused one's kernels are
those compiled for an H100, run on the CPU.
"""

from collections.abc import Iterator
from unittest.mock import patch

import torch
import triton

from sweep.trainer.fused import launches, selfcheck
from tests.ptx.emulator import Emulator
from tests.support.factories import make_images
from tests.support.trainer_factories import make_data


def check_card(
    precision: str, *, batch_size: int, side: int
) -> Iterator[selfcheck.TrainerDifference]:
    """From the reference trainer, on square images of this side."""
    device = torch.device("cpu")
    data = make_data(make_images(60, 24, height=side, width=side), device)
    noise = selfcheck._draw_data(data, device, batch_size)
    emulator = Emulator(cuts=precision == "tf32")
    # The trainer takes no CPU but the interpreter's; the kernels are loaded, and not interpreted.
    with (
        patch.object(triton.knobs.runtime, "interpret", True),
        patch.object(launches, "run", emulator.launch),
    ):
        yield from selfcheck._differences(noise, device, precision, batch_size, None)
