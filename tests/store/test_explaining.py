"""Which studies explain another one, on both databases."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sweep.config import TrialConfig
from sweep.errors import NotFoundError
from sweep.store import copy
from sweep.store.annotate import delete_study
from sweep.store.derived_studies import DerivedKind
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.migrate import open_store
from tests.support.store_factories import (
    EPOCH,
    add_attributes,
    add_explanation,
    add_study,
    new_store,
    sqlite_store,
)

BASELINE, TARGET = TrialConfig(), TrialConfig(epochs=9)


def test_the_one_that_was_run_last_comes_last(store_url: str) -> None:
    engine = open_store(store_url)
    for name in ("x", "y"):
        add_study(engine, name)
    for updated_at, suffix in ((5.0, "explain"), (7.0, "explain-3"), (6.0, "explain-2")):
        errors = {BASELINE: (0.1,)}
        columns = {"name": f"x-{suffix}", "updated_at": updated_at}
        add_explanation(engine, "x", BASELINE, TARGET, errors, **columns)
    found = open_study(engine, "x").explanations()
    assert list(found) == ["x-explain", "x-explain-2", "x-explain-3"]
    assert found["x-explain"].target == asdict(TARGET)
    assert open_study(engine, "x-explain").explains() == found["x-explain"]
    assert (open_study(engine, "y").explanations(), open_study(engine, "x").explains()) == (
        {},
        None,
    )
    with pytest.raises(NotFoundError):
        open_study(engine, "z").explanations()
    engine.dispose()


def explain(engine: Engine, **columns: Any) -> None:
    add_explanation(engine, "x", BASELINE, TARGET, {BASELINE: (0.1,)}, **columns)


def test_a_study_made_anew_is_not_the_one_that_was_explained(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    for created_at in (EPOCH + 0.001, EPOCH):  # the same second; and a clock that was put back
        add_study(engine, "x", created_at=created_at)
        if created_at > EPOCH:
            explain(engine)
            assert (
                list(open_study(engine, "x").explanations()),
                open_study(engine, "x").mismatched_studies(DerivedKind.EXPLAINS),
            ) == (
                ["x-explain"],
                [],
            )
            delete_study(engine, "x")
    assert open_study(engine, "x").explanations() == {}
    assert [
        of.child for of in open_study(engine, "x").mismatched_studies(DerivedKind.EXPLAINS)
    ] == ["x-explain"]


@pytest.mark.parametrize("kind", DerivedKind)
@pytest.mark.parametrize("value", [5, {"study": "x"}, {"study": "x", "study_created_at": "today"}])
def test_an_attribute_of_somebody_else_is_ignored(
    tmp_path: Path, kind: DerivedKind, value: object
) -> None:
    engine = sqlite_store(tmp_path)
    add_study(engine, "x")
    explain(engine)
    before = open_study(engine, "x").trials_fingerprint()
    add_attributes(engine, add_study(engine, "y"), {kind: value})
    x, y = open_study(engine, "x"), open_study(engine, "y")
    assert (y.explains(), y.retrains()) == (None, None)
    assert (list(x.explanations()), x.retrainings()) == (["x-explain"], {})
    assert x.mismatched_studies(kind) == []
    assert x.trials_fingerprint() == before
    assert "y" not in DatabaseHandle(engine).study_list().parents


def test_a_copy_is_explained_as_the_study_was(tmp_path: Path, postgres_store_url: str) -> None:
    """There and back: both databases hand a moment on as it is."""
    source, target, back = (
        sqlite_store(tmp_path),
        open_store(postgres_store_url),
        new_store(f"sqlite:///{tmp_path}/back.db"),
    )
    add_study(source, "x", created_at=1795674777.91198)
    explain(source)
    for one, other in ((source, target), (target, back)):
        for name in ("x", "x-explain"):
            copy.copy_study(one, other, name)
        assert list(open_study(other, "x").explanations()) == ["x-explain"]
    target.dispose()
