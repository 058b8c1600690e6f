"""A dashboard without --allow-edit writes nothing, whatever is asked of it."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from sweep import datasets
from sweep.store import annotate, optuna_rows, schema
from sweep.store.engine import Engine, write_transaction
from tests.support.dashboard_requests import answers, dashboard_of, targets
from tests.support.page_client import Dashboard
from tests.support.store_factories import change_study_file, sqlite_store
from tests.support.synthetic import add_study


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A study whose floors are not known yet, though its data are on this machine."""
    engine = sqlite_store(tmp_path)
    add_study(engine, "study", 24)
    annotate.tag(engine, "study", "a tag", 7)
    data = {"name": "fashion-mnist-mini", "validation_fraction": 0.1, "split_seed": 0}
    change_study_file(engine, "study", {"data": data})
    with write_transaction(engine) as connection:
        told = {"data_sha256": datasets.load(data["name"]).sha256}
        connection.execute(update(schema.sweep_studies).values(provenance=told))
    return engine


def content(engine: Engine) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = {*optuna_rows.metadata.sorted_tables, *schema.sweep_metadata.sorted_tables}
    with engine.connect() as connection:
        return {of.name: [*map(tuple, connection.execute(select(of)))] for of in tables}


def ask_everything(dashboard: Dashboard, like: Dashboard) -> int:
    """Every page and callback, and those that only an editable dashboard has."""
    n_asked = sum(1 for _ in answers(dashboard, "study"))
    for target in targets("study"):
        for body in like.bodies(like.open(target)):
            dashboard.post(body)
            n_asked += 1
    return n_asked


def test_no_page_and_no_callback_writes(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = sqlite_store(tmp_path / "copy")
    add_study(copy, "study", 24)
    editable = dashboard_of(copy, allow_edit=True)
    before = content(engine)
    dashboard = dashboard_of(engine)
    assert ask_everything(dashboard, editable) > 150
    for _ in range(600):  # floors are computed beside
        if "computing" not in dashboard.get("/api/revision?study=study").json()["revision"]:
            break
        time.sleep(0.1)
    told = dashboard.open("/study/study").props["overview-verdict"]
    assert "PCA" in str(told)  # they are known, and
    assert before["sweep_floors"] == []
    assert content(engine) == before


def test_an_editable_dashboard_keeps_floors(engine: Engine) -> None:
    dashboard = dashboard_of(engine, allow_edit=True)
    dashboard.open("/study/study")
    for _ in range(600):
        if content(engine)["sweep_floors"]:
            return
        time.sleep(0.1)
    pytest.fail("no floors were written")
