"""The page of all studies, without a browser."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dash import Patch, no_update

from sweep.config import TrialConfig
from sweep.dashboard import links
from sweep.dashboard.pages import studies
from sweep.dashboard.parts.moments import ago, since
from sweep.dashboard.view import View
from sweep.findings.progress import study_status
from sweep.store import annotate, schema
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.pages import as_json
from tests.support.store_factories import (
    EPOCH,
    add_explanation,
    add_rows,
    add_study,
    add_trial,
    lease_row,
    new_store,
    sqlite_store,
)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


@pytest.fixture
def view(engine: Engine) -> View:
    return View(engine=engine)


def names(view: View, search: str = "", sort: str = "") -> list[str]:
    return [of.study.name for of in studies.gather(view, search, sort).studies]


def page(view: View, **query: str) -> str:
    return as_json(studies.layout(view, links.Place(links.STUDIES, query=query)))


def test_a_search_finds_words_in_everything_that_was_written_of_a_study(
    view: View, engine: Engine
) -> None:
    add_study(engine, "narrow", description="How few units do?")
    add_study(engine, "wide")
    annotate.tag(engine, "wide", "for the paper")
    assert names(view, "FEW units") == ["narrow"]
    assert names(view, "paper wide") == ["wide"]
    assert names(view, "few paper") == []


def test_studies_stand_in_the_order_that_the_address_asks_for(view: View, engine: Engine) -> None:
    for name, error, changed in (("a", 0.3, 1.0), ("b", None, 3.0), ("c", 0.1, 2.0)):
        add_trial(engine, add_study(engine, name, updated_at=changed), 0, error)
    assert names(view) == ["b", "c", "a"]
    assert names(view, sort="name") == ["a", "b", "c"]
    assert names(view, sort="-name") == ["c", "b", "a"]
    # Without a value it stands last either way.
    assert names(view, sort="best") == ["c", "a", "b"]
    assert names(view, sort="-best") == ["a", "c", "b"]
    assert names(view, sort="nonsense") == names(view)


def test_a_second_click_on_a_head_turns_the_order_around() -> None:
    assert studies.turn_order("", "best") == "best"
    assert studies.turn_order("best", "best") == "-best"
    assert studies.turn_order("-best", "best") == "best"
    assert studies.turn_order("", "changed") == "-changed"  # which it is sorted by at first
    assert studies.aria_sort("best", "-best") == "descending"
    assert studies.aria_sort("done", "done") == "descending"
    assert studies.aria_sort("done", "best") == "none"


def test_only_rows_that_changed_are_sent_again(view: View, engine: Engine) -> None:
    for name in "abc":
        add_study(engine, name)

    def look() -> tuple[list[studies.Listed], list[list[str]]]:
        found = studies.gather(view, "", "name").studies
        return found, studies.marks(found)

    found, before = look()
    assert studies.changed_rows(found, before, before) is no_update
    annotate.note(engine, "b", "seen")
    found, now = look()
    patch = studies.changed_rows(found, before, now)
    assert isinstance(patch, Patch)
    assert [step["location"] for step in patch.to_plotly_json()["operations"]] == [[1]]
    add_study(engine, "aa")
    found, later = look()
    assert len(studies.changed_rows(found, now, later)) == 4


def test_a_study_whose_coordinator_is_gone_is_interrupted(engine: Engine) -> None:
    ids = {name: add_study(engine, name, phase="running") for name in ("held", "lost")}
    add_rows(engine, schema.sweep_leases, lease_row(ids["held"], time.time() + 60))
    add_rows(engine, schema.sweep_leases, lease_row(ids["lost"], time.time() - 60))
    assert study_status(open_study(engine, "held").summary()).word == "running"
    lost = study_status(open_study(engine, "lost").summary())
    assert lost.word == "interrupted"
    assert "sweep resume lost" in lost.detail


def test_a_row_tells_how_far_a_study_is_and_what_it_found(view: View, engine: Engine) -> None:
    study_id = add_study(engine, "wide", n_trials=4)
    add_trial(engine, study_id, 0, 0.25)
    add_trial(engine, study_id, 1, 0.125)
    add_trial(engine, study_id, 2, state="FAIL", outcome="diverged")
    shown = page(view)
    assert "3 of 4 done" in shown
    assert "1 diverged" in shown
    assert "0.1250" in shown
    assert "/study/wide/trials/1" in shown
    assert "The best value fell from 0.250 to 0.125 over 3 trials." in shown


def test_what_was_trained_for_a_study_is_folded_into_its_row(view: View, engine: Engine) -> None:
    add_study(engine, "wide")
    ends = TrialConfig(), TrialConfig(hidden_width=8)
    add_explanation(engine, "wide", *ends, {ends[0]: (0.2,), ends[1]: (0.1,)})
    found = studies.gather(view, "", "")
    assert found.summary == "1 study and 1 derived"
    (row,) = found.studies
    assert [of.name for of in row.derived] == ["wide-explain"]
    assert "1 derived study" in page(view)
    # Found by its own name it has a row of its own.
    assert names(view, "wide-explain") == ["wide-explain"]


def test_a_study_of_a_deleted_one_stands_by_itself(view: View, engine: Engine) -> None:
    add_study(engine, "wide")
    ends = TrialConfig(), TrialConfig(hidden_width=8)
    add_explanation(engine, "wide", *ends, {ends[0]: (0.2,), ends[1]: (0.1,)})
    annotate.delete_study(engine, "wide")
    add_study(engine, "wide", created_at=EPOCH + 1)  # another of that name
    assert sorted(names(view)) == ["wide", "wide-explain"]


def test_an_attribute_that_is_none_of_ours_folds_nothing(view: View, engine: Engine) -> None:
    attribute = {"study_id": add_study(engine, "odd"), "key": "sweep_explains"}
    odd = {**attribute, "value_json": '{"study": ["x"]}'}
    add_rows(engine, schema.study_user_attributes, odd)
    assert names(view) == ["odd"]


def test_an_empty_store_says_how_to_begin_and_hides_the_password(view: View) -> None:
    shown = page(view)
    assert "No studies yet" in shown
    assert "sweep new mine.toml && sweep start mine.toml --storage sqlite:" in shown
    assert studies.start_command("postgresql://me:***@db/x", has_password=True) == (
        "sweep new mine.toml && sweep start mine.toml"
    )


def test_a_password_in_the_storage_is_not_shown(postgres_url: str) -> None:
    view = View(engine=new_store(postgres_url))
    password = view.engine.url.password
    assert password
    shown = page(view)
    view.engine.dispose()
    assert password not in shown
    assert "***" in shown


def test_many_studies_are_cut_to_an_answer_that_stays_small(view: View, engine: Engine) -> None:
    for n in range(studies.MAX_ROWS + 5):
        study_id = add_study(engine, f"study-{n:03}", description="What limits it? " * 5)
        add_trial(engine, study_id, 0, 1.0)
    shown = page(view)
    assert "205 studies" in shown
    assert "the first 200 are shown" in shown
    assert len(shown) < 1_000_000
    assert names(view, "study-204") == ["study-204"]


def test_a_search_without_a_result_says_so(view: View, engine: Engine) -> None:
    add_study(engine)
    assert "No study has “nothing”" in page(view, search="nothing")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "now"),
        (0.5, "now"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (90_000, "1 d ago"),
    ],
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert ago(seconds) == said


def test_a_moment_comes_with_its_age() -> None:
    at = datetime.now(UTC)
    assert 60 <= float(getattr(since(at - timedelta(minutes=1)), "data-ago")) < 3600
    ahead = since(at + timedelta(hours=1))
    assert getattr(ahead, "data-ago") == "0.0" and ahead.children == "now", "its clock is ahead"
