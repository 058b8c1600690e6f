"""Copy between the CPU's memory and the device's without waiting for the device."""

from collections.abc import Sequence

import torch
from torch import Tensor


def empty_on_host(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Allocate CPU memory that the device can copy from and to asynchronously.

    It is page-locked for a GPU: a copy of other memory waits for previous launches.
    """
    return torch.empty(tuple(shape), dtype=dtype, pin_memory=device.type == "cuda")


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy CPU values to the device."""
    if device.type == "cuda":
        values = values.contiguous().pin_memory()
    return values.to(device, non_blocking=True)


def stack_to_device(parts: Sequence[Tensor], device: torch.device) -> Tensor:
    """Copy CPU tensors to the device at once, concatenated along their first dimension."""
    shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
    stacked = empty_on_host(shape, parts[0].dtype, device)
    torch.cat(list(parts), out=stacked)
    return stacked.to(device, non_blocking=True)


def to_cpu(tensor: Tensor) -> Tensor:
    """Return a copy that is complete when all previous launches are."""
    if tensor.device.type == "cpu":
        return tensor
    return empty_on_host(tensor.shape, tensor.dtype, tensor.device).copy_(tensor, non_blocking=True)
