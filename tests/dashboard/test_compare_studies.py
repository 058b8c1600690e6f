"""The page that compares studies, without a browser."""

from typing import Any

import pytest

from sweep.dashboard import links
from sweep.dashboard.links import Place
from sweep.dashboard.pages import compare_studies
from sweep.dashboard.view import View
from sweep.findings.study_comparison import gather_studies
from sweep.store import annotate
from sweep.store.engine import Engine
from tests.support.dashboard_requests import dashboard_of
from tests.support.pages import as_json
from tests.support.synthetic import add_study as add_synthetic

TWO = "/compare?studies=small,other"


@pytest.fixture
def two(engine: Engine) -> Engine:
    add_synthetic(engine, "other", 30, seed=1)
    return engine


def test_the_page_says_what_the_finding_says(two: Engine) -> None:
    view = View(engine=two)
    page = compare_studies.layout(view, Place("compare-studies", query={"studies": "small,other"}))
    found = gather_studies([view.study("small"), view.study("other")])
    shown = as_json(page)
    assert found.headline and found.headline in shown
    for table in found.tables.values():
        assert table.title in shown
    assert [trace.name for trace in page["compared-seconds"].figure.data] == ["small", "other"]


def test_names_in_an_address_may_have_commas() -> None:
    names = ["a,b", "a%2Cb", "ü &?/"]
    address = links.url(links.COMPARE_STUDIES, studies=links.join_names(names))
    place = links.parse(*address.split("?", 1))
    assert place.page == links.COMPARE_STUDIES
    assert links.split_names(place.query["studies"]) == names


def test_what_is_asked_for_in_vain_is_told() -> None:
    every = [f"s{n}" for n in range(10)]
    chosen = compare_studies.choose(every, ["x", "s1", "s1"])
    assert chosen == (["s1"], ["There is no study 'x'."])
    names, complaints = compare_studies.choose(every, every)
    assert names == every[:8]
    assert complaints == ["8 studies fit side by side; not shown: s8, s9."]


def test_one_study_alone_is_not_compared(two: Engine) -> None:
    page = compare_studies.layout(
        View(engine=two), Place("compare-studies", query={"studies": "small"})
    )
    assert "Nothing to compare yet" in as_json(page)
    assert page["compared-trials-card"].hidden and page["compared-seconds-card"].hidden


def test_news_about_other_studies_is_no_news(two: Engine) -> None:
    view = View(engine=two)
    before = compare_studies.mark_of(view, ["small"])
    annotate.note(two, "other", "look")
    assert compare_studies.mark_of(view, ["small"]) == before
    annotate.note(two, "small", "look")
    assert compare_studies.mark_of(view, ["small"]) != before


def test_every_callback_takes_what_the_page_sends(two: Engine) -> None:
    dashboard = dashboard_of(two)
    answers: list[Any] = [dashboard.post(body) for body in dashboard.bodies(dashboard.open(TWO))]
    assert answers and {answer.status for answer in answers} <= {200, 204}
    assert not any(b"bug" in answer.body for answer in answers)
