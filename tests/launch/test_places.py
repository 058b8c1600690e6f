"""How many workers a study gets in a cluster."""

import pytest

from sweep.errors import DeviceError, UsageError
from sweep.launch.places import Capacity, choose_places

HAS = Capacity(n_gpus=2, n_cpus=3, cores_per_cpu_worker=2)
WITHOUT_GPUS = Capacity(n_gpus=0, n_cpus=5, cores_per_cpu_worker=2)
EMPTY = Capacity(n_gpus=0, n_cpus=0, cores_per_cpu_worker=1)


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "cpu_workers", "places"),
    [
        (None, 1, None, ["0", "1"]),
        ("all", 2, None, ["0", "0", "1", "1"]),
        ("3", 1, None, ["0", "1", "2"]),
        ("cpu", 1, None, ["cpu"]),
        ("cpu", 1, 5, ["cpu"] * 5),
    ],
)
def test_places_are_counted_and_may_be_more_than_there_are_yet(
    gpus: str | None, per_gpu: int, cpu_workers: int | None, places: list[str]
) -> None:
    assert choose_places(HAS, gpus, per_gpu, cpu_workers) == places


def test_without_gpus_the_cpus_are_taken_unless_gpus_are_asked_for() -> None:
    assert choose_places(WITHOUT_GPUS, None, 1) == ["cpu", "cpu"]
    with pytest.raises(DeviceError, match="the cluster has no GPU now"):
        choose_places(WITHOUT_GPUS, "all", 1)
    with pytest.raises(DeviceError, match="neither GPUs nor CPU cores"):
        choose_places(EMPTY, None, 1)


@pytest.mark.parametrize("gpus", ["0", "0,1", "-1", "MIG-x", "many", ""])
def test_with_ray_gpus_have_no_names(gpus: str) -> None:
    with pytest.raises(UsageError, match="how many GPUs"):
        choose_places(HAS, gpus, 1)
