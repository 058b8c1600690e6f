"""What the coordinator's tests share: a store, in a folder of their own."""

from functools import cache
from pathlib import Path

import pytest

from sweep.datasets import library
from sweep.store.engine import Engine
from tests.support.store_factories import sqlite_store


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Weights of a study in PostgreSQL go where its coordinator runs.
    monkeypatch.chdir(tmp_path)


_read_known = cache(library._read_known)


@pytest.fixture(autouse=True)
def _read_known_data_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacking them took a tenth of the time: each run of a study reads its data."""
    monkeypatch.setattr(library, "_read_known", _read_known)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


@pytest.fixture
def url(engine: Engine) -> str:
    """The store's, for Optuna's own eyes."""
    return str(engine.url)
