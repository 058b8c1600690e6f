"""What a page's first view asks of the database: a fixed number of statements, a name once."""

from collections.abc import Iterator

import pytest

from sweep.store.engine import Engine
from tests.support.dashboard_requests import PAGES, dashboard_of
from tests.support.statements import Statement, count_statements
from tests.support.store_factories import sqlite_store
from tests.support.synthetic import add_study


def first_view(engine: Engine, page: str) -> Iterator[list[Statement]]:
    """The statements of each request of a page's first view that follows the page itself."""
    dashboard = dashboard_of(engine)
    for body in dashboard.bodies(dashboard.open(f"/study/small{page}")):
        with count_statements(engine) as statements:
            assert dashboard.post(body).status < 400
        yield statements


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A store with a study "small" of 240 trials, which tests read only."""
    more = sqlite_store(tmp_path_factory.mktemp("more"))
    add_study(more, "small", 240)
    return more


@pytest.mark.parametrize("page", PAGES)
def test_a_first_view_looks_a_study_up_once_a_request_and_costs_the_same_for_more_trials(
    engine: Engine, more: Engine, page: str
) -> None:
    requests = list(first_view(engine, page))
    assert any(requests)
    for statements in requests:
        assert sum(statement.looks_up("small") for statement in statements) <= 1
    assert sum(map(len, requests)) == sum(map(len, first_view(more, page))) < 150
