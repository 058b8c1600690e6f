"""Explore: brushes become one filter, which the charts show."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.analysis.filters import Filter
from sweep.dashboard.links import EXPLORE, Place
from sweep.dashboard.pages import explore
from sweep.dashboard.parts import views
from sweep.dashboard.view import PageReader, View
from sweep.errors import UsageError
from sweep.figures import parallel
from sweep.figures.parallel import gather_brushed
from sweep.store.engine import Engine
from sweep.store.table import TrialTable
from tests.support.pages import as_json
from tests.support.store_factories import add_study, add_trial, sqlite_store, trial_row, trial_table
from tests.support.synthetic import add_study as add_synthetic

CHOSEN = ("hidden_width", "activation", "val_mse")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = sqlite_store(tmp_path)
    add_synthetic(engine, "study", 300)
    return engine


@pytest.fixture
def view(engine: Engine) -> View:
    return View(engine=engine)


@pytest.fixture
def table(view: View) -> TrialTable:
    return view.table("study")


def text_of(of: Any) -> str:
    return json.dumps(of, default=lambda part: part.to_plotly_json(), ensure_ascii=False)


def page(view: View, study: str = "study", query: Mapping[str, str] | None = None) -> str:
    return text_of(explore.layout(view, Place(EXPLORE, study, query=query or {})))


def reader(view: View, where: str = "", study: str = "study") -> PageReader:
    return PageReader(view, study, Filter.parse(where))


def test_an_address_shows_its_view_and_filter(view: View) -> None:
    said = page(view, query={"where": "activation:tanh", "view": "contour", "x": "loss"})
    assert '"id": "explore-where", "data": "activation:tanh"' in said
    assert "activation tanh" in said and '"value": "contour"' in said and '"value": "loss"' in said
    assert "/study/study/trials?where=activation%3Atanh" in said


def test_a_filter_that_means_nothing_here_is_told(view: View) -> None:
    with pytest.raises(UsageError, match="unknown column 'colour'"):
        page(view, query={"where": "colour:red"})


def test_what_an_address_names_and_is_not_there_becomes_what_is(table: TrialTable) -> None:
    choice = views.choice_of(table, "colour", "colour", "colour")
    assert choice == views.ChosenColumns("hidden_width", "activation", "val_mse")


def test_the_two_settings_of_a_map_differ(table: TrialTable) -> None:
    assert views.choice_of(table, "loss", "loss", None)[:2] == ("loss", "hidden_width")


@pytest.mark.parametrize(("n", "said"), [(0, "No trial yet"), (1, "1 trial"), (3, "All 3 trials")])
def test_the_count_of_trials_is_a_sentence(n: int, said: str) -> None:
    table = trial_table(*(trial_row(number=number, values=(0.1,)) for number in range(n)))
    assert f'"{said}"' in as_json(explore.lay_out_conditions("study", table, Filter()))


def test_a_condition_goes_alone_or_with_all_others() -> None:
    where = Filter.parse("activation:tanh;value:..0.1")
    assert str(explore.drop(where, "value")) == "activation:tanh"
    assert not explore.drop(where, "")


def test_what_a_chart_says_under_its_title_is_the_note_of_its_card(view: View) -> None:
    drawn, _, note, _ = explore.pane_figure(reader(view), "intermediate", CHOSEN, None)
    assert re.match(r"(All )?\d+ ", note)
    assert (drawn.layout.title.subtitle.text, drawn.layout.margin.t) == (None, None)


@pytest.mark.parametrize("kind", [name for name in views.VIEWS if name != "pareto"])
def test_every_view_draws_what_passes_under_a_megabyte(view: View, kind: str) -> None:
    drawn = explore.pane_figure(reader(view, "activation:tanh"), kind, CHOSEN, None).drawn
    assert drawn.data
    assert drawn.layout.meta["view"] == kind
    assert len(drawn.to_json()) < 1_000_000


@pytest.mark.parametrize("kind", [name for name in views.VIEWS if name != "pareto"])
@pytest.mark.parametrize("trials", [0, 1])
def test_every_view_copes_with_next_to_nothing(engine: Engine, kind: str, trials: int) -> None:
    study_id = add_study(engine, "tiny")
    for number in range(trials):
        add_trial(engine, study_id, number, state="RUNNING")
    view = View(engine=engine)
    drawn = explore.pane_figure(reader(view, study="tiny"), kind, CHOSEN, None).drawn
    assert drawn.layout.annotations[0].text
    assert "explore-pane" in page(view, "tiny")


def test_trade_offs_are_offered_where_there_are_some(engine: Engine, table: TrialTable) -> None:
    study_id = add_study(engine, "two", objectives=("val_mse", "hidden_width"))
    for number, values in enumerate([(0.1, 64), (0.2, 8)]):
        add_trial(engine, study_id, number, values)
    view = View(engine=engine)
    assert "pareto" in views.views_of(view.table("two"))
    assert "pareto" not in views.views_of(table)
    drawn = explore.pane_figure(reader(view, study="two"), "pareto", CHOSEN, None).drawn
    assert drawn.data


@pytest.mark.parametrize(
    ("kind", "box", "where"),
    [
        ("slice", {"x": [32, 64], "y": [0.01, 0.02]}, "hidden_width:32..64;val_mse:0.01..0.02"),
        ("history", {"x": [10, 20.4], "y": [0, 9]}, "number:10..20"),
        ("contour", {"x": [30, 70], "y": [-0.4, 0.4]}, "hidden_width:30..70;activation:linear"),
        ("edf", {"x": [0.1, 0.2], "y": [0, 1]}, ""),
    ],
)
def test_a_box_becomes_conditions(
    view: View, kind: str, box: dict[str, list[float]], where: str
) -> None:
    new = explore.narrow_to_box(
        reader(view), Filter(), views.Box(kind, "", box["x"], box["y"]), CHOSEN
    )
    assert str(new) == where


def test_a_box_is_drawn_again_on_the_view_and_the_axes_that_it_was_drawn_on(view: View) -> None:
    box = views.Box("slice", explore.uirevision("slice", CHOSEN), (32, 64), (0.01, 0.02))
    drawn = explore.pane_figure(reader(view), "slice", CHOSEN, box).drawn
    assert (drawn.layout.selections[0].x0, drawn.layout.selections[0].x1) == (32, 64)
    drawn = explore.pane_figure(reader(view), "contour", CHOSEN, box).drawn
    assert not drawn.layout.selections


def test_parallel_axes_show_their_conditions_as_ranges_and_others_by_what_passes(
    view: View,
) -> None:
    drawn = explore.parallel_figure(reader(view, "hidden_width:32..64;number:..99")).drawn
    axes = {axis.name: axis for axis in drawn.data[0].dimensions}
    assert list(axes["hidden_width"].constraintrange) == pytest.approx([5, 6])
    assert max(drawn.data[0].customdata) <= 99
    assert axes["loss"].constraintrange is None


def test_parallel_axes_stay_where_people_moved_them(view: View) -> None:
    order = ["value", "loss", "hidden_width", "activation", "optimizer", "learning_rate"]
    drawn = explore.parallel_figure(reader(view), order).drawn
    assert [axis.name for axis in drawn.data[0].dimensions] == order


def test_a_condition_on_an_axis_that_is_no_longer_there_still_holds(table: TrialTable) -> None:
    lines = gather_brushed(table, Filter.parse("number:0..1;loss:bce"))
    passing = Filter.parse("number:0..1;loss:bce").apply(table)
    assert set(lines.numbers) <= set(passing.numbers)


def test_of_very_many_trials_those_that_pass_come_first(
    engine: Engine, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "MAX_LINES", 300)
    monkeypatch.setattr(parallel, "_N_BEST", 100)
    add_synthetic(engine, "many", 3 * parallel.MAX_LINES)
    table = view.table("many")
    where = Filter.parse("hidden_width:32..64;activation:tanh")
    passing = where.apply(table)
    lines = gather_brushed(table, where)
    assert len(lines.numbers) == parallel.MAX_LINES
    assert set(passing.numbers[passing.counting]) <= set(lines.numbers)
    assert not np.isin(lines.numbers, passing.numbers).all()


def test_the_address_keeps_the_columns_of_the_view_that_is_shown() -> None:
    chosen = dict(zip(("x", "y", "metric"), CHOSEN, strict=True))
    assert explore.query("", "history", chosen) == {"where": "", "view": "history"}
    assert explore.query("", "contour", chosen)["y"] == "activation"
