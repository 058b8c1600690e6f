"""A disk under SQLite that fails, is slow or writes in part: what was confirmed stays, once each.

The coordinator is a real process, its workers simulated ones; the faults are those of
`tests/support/faulty_disk.c`, loaded into the coordinator. `test_full_disk.py` fills a real one.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chaos_field import Field
from sweep.store.handle import open_study
from tests.support.preload import preload_library


class FaultyDisk:
    """What is wrong with a database's disk at the moment."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._control = folder / "faults"
        self._control.touch()
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULTY_FILES": str(folder / "x.db"),
            "FAULTY_DISK": str(self._control),
        }

    def set(self, *faults: str) -> None:
        """Have these faults from now on, and no others."""
        self._control.write_text(" ".join(faults))

    def has_shown(self, fault: str) -> bool:
        log = self._control.with_name("faults.log")
        return log.exists() and fault in log.read_text()


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(preload_library("faulty_disk.c", tmp_path), tmp_path)


@pytest.fixture
def study(disk: FaultyDisk, tmp_path: Path) -> Iterator[Field]:
    """On the disk; no process of it survives the test."""
    study = Field(
        folder=tmp_path,
        url=f"sqlite:///{tmp_path / 'x.db'}",
        dice=random.Random(1),
        rate=4,  # so slow that it is not over before each fault has shown
        patience=4,
        environment=disk.environment,
    )
    yield study
    study.end()


def read_finished(study: Field) -> dict[int, tuple[float | None, int]]:
    """Value and attempt of each trial that anybody can read as finished."""
    rows = open_study(study.engine, "chaos").trials()
    return {row.number: (row.value, row.attempt) for row in rows if row.outcome is not None}


def test_a_disk_that_fails_for_a_while_is_waited_for_and_costs_nothing(
    study: Field, disk: FaultyDisk
) -> None:
    study.prepare(trials=48)
    study.progress(2)
    disk.set("write:short", "fsync:slow")  # goes on meanwhile
    study.progress(4)
    assert disk.has_shown("write:short") and disk.has_shown("fsync:slow")
    for fault in ("fsync:EIO", "write:EIO"):  # nothing is written from here on
        disk.set(fault)
        study.wait(f"{fault} shows", lambda fault=fault: disk.has_shown(fault))
    disk.set()
    study.progress(2)
    assert study.finish() == []
    assert study.tally["coordinators"] == 1
    assert "disk I/O error" in (study.folder / "log").read_text()


#: A fault, the exit code that it ends a coordinator with, and what that says.
BROKEN = (
    ("write:ENOSPC", 10, "database or disk is full. Free some disk space"),
    ("write:EIO", 5, "disk I/O error (SQLITE_IOERR_WRITE): its disk or file system fails"),
    ("read:EIO", 5, "disk I/O error (SQLITE_IOERR_"),
)


def test_a_disk_that_stays_broken_ends_each_run_until_one_completes_the_study(
    study: Field, disk: FaultyDisk
) -> None:
    study.prepare(36, "budget.max_away_seconds = 1\n")
    confirmed: dict[int, tuple[float | None, int]] = {}
    for fault, code, says in BROKEN:
        if fault == "read:EIO":  # the others are met while it runs, this one as it starts
            disk.set(fault)
            study.coordinator = study.start()
        else:
            study.progress(4)
            disk.set(fault)
        assert study.coordinator is not None
        assert study.coordinator.process.wait(60 * study.patience) == code
        log = (study.folder / "log").read_text()
        assert says in log and str(study.folder / "x.db") in log and "sweep resume NAME" in log
        disk.set()
        assert confirmed.items() <= read_finished(study).items()
        confirmed = read_finished(study)
    assert 8 <= len(confirmed) < 36
    assert study.finish() == []
    assert confirmed.items() <= read_finished(study).items()
