"""How a study shares the cores of a CPU."""

from typing import Any

import pytest

from sweep.launch.cpu import CpuShare, share_cpu

ROOM = 64 * 2**30


def share(**given: Any) -> tuple[int, int]:
    of = {"n_cores": 8, "widest": 128, "n_trials": 1_000, "free_bytes": ROOM}
    return share_cpu(**(of | given))


@pytest.mark.parametrize("widest", [8, 128, 784])
def test_a_study_of_many_trials_gets_a_worker_of_one_thread_for_each_core(widest: int) -> None:
    assert share(widest=widest) == CpuShare(n_workers=8, n_threads=1)
    assert share(widest=widest, n_cores=1) == (1, 1)


def test_the_quickstart_on_two_cores_gets_two_workers() -> None:
    assert share(n_cores=2, widest=784, n_trials=24) == (2, 1)


def test_few_trials_get_fewer_workers_and_wide_ones_their_cores_as_threads() -> None:
    assert share(n_trials=8, widest=784) == (2, 4)
    assert share(n_trials=1, widest=784) == (1, 8)


def test_narrow_networks_never_get_a_second_thread() -> None:
    assert share(n_trials=1, widest=255) == (1, 1)
    assert share(n_workers=1, widest=255) == (1, 1)
    assert share(n_workers=1, widest=256) == (1, 8)


def test_workers_find_room_in_the_memory_that_is_free() -> None:
    assert share(free_bytes=1_600_000_000) == (3, 1)
    assert share(free_bytes=0) == (1, 1)


def test_the_number_of_workers_that_is_asked_for_is_kept() -> None:
    assert share(n_workers=3, widest=784, free_bytes=0, n_trials=1) == (3, 2)
    assert share(n_workers=16) == (16, 1)


def test_omp_num_threads_decides_on_threads_and_leaves_its_cores_to_workers() -> None:
    assert share(max_threads=2) == (4, 2)
    assert share(max_threads=16) == (1, 8)
    assert share(max_threads=1, n_trials=1, widest=784) == (1, 1)
    assert share(max_threads=2, n_workers=1) == (1, 2)
