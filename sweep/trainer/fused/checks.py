"""Check preconditions of the fused trainer: devices, data and trials that it rejects."""

import torch
import triton

from sweep.config import check_config, check_fast
from sweep.errors import DeviceError
from sweep.messages import TrialSpec
from sweep.trainer.data import DeviceData
from sweep.trainer.fused.layout import Layout


def check_device(device: torch.device) -> None:
    """Raise DeviceError unless kernels can run here."""
    if device.type != "cuda" and not triton.knobs.runtime.interpret:
        raise DeviceError(
            f"the fused trainer needs a CUDA device, given '{device}'. On a CPU it runs in Triton's"
            " interpreter only, for tests: set TRITON_INTERPRET=1 before Python starts."
        )


def check_images(data: DeviceData) -> None:
    """Raise ValueError if a set of images has too many pixels."""
    for images in (data.train, data.validation, data.test):
        if images.numel() >= 2**31:
            raise ValueError(
                f"the fused trainer counts pixels in 31 bits; {len(images):,} images of"
                f" {images.shape[1]} pixels are too many for it."
            )


def check_trial(spec: TrialSpec, layout: Layout, batch_size: int) -> None:
    """Raise ValueError for a trial that this population can never hold."""
    check_config(spec.config)
    check_fast(spec.config)
    if spec.config.batch_size != batch_size:
        raise ValueError(
            f"trial {spec.number} has batch size {spec.config.batch_size}; this population"
            f" trains with {batch_size}."
        )
    if not layout.ever_fits(spec.config.hidden_width, len(spec.seeds)):
        raise ValueError(
            f"trial {spec.number} needs {len(spec.seeds)} x {spec.config.hidden_width} hidden"
            f" units; this population holds {layout.n_slots} slots and"
            f" {layout.n_tiles * layout.tile_units} units in all."
        )
