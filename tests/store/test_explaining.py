"""Which studies explain another one, on both databases."""

from dataclasses import asdict

import pytest

from sweep.errors import NotFoundError
from sweep.store.explaining import explained_by, explaining
from sweep.store.migrate import open_store
from sweep.trial import TrialConfig
from tests.store_factories import add_explanation, add_study

BASELINE, TARGET = TrialConfig(), TrialConfig(epochs=9)


def test_the_one_that_was_run_last_comes_last(storage_url: str) -> None:
    engine = open_store(storage_url, create=True)
    for name in ("x", "y"):
        add_study(engine, name)
    for updated_at, suffix in ((5.0, "explain"), (7.0, "explain-3"), (6.0, "explain-2")):
        errors = {BASELINE: (0.1,)}
        columns = {"name": f"x-{suffix}", "updated_at": updated_at}
        add_explanation(engine, "x", BASELINE, TARGET, errors, **columns)
    found = explaining(engine, "x")
    assert list(found) == ["x-explain", "x-explain-2", "x-explain-3"]
    assert found["x-explain"].target == asdict(TARGET)
    assert explained_by(engine, "x-explain") == found["x-explain"]
    assert (explaining(engine, "y"), explained_by(engine, "x")) == ({}, None)
    with pytest.raises(NotFoundError):
        explaining(engine, "z")
    engine.dispose()
