"""Which devices a study gets."""

import pytest

from sweep.errors import DeviceError, UsageError
from sweep.launch import devices
from sweep.launch.devices import choose_devices


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "visible_gpus", lambda: ["4", "GPU-abc"])


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "visible_gpus", list)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("gpus", "per_gpu", "chosen"),
    [
        (None, 1, ["4", "GPU-abc"]),
        ("all", 2, ["4", "4", "GPU-abc", "GPU-abc"]),
        ("1", 1, ["GPU-abc"]),
        ("0, 1", 1, ["4", "GPU-abc"]),
    ],
)
def test_indices_count_within_what_is_visible(
    gpus: str | None, per_gpu: int, chosen: list[str]
) -> None:
    assert choose_devices(gpus, per_gpu) == chosen


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_a_worker_gets_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "n_cores", lambda: 7)
    assert choose_devices(None, 1) == ["cpu"] * 3
    assert choose_devices("cpu", 1, 5) == ["cpu"] * 5


@pytest.mark.usefixtures("no_gpu")
def test_a_single_core_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "n_cores", lambda: 1)
    assert choose_devices("cpu", 1) == ["cpu"]


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("gpus", ["all", "0", "0,3"])
def test_a_gpu_that_is_not_there_is_never_replaced_by_the_cpu(gpus: str) -> None:
    with pytest.raises(DeviceError, match="--gpus cpu"):
        choose_devices(gpus, 1)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("gpus", ["", ",", "gpu0", "-1", "1.5"])
def test_nonsense_is_a_usage_error(gpus: str) -> None:
    with pytest.raises(UsageError, match="--gpus"):
        choose_devices(gpus, 1)


@pytest.mark.usefixtures("two_gpus")
def test_a_third_gpu_of_two_is_refused() -> None:
    with pytest.raises(DeviceError, match="there are 2"):
        choose_devices("2", 1)


@pytest.mark.parametrize(("value", "seen"), [("", []), ("-1", []), ("3,MIG-x", ["3", "MIG-x"])])
def test_cuda_visible_devices_narrows_what_is_seen(
    monkeypatch: pytest.MonkeyPatch, value: str, seen: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert devices.visible_gpus() == seen
