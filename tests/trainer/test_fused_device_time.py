"""Device time: what a device works on launches, pretended and, where there is one, on a GPU."""

import time
from functools import partial
from typing import Any

import pytest
import torch

from sweep.trainer.fused.device_time import DeviceTimer
from tests.support.fused_factories import fused_spec, make_fused

CPU = torch.device("cpu")


class Device:
    """A device with a stream: it is idle until it is given work, and never waits otherwise."""

    #: When its last work ends, and what the clock of the host says; seconds.
    free_at = 0.0
    now = 0.0

    def work(self, seconds: float) -> None:
        """Launch a piece of work."""
        self.free_at = max(self.free_at, self.now) + seconds

    def mark(self) -> "Event":
        return Event(self)


class Event:
    def __init__(self, device: Device) -> None:
        self._device = device

    def record(self) -> None:
        self.at = max(self._device.free_at, self._device.now)

    def synchronize(self) -> None:
        self._device.now = max(self._device.now, self.at)

    def elapsed_time(self, end: "Event") -> float:
        return 1000 * (end.at - self.at)


def test_gaps_in_which_the_device_waits_for_the_host_are_not_its_work() -> None:
    device = Device()
    timer = DeviceTimer(CPU, device.mark)  # type: ignore[arg-type]
    for _ in range(3):
        timer.run(partial(device.work, 0.1))
        device.now += 0.5  # the host does something else
    assert timer.take().wait() == pytest.approx(0.3)
    assert device.free_at == pytest.approx(1.1), "from the first launch to the end of the last"


def test_a_device_that_is_never_idle_has_worked_all_the_time() -> None:
    device = Device()
    timer = DeviceTimer(CPU, device.mark)  # type: ignore[arg-type]
    for _ in range(3):
        timer.run(partial(device.work, 0.1))
    launched = timer.take()
    assert device.now == 0.0, "launching does not wait"
    assert launched.wait() == pytest.approx(0.3)
    assert device.now == pytest.approx(0.3)


def test_each_take_has_its_own_launches() -> None:
    device = Device()
    timer = DeviceTimer(CPU, device.mark)  # type: ignore[arg-type]
    timer.run(partial(device.work, 0.1))
    first = timer.take()
    timer.run(partial(device.work, 0.2))
    assert (first.wait(), timer.take().wait()) == (pytest.approx(0.1), pytest.approx(0.2))
    assert timer.take().wait() == 0.0


def test_without_a_gpu_launching_is_the_work() -> None:
    timer = DeviceTimer(CPU)
    timer.run(partial(time.sleep, 0.02))
    time.sleep(0.05)
    assert 0.02 <= timer.take().wait() < 0.05


def test_what_the_host_does_between_launches_is_no_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fused, naps = make_fused(), 0.2
    draw = fused._draw_orders

    def draw_slowly(*args: Any) -> None:
        time.sleep(naps)
        draw(*args)

    assert fused.admit(fused_spec(1))
    monkeypatch.setattr(fused, "_draw_orders", draw_slowly)
    began = time.perf_counter()
    fused.train_epoch()
    assert 0 < fused.trained_seconds <= time.perf_counter() - began - naps


@pytest.mark.gpu
def test_on_a_gpu_the_hosts_naps_are_not_counted() -> None:
    device = torch.device("cuda")
    matrix = torch.randn(2048, 2048, device=device)
    timer, began = DeviceTimer(device), time.perf_counter()
    for _ in range(5):
        timer.run(lambda: matrix @ matrix)
        torch.cuda.synchronize(device)
        time.sleep(0.1)
    assert 0 < timer.take().wait() < 0.2 * (time.perf_counter() - began)
