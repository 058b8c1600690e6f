"""Which devices a study gets."""

import os
from pathlib import Path

import pytest

from sweep.errors import DeviceError, UsageError
from sweep.launch import devices
from sweep.launch.devices import (
    ClusterResources,
    choose_cluster_devices,
    choose_devices,
    wanted_threads,
)


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
def test_without_a_gpu_there_are_as_many_workers_on_the_cpu_as_asked_for() -> None:
    assert choose_devices(None, 1) == ["cpu"]
    assert choose_devices("cpu", 1, 5) == choose_devices(None, 1, 5) == ["cpu"] * 5


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(None, None), ("1", 1), ("2,1", 2), ("16", 16), ("0", None), ("many", None)],
)
def test_omp_num_threads_is_read_as_torch_reads_it(
    monkeypatch: pytest.MonkeyPatch, given: str | None, wanted: int | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert wanted_threads() == wanted


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


LISTED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1g.5gb      Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-a22eb1c8-a2bc-4cd2-8d0f-c8d1c1a2c1d3)
"""
PARTS = ["MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An nvidia-smi that lists a card in two parts and a whole one."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && cat <<'END'\n{LISTED}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_an_nvidia_smi_that_hangs_is_no_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("sweep.launch.devices._ANSWER_SECONDS", 0.1)
    with pytest.raises(DeviceError, match="nvidia-smi gave no answer within 0.1 s"):
        choose_devices(None, 1)
    assert choose_devices("cpu", 1) == ["cpu"]


@pytest.mark.usefixtures("listed")
def test_the_parts_of_a_divided_card_are_devices_and_the_card_is_not() -> None:
    assert choose_devices("all", 1) == [*PARTS, "1"]
    assert choose_devices("2", 1) == ["1"]


@pytest.mark.usefixtures("listed")
def test_a_part_can_be_named_by_a_beginning_that_is_its_own() -> None:
    assert choose_devices("MIG-cba,MIG-c6d4", 1) == [PARTS[1], PARTS[0]]
    with pytest.raises(DeviceError, match="several such"):
        choose_devices("MIG-c", 1)
    with pytest.raises(DeviceError, match="no such device. Visible: MIG-"):
        choose_devices("MIG-x", 1)


# A Ray cluster's

HAS = ClusterResources(n_gpus=2, n_cpus=3, cores_per_cpu_worker=2)
WITHOUT_GPUS = ClusterResources(n_gpus=0, n_cpus=5, cores_per_cpu_worker=2)
EMPTY = ClusterResources(n_gpus=0, n_cpus=0, cores_per_cpu_worker=1)


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "cpu_workers", "devices"),
    [
        (None, 1, None, ["0", "1"]),
        ("all", 2, None, ["0", "0", "1", "1"]),
        ("3", 1, None, ["0", "1", "2"]),
        ("cpu", 1, None, ["cpu"]),
        ("cpu", 1, 5, ["cpu"] * 5),
    ],
)
def test_gpus_of_a_cluster_are_counted_and_may_be_more_than_there_are_yet(
    gpus: str | None, per_gpu: int, cpu_workers: int | None, devices: list[str]
) -> None:
    assert choose_cluster_devices(HAS, gpus, per_gpu, cpu_workers) == devices


def test_without_gpus_the_cpus_are_taken_unless_gpus_are_asked_for() -> None:
    assert choose_cluster_devices(WITHOUT_GPUS, None, 1) == ["cpu", "cpu"]
    with pytest.raises(DeviceError, match="the cluster has no GPU now"):
        choose_cluster_devices(WITHOUT_GPUS, "all", 1)
    with pytest.raises(DeviceError, match="neither GPUs nor CPU cores"):
        choose_cluster_devices(EMPTY, None, 1)


@pytest.mark.parametrize("gpus", ["0", "0,1", "-1", "MIG-x", "many", ""])
def test_with_ray_gpus_have_no_names(gpus: str) -> None:
    with pytest.raises(UsageError, match="the number of GPUs"):
        choose_cluster_devices(HAS, gpus, 1)
