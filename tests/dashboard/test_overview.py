"""The overview of one study: its words, its numbers, its best configurations."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dash
import pytest

from sweep.config import TrialConfig
from sweep.dashboard.links import OVERVIEW, Place
from sweep.dashboard.pages import overview
from sweep.dashboard.parts import best, charts, standing
from sweep.dashboard.parts.findings import finding_table
from sweep.dashboard.view import View
from sweep.figures import style
from sweep.figures.registry import FIGURES
from sweep.findings.progress import seconds_left
from sweep.findings.ranking import BASELINE_NAME
from sweep.store import annotate, schema
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.pages import as_json
from tests.support.store_factories import (
    add_rows,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
    strip_png,
)
from tests.support.synthetic import add_study as add_synthetic


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


@pytest.fixture
def view(engine: Engine) -> View:
    return View(engine=engine)


def text_of(of: Any) -> str:
    """Everything that a component says, as JSON."""
    return json.dumps(of, default=lambda part: part.to_plotly_json(), ensure_ascii=False)


def page(view: View, study: str = "study") -> str:
    return text_of(overview.layout(view, Place(OVERVIEW, study)))


def test_a_study_without_trials_says_what_it_is_about(view: View, engine: Engine) -> None:
    add_study(engine, description="How wide is wide enough?")
    said = page(view)
    assert "How wide is wide enough?" in said
    assert "No trial has finished yet" in said
    assert '"id": "overview-figures", "hidden": true' in said


def test_floors_that_are_on_their_way_are_told_of(engine: Engine) -> None:
    add_study(engine)
    said = standing.in_words(open_study(engine, "study").summary(), None, computing_floors=True)
    assert standing.COMPUTING in text_of(said)


def test_a_study_whose_trials_all_failed_has_no_best(view: View, engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0, state="FAIL", reason="out of memory")
    assert "No trial can be judged yet" in page(view)
    found = view.findings("study", in_short=True)
    assert "out of memory" in text_of(finding_table("study", found.failure_table))


def test_one_trial_is_a_verdict(view: View, engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0, 0.02)
    said = page(view)
    assert "Trial 0 has the best copies" in said
    assert said.index("overview-decision") < said.index("overview-verdict")
    assert "data:image/svg+xml;base64," in said


def test_a_description_is_no_markup(view: View, engine: Engine) -> None:
    add_study(engine, description="<script>alert(1)</script>")
    # React writes texts as texts: what matters is that it is one.
    assert '"children": "<script>alert(1)</script>"' in page(view)


def test_the_time_left_is_what_is_to_do_at_the_present_pace(engine: Engine) -> None:
    study_id = add_study(engine, phase="running", n_trials=60)
    now = time.time()
    for number in range(20):
        add_trial(engine, study_id, number, 0.1, started_at=now - 40, finished_at=now - 10)
    assert seconds_left(open_study(engine, "study").summary()) is None
    add_rows(engine, schema.sweep_leases, lease_row(study_id, now + 100))
    left = seconds_left(open_study(engine, "study").summary())
    assert left == pytest.approx(80, rel=0.1)


def test_a_paused_study_has_no_time_left(engine: Engine) -> None:
    study_id = add_study(engine, phase="paused", n_trials=60)
    now = time.time()
    add_rows(engine, schema.sweep_leases, lease_row(study_id, now + 100))
    for number in range(20):
        add_trial(engine, study_id, number, 0.1, started_at=now - 40, finished_at=now - 10)
    study = open_study(engine, "study").summary()
    assert study.running and study.trials_per_second
    assert seconds_left(study) is None
    assert "paused" in text_of(standing.tiles(study, ())[-1])


@pytest.mark.parametrize(
    ("devices", "label"), [(("0", "1"), "GPU busy"), (("0", "cpu"), "Busy"), ((), "Busy")]
)
def test_the_strip_says_how_busy_the_gpus_are(
    engine: Engine, devices: tuple[str, ...], label: str
) -> None:
    study_id = add_study(engine, phase="running")
    add_rows(engine, schema.sweep_leases, lease_row(study_id, time.time() + 100))
    for name, device in enumerate(devices):
        add_rows(engine, schema.sweep_workers, worker_row(study_id, f"w{name}", device, busy=0.5))
    tiles = standing.tiles(
        open_study(engine, "study").summary(), open_study(engine, "study").workers()
    )
    said = next(text_of(tile) for tile in tiles if label in text_of(tile))
    assert ("50 %" in said) == bool(devices)


def test_the_strip_says_where_a_gpu_lacks_the_fused_trainer(engine: Engine) -> None:
    study_id = add_study(engine, phase="running")
    add_rows(engine, schema.sweep_leases, lease_row(study_id, time.time() + 100))
    lacks = worker_row(study_id, "w0", "0", trainer="reference", fallback_reason="no Triton")
    add_rows(engine, schema.sweep_workers, lacks)
    tiles = standing.tiles(
        open_study(engine, "study").summary(), open_study(engine, "study").workers()
    )
    assert any("without the fused trainer" in text_of(tile) for tile in tiles)


def worker_row(study_id: int, name: str, device: str, **columns: Any) -> dict[str, Any]:
    about = {"host": "box", "pid": 1, "state": "training", "n_finished": 0, **columns}
    times = {"started_at": time.time(), "seen_at": time.time()}
    return {"study_id": study_id, "name": name, "device": device, **about, **times}


def test_of_a_grid_nobody_knows_how_long_it_takes(engine: Engine) -> None:
    study_id = add_study(engine, phase="running", n_trials=None)
    add_rows(engine, schema.sweep_leases, lease_row(study_id, time.time() + 100))
    assert seconds_left(open_study(engine, "study").summary()) is None


def test_a_baseline_among_the_best_stands_once(engine: Engine, view: View) -> None:
    add_trial(engine, add_study(engine), 0, 0.02)
    lines = best.gather_best(open_study(engine, "study"), view.table("study"), None).lines
    assert [(line.rank, line.role) for line in lines] == [(1, BASELINE_NAME)]


def test_pictures_stand_beside_the_originals(engine: Engine, view: View) -> None:
    study_id = add_study(engine, originals_png=strip_png())
    trial_id = add_trial(engine, study_id, 0, 0.02)
    strips = {"reconstructions_png": strip_png(), "errors_png": strip_png()}
    add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **strips})
    ranking = best.gather_best(open_study(engine, "study"), view.table("study"), None)
    said = text_of(best.draw_best(ranking, "errors"))
    assert "/api/picture/originals.png?study=study" in said
    assert "/api/picture/errors.png?study=study&trial=0" in said


def test_without_pictures_there_is_no_column_for_them(engine: Engine, view: View) -> None:
    add_trial(engine, add_study(engine), 0, 0.02)
    ranking = best.gather_best(open_study(engine, "study"), view.table("study"), None)
    assert "Test images" not in text_of(best.draw_best(ranking))


def test_the_ranking_is_left_alone_until_it_changes(engine: Engine, view: View) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.02)
    _, href, first = overview.lay_out_ranking(view, "study", "reconstructions")
    assert href == "/study/study/compare?trials=0"
    add_trial(engine, study_id, 1, state="RUNNING")
    assert overview.lay_out_ranking(view, "study", "reconstructions", first) == [dash.no_update] * 3
    annotate.invalidate(engine, "study", 0)
    said, _, _ = overview.lay_out_ranking(view, "study", "reconstructions", first)
    assert "no trial has finished" in text_of(said)


def test_the_address_keeps_what_is_not_as_at_first() -> None:
    assert overview.query("mse", "reconstructions") == {}
    assert overview.query("bce", "errors") == {"error": "bce", "pictures": "errors"}


def test_zooming_into_many_trials_shows_single_ones(
    view: View, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "MAX_MARKS", 1_000)
    monkeypatch.setattr(style, "HOVER_MARKS", 500)
    figure = replace(FIGURES["history"], most_marks=style.MAX_MARKS)
    monkeypatch.setitem(FIGURES, "history", figure)  # type: ignore[arg-type]
    add_synthetic(engine, "study", 2 * style.MAX_MARKS)
    whole = overview.history_figure(view, "study")
    assert whole.drawn.layout.meta["zoomable"] and "groups" in whole.note
    part = overview.history_figure(view, "study", charts.Zoom("keep", (100, 199)))
    numbers = [
        n for trace in part.drawn.data if trace.customdata is not None for n in trace.customdata
    ]
    assert 50 < len(numbers) <= 100 and all(100 <= number <= 199 for number in numbers)
    assert part.note == ""


def test_a_zoom_of_one_scale_means_nothing_to_another() -> None:
    zoom = charts.Zoom("keep test_mse", (32.0, 64.0))
    assert charts.between(zoom, "keep test_mse") == (32.0, 64.0)
    assert charts.between(zoom, "keep test_bce") is None
    assert charts.between(None) is None


def test_the_first_answer_at_ten_thousand_trials_is_small(big: Engine) -> None:
    view = View(engine=big)
    assert len(page(view, "big")) < 150_000
    began = time.process_time()
    page(view, "big")
    assert time.process_time() - began < 0.3


def test_the_law_stands_in_place_of_the_errors_by_width(view: View, engine: Engine) -> None:
    study_id = add_study(engine)
    for number, width in enumerate((8, 16, 32, 64, 128)):
        add_trial(engine, study_id, number, 1 / width, config=TrialConfig(hidden_width=width))
    drawn, title, about, _ = overview.width_figure(view, "study", "law")
    assert title == "Width law"
    assert about.startswith("The error is still falling with the width: twice 128 units")
    assert "law" in [trace.name for trace in drawn.data]


@pytest.mark.parametrize("error", ["mse", "law"])
def test_a_chart_of_one_width_gives_way_to_the_study_that_would_fill_it(
    view: View, engine: Engine, error: Any
) -> None:
    study_id = add_study(engine)
    for number in range(3):
        add_trial(engine, study_id, number, 0.1, config=TrialConfig(hidden_width=8))
    drawn, _, about, _ = overview.width_figure(view, "study", error)
    assert not drawn.data and drawn.layout.height < 200
    said = str(drawn.layout.annotations[0].text).replace("<br>", " ")
    assert "it needs finished trials of two widths" in said
    assert "A study of more widths would show it: `sweep start" in about


def test_no_callback_finds_a_part_of_a_card_whose_chart_comes_later() -> None:
    # Dash complains of a callback that finds some of its outputs on a page, and not the others.
    card = as_json(charts.pending_card("chart", "history", later=True))
    whole = as_json(charts.pending_card("chart", "history"))
    for output in charts.outputs("chart"):
        said = f'"id": "{output.component_id}"'
        assert said in whole and said not in card
