"""The benchmark of long studies, in small."""

from pathlib import Path

from benchmarks.long import database_bytes, measure
from sweep.store.handle import open_study
from sweep.store.migrate import open_store


def test_a_long_study_is_told_by_tenths_and_taken_up_again(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'long.db'}", create=True)
    found = measure(engine, "random", n_trials=600, n_workers=1, rate=100.0)
    assert 2 <= len(found["rates"]) <= 10
    assert found["resume_seconds"] > 0
    assert 500 < found["database_per_trial"] < 20_000
    assert database_bytes(engine) > 0
    assert (
        open_study(engine, "long").summary().counts["COMPLETE"] == 664
    )  # 64 of them after it was resumed
