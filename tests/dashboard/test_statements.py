"""What a page's first view asks of the database: a fixed number of statements, a name once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.store.engine import Engine
from tests.support.dashboard_requests import PAGES, dashboard_of
from tests.support.statements import Statement, counted
from tests.support.store_factories import sqlite_store
from tests.support.synthetic import add_study


def first_view(engine: Engine, page: str) -> Iterator[list[Statement]]:
    """The statements of each request of a page's first view that follows the page itself."""
    dashboard = dashboard_of(engine)
    for body in dashboard.bodies(dashboard.open(f"/study/small{page}")):
        with counted(engine) as statements:
            assert dashboard.post(body).status < 400
        yield statements


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = sqlite_store(tmp_path)
    add_study(engine, "small", 60)
    return engine


@pytest.mark.parametrize("page", PAGES)
def test_a_request_looks_its_study_up_at_most_once(engine: Engine, page: str) -> None:
    requests = list(first_view(engine, page))
    assert any(requests)
    for statements in requests:
        assert sum(statement.looks_up("small") for statement in statements) <= 1


@pytest.mark.parametrize("page", PAGES)
def test_a_first_view_costs_the_same_statements_however_many_trials(
    engine: Engine, page: str, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    more = sqlite_store(tmp_path / "more")
    add_study(more, "small", 240)
    n = [sum(map(len, first_view(of, page))) for of in (engine, more)]
    assert n[0] == n[1] < 150
