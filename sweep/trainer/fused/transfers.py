"""Copies between the CPU's memory and the device's that do not wait for the device."""

import torch
from torch import Tensor


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy CPU values to the device, through page-locked memory: a copy of other memory waits."""
    if device.type == "cuda":
        return values.contiguous().pin_memory().to(device, non_blocking=True)
    return values


def to_cpu(tensor: Tensor) -> Tensor:
    """Return a copy that is complete when all that was launched so far is."""
    if tensor.device.type == "cpu":
        return tensor
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return copy.copy_(tensor, non_blocking=True)
