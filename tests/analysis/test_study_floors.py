from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sweep import datasets
from sweep.analysis import study_floors as module
from sweep.analysis.study_floors import study_floors
from sweep.store.handle import open_study
from tests.support.factories import make_images, write_dataset
from tests.support.store_factories import add_study, sqlite_store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite_store(tmp_path)
    yield engine
    engine.dispose()


def add(engine: Engine, folder: Path, sha256: str | None) -> None:
    data = {"name": str(folder), "validation_fraction": 0.1, "split_seed": 0}
    add_study(engine, settings={"data": data}, provenance={"data_sha256": sha256})


def test_floors_are_computed_once_and_then_kept(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = make_images()
    folder = write_dataset(tmp_path / "data", images)
    add(engine, folder, images.sha256)
    first = study_floors(open_study(engine, "study"))
    assert first is not None

    def fail(*_: Any) -> None:
        raise AssertionError("computed a second time")

    monkeypatch.setattr(module, "compute_floors", fail)
    assert study_floors(open_study(engine, "study")) == first


def test_a_study_that_has_not_seen_its_data_has_no_floors(engine: Engine, tmp_path: Path) -> None:
    add(engine, write_dataset(tmp_path / "data"), None)
    assert study_floors(open_study(engine, "study")) is None


def test_data_that_have_changed_since_give_no_floors(engine: Engine, tmp_path: Path) -> None:
    add(engine, write_dataset(tmp_path / "data"), "another checksum")
    assert study_floors(open_study(engine, "study")) is None


def test_data_that_are_not_here_are_not_downloaded(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "load", lambda _: pytest.fail("loaded"))
    add(engine, tmp_path / "nowhere", "checksum")
    assert study_floors(open_study(engine, "study")) is None
