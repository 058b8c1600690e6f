"""What is kept at hand between two looks."""

import threading
import time
from typing import Any

import pytest

from sweep.analysis.floors import Floors
from sweep.config import TrialConfig
from sweep.dashboard import view as module
from sweep.dashboard.links import OVERVIEW, TRIALS, WHY
from sweep.dashboard.view import View
from sweep.errors import NotFoundError, StoreError
from sweep.store import annotate
from sweep.store.handle import StudyHandle
from tests.support.finding_factories import floors
from tests.support.statements import count_statements
from tests.support.store_factories import EPOCH, add_explanation, add_study, add_trial


def test_tables_of_the_studies_looked_at_last_are_kept(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_STUDIES", 1)
    add_study(view.engine, "other")
    small = view.table("small")
    assert view.table("small") is small
    view.table("other")
    assert view.table("small") is not small


def wait_for_floors(view: View, study: str) -> Floors | None:
    """The floors, once they are no longer being computed."""
    view.floors(study)
    for _ in range(500):
        if not view.computing_floors(study):
            return view.floors(study)
        time.sleep(0.01)
    raise AssertionError("they never came")


def add(view: View, name: str, **columns: Any) -> None:
    add_study(view.engine, name, provenance={"data_sha256": "5" * 64}, **columns)


def test_a_study_made_anew_has_floors_of_its_own(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [floors(0.9, 0.5), floors(0.8, 0.4)]
    monkeypatch.setattr(module, "study_floors", lambda study, keep: found.pop(0))
    add(view, "again")
    first = wait_for_floors(view, "again")
    assert first is not None and view.floors("again") is first
    annotate.delete_study(view.engine, "again")
    add(view, "again", created_at=EPOCH + 1)
    assert wait_for_floors(view, "again") not in (None, first)


def test_floors_that_cannot_be_known_are_not_looked_for_at_every_turn(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    monkeypatch.setattr(module, "study_floors", lambda study, keep: looks.append(study.name))
    add(view, "elsewhere")
    assert wait_for_floors(view, "elsewhere") is None
    assert wait_for_floors(view, "elsewhere") is None
    assert looks == ["elsewhere"]


def test_no_page_waits_for_floors_and_open_ones_hear_of_them(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floors of a full data set took a page minutes, in its own request."""
    may_end = threading.Event()

    def slow(study: StudyHandle, keep: bool) -> Floors:
        may_end.wait()
        return floors(0.9, 0.5)

    monkeypatch.setattr(module, "study_floors", slow)
    add(view, "large")
    before = view.token("large", OVERVIEW)
    assert view.floors("large") is None and view.computing_floors("large")
    meanwhile = view.token("large", OVERVIEW)
    may_end.set()
    assert wait_for_floors(view, "large") is not None
    assert before != meanwhile != view.token("large", OVERVIEW)


ENDS = (TrialConfig(), TrialConfig(epochs=50))


def test_the_pages_that_show_what_is_trained_for_the_study_hear_of_it(view: View) -> None:
    """Why showed an explanation as it was when the page was loaded, while its study trained."""
    tokens = {page: [view.token("small", page)] for page in (WHY, OVERVIEW)}

    def news() -> list[str]:
        for page, seen in tokens.items():
            seen.append(view.token("small", page))
        return [page for page, seen in tokens.items() if seen[-1] != seen[-2]]

    assert news() == []
    child = add_explanation(view.engine, "small", *ENDS, {ENDS[0]: (0.1,)})
    assert news() == [WHY, OVERVIEW]
    add_trial(view.engine, child, 1, state="RUNNING", curve=[0.2])
    assert news() == []  # it tells nothing before its end
    add_trial(view.engine, child, 2, 0.05, config=ENDS[1])
    assert news() == [WHY, OVERVIEW]
    annotate.invalidate(view.engine, "small-explain", 2)
    assert news() == [WHY, OVERVIEW]
    annotate.delete_study(view.engine, "small-explain")
    assert news() == [WHY, OVERVIEW]


def test_floors_that_fail_are_no_end_of_the_page(
    view: View, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(study: StudyHandle, keep: bool) -> Floors:
        raise StoreError("the database is away")

    monkeypatch.setattr(module, "study_floors", gone)
    add(view, "away")
    assert wait_for_floors(view, "away") is None
    assert "the database is away" in caplog.text


@pytest.mark.parametrize(("page", "n"), [(TRIALS, 1), (OVERVIEW, 2), (WHY, 2)])
def test_a_tick_without_news_costs_a_statement_or_two(view: View, page: str, n: int) -> None:
    before = view.token("small", page)
    with count_statements(view.engine) as statements:
        assert view.token("small", page) == before
    assert len(statements) == n
    assert not [statement for statement in statements if statement.looks_up("small")]


def test_a_study_made_anew_is_noticed_by_its_open_page(view: View) -> None:
    """A page's study is looked up by its id, which SQLite gives to the next study."""
    before = view.token("small", TRIALS)
    annotate.delete_study(view.engine, "small")
    add_study(view.engine, "other", created_at=EPOCH + 1)
    with pytest.raises(NotFoundError, match="no study 'small'"):
        view.token("small", TRIALS)
    with pytest.raises(NotFoundError, match="no study 'small'"):
        view.table("small")
    study_id = add_study(view.engine, "small", created_at=EPOCH + 2)
    add_trial(view.engine, study_id, 0, 0.1)
    assert view.token("small", TRIALS) != before
    assert view.table("small").numbers.tolist() == [0]
