"""What a GPU and its driver tell of a worker; apart from the others, so as to load little."""

import time

import pytest
import torch

from sweep.worker.stats import device_memory, device_meter


@pytest.mark.gpu
def test_the_memory_of_a_gpu_worker_is_the_gpus() -> None:
    device = torch.device("cuda:0")
    before = device_memory(device)
    held = torch.empty(2**28, dtype=torch.uint8, device=device)
    assert device_memory(device).used >= before.used + held.numel()
    assert device_memory(device).total == torch.cuda.get_device_properties(device).total_memory


@pytest.mark.gpu
def test_the_driver_of_a_gpu_at_work_tells_that_it_is_in_use() -> None:
    device = torch.device("cuda:0")
    ask, ended = device_meter(device), time.monotonic() + 3
    numbers = torch.randn(4096, 4096, device=device)
    while time.monotonic() < ended:
        (numbers @ numbers).sum().item()
    assert (ask() or 0.0) > 0.1
