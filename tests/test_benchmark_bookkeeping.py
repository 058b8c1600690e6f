"""The benchmark of bookkeeping trains nothing: small studies go through both sides of it."""

from pathlib import Path

import pytest

from benchmarks import bookkeeping
from sweep.store.migrate import open_store


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(bookkeeping, "SIZES", (20, 40))
    monkeypatch.setattr(bookkeeping, "POPULATION", 2)
    monkeypatch.setattr(bookkeeping, "N_POPULATIONS", 1)
    url = f"sqlite:///{tmp_path / 'sweep.db'}"
    open_store(url, create=True).dispose()
    return url


def test_writing_is_counted_for_both_sides_at_every_size(url: str) -> None:
    found = bookkeeping.measure_write(url)
    for size in ("20", "40"):
        ours, optunas = found[size]["ours"], found[size]["optuna"]
        assert 0 < ours["statements"] < optunas["statements"]
        assert 0 < ours["commits"] < optunas["commits"]


def test_opening_takes_time_on_both_sides(url: str) -> None:
    found = bookkeeping.measure_open(url)
    assert found["ours"] > 0 and found["optuna"] > 0
    assert found["ratio"] == pytest.approx(found["optuna"] / found["ours"])
