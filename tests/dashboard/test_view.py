"""What is kept at hand between two looks."""

import pytest

from sweep.dashboard import view as module
from sweep.dashboard.view import View
from sweep.store import annotate
from tests.analysis.test_diagnosis import floors
from tests.store_factories import EPOCH, add_study


def test_tables_of_the_studies_looked_at_last_are_kept(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_TABLES", 1)
    add_study(view.engine, "other")
    small = view.table("small")
    assert view.table("small") is small
    view.table("other")
    assert view.table("small") is not small


def test_a_study_made_anew_has_floors_of_its_own(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [floors(0.9, 0.5), floors(0.8, 0.4)]
    monkeypatch.setattr(module, "study_floors", lambda engine, name: found.pop(0))
    add_study(view.engine, "again")
    first = view.floors("again")
    assert view.floors("again") is first
    annotate.delete_study(view.engine, "again")
    add_study(view.engine, "again", created_at=EPOCH + 1)
    assert view.floors("again") not in (None, first)


def test_floors_that_cannot_be_known_are_not_looked_for_at_every_turn(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    monkeypatch.setattr(module, "study_floors", lambda engine, name: looks.append(name))
    add_study(view.engine, "elsewhere")
    assert view.floors("elsewhere") is None
    assert view.floors("elsewhere") is None
    assert looks == ["elsewhere"]
