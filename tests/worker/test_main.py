"""The worker's process: how it loads what it needs."""

import gc
from collections.abc import Iterator

import pytest

from sweep.worker.__main__ import without_collection


@pytest.fixture
def collections() -> Iterator[list[str]]:
    """Starts of garbage collections, as they come."""
    started: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            started.append(phase)

    gc.callbacks.append(note)
    yield started
    gc.callbacks.remove(note)
    gc.unfreeze()


def test_nothing_is_collected_while_modules_load_nor_among_what_they_made(
    collections: list[str],
) -> None:
    with without_collection():
        loaded = [[number] for number in range(10_000)]
    assert not collections
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(loaded)
