"""The page of a trial, without a browser."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sweep.catalogue.settings import by_setting
from sweep.dashboard import links
from sweep.dashboard.pages import trial as page
from sweep.dashboard.parts import cards, charts
from sweep.dashboard.view import View
from sweep.errors import NotFoundError
from sweep.figures import style
from sweep.findings.commands import as_toml, enqueue_command, show_command
from sweep.search import enqueue_params
from sweep.store import annotate, schema
from sweep.store.engine import Engine, write_transaction
from sweep.studyfile import loads
from tests.support.pages import as_json, texts
from tests.support.spectrum_factories import BANDS, by_the_law, pack
from tests.support.store_factories import (
    EPOCH,
    add_curve,
    add_rows,
    add_study,
    add_trial,
    sqlite_store,
    strip_png,
)
from tests.support.study_factories import CONDITIONAL, study_text


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


@pytest.fixture
def view(engine: Engine) -> View:
    return View(engine=engine)


@pytest.fixture
def study_id(engine: Engine) -> int:
    """A study with trials 0 to 4, of which 1 is the best and 3 failed."""
    study_id = add_study(engine)
    for number, error in enumerate((0.4, 0.1, 0.2, None, 0.3)):
        state = "FAIL" if error is None else "COMPLETE"
        add_trial(engine, study_id, number, error, state=state, curve=[0.5, error or 0.6])
    return study_id


def show_trial(view: View, number: int) -> str:
    return as_json(page.layout(view, links.Place(links.TRIAL, "study", number)))


@pytest.mark.usefixtures("study_id")
def test_the_head_tells_rank_and_the_ways_from_here(view: View) -> None:
    head = page.head(page.gather(view, "study", 2))
    assert "2nd best of 4" in texts(head)
    text = as_json(head)
    assert "/study/study/trials/1" in text
    assert "/study/study/trials/3" in text
    assert "/study/study/compare?trials=1%2C2" in text


@pytest.mark.usefixtures("study_id")
def test_the_best_is_not_compared_with_itself_and_ends_lead_nowhere(view: View) -> None:
    assert "the best of 4" in texts(page.head(page.gather(view, "study", 1)))
    assert "compare" not in as_json(page.head(page.gather(view, "study", 1)))
    assert "trials/1" in as_json(page.head(page.gather(view, "study", 0)))
    assert page.gather(view, "study", 0).previous is None
    assert page.gather(view, "study", 4).next is None


def test_a_trial_that_does_not_count_has_no_rank(view: View, engine: Engine, study_id: int) -> None:
    annotate.invalidate(engine, "study", 2, "the wrong data")
    for number in (2, 3):
        assert page.gather(view, "study", number).rank is None
    assert "the wrong data" in texts(page.head(page.gather(view, "study", 2)))
    assert str(page.gather(view, "study", 4).rank) == "2nd best of 3"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("RUNNING", "Measured when training ends."),
        ("PRUNED", "Not measured: only trials whose training finishes are."),
        ("FAIL", "Not measured: only trials whose training finishes are."),
    ],
)
def test_a_trial_that_is_not_measured_says_whether_it_will_be(
    view: View, engine: Engine, study_id: int, state: str, told: str
) -> None:
    names = ("test_mse", "test_bce", "psnr", "exact_pixel_share", "n_parameters", "train_seconds")
    add_trial(engine, study_id, 5, None, state=state, **dict.fromkeys(names))
    assert texts(page.lay_out_measurements(page.gather(view, "study", 5))) == [told]


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_width": 64, "activation": "relu", "optimizer": "adam", "adam.beta1": 0.9}
        | {"adam.learning_rate": 0.00012345678901},
        {"hidden_width": 8, "optimizer": "sgd", "sgd.learning_rate": 1.0},
    ],
)
def test_a_copied_entry_makes_the_same_configuration(params: dict[str, Any]) -> None:
    settings = by_setting(params)
    text = study_text(CONDITIONAL) + as_toml(settings)
    study_file = loads(text, "copied.toml")
    assert enqueue_params(study_file, study_file.enqueue[0]) == params


def test_commands_can_be_pasted_into_a_shell() -> None:
    settings = {"hidden_width": 64, "activation": "relu", "learning_rate": 1e-5, "nesterov": True}
    assert enqueue_command("a study", settings) == (
        "sweep enqueue 'a study' hidden_width=64 activation=relu learning_rate=1e-05 nesterov=true"
    )
    assert show_command("x", 3) == "sweep show x 3"


def test_the_page_has_something_new_only_when_its_trial_has(
    view: View, engine: Engine, study_id: int
) -> None:
    before = page.mark(page.gather(view, "study", 4))
    annotate.note(engine, "study", "about another one", 0)
    assert page.mark(page.gather(view, "study", 4)) == before
    annotate.note(engine, "study", "about this one", 4)
    assert page.mark(page.gather(view, "study", 4)) != before


def test_a_running_trial_shows_its_curves_as_they_grow(
    view: View, engine: Engine, study_id: int
) -> None:
    trial_id = add_trial(engine, study_id, 5, state="RUNNING", curve=[0.3], seeds=[1, 2])
    facts = page.gather(view, "study", 5)
    assert list(page.figures(view, facts)["trial-error"].drawn.data[0].y) == [0.3]
    with write_transaction(engine) as connection:
        add_curve(connection, trial_id, [0.3, 0.2], seed_index=1)
    later = page.gather(view, "study", 5)
    assert page.mark(later) != page.mark(facts)
    assert "1 of 5 epochs are done" in facts.sentences[0]


def test_news_for_a_chart_leave_its_ranges_alone_and_take_old_words_away() -> None:
    drawn = style.figure("x", "y").update_xaxes(range=[0, 5])
    steps = cards.fresh(drawn).to_plotly_json()["operations"]
    sent = {".".join(step["location"]): step["params"]["value"] for step in steps}
    assert sent["layout.annotations"] == []
    assert sent["layout.xaxis.visible"] is True
    assert sent["layout.xaxis.autorangeoptions"] == {"minallowed": 0, "maxallowed": 5}
    assert not {"layout.xaxis.range", "layout.xaxis.autorange"} & sent.keys()


@pytest.mark.parametrize(
    ("ends", "sent"),
    [
        ((-2, -1), {"clipmin": 0.01, "clipmax": 0.1}),
        ((0, 1), {"clipmin": 1, "clipmax": 10}),
        ((1, 2), {"minallowed": 1, "maxallowed": 2}),
    ],
)
def test_a_logarithmic_range_is_said_so_that_plotly_takes_it(
    ends: tuple[int, int], sent: dict[str, float]
) -> None:
    # Plotly takes logarithms of these once more for a check: errors, below 1, were left to it.
    drawn = style.figure("x", "y").update_yaxes(type="log", range=ends)
    assert cards.loosen(drawn).layout.yaxis.autorangeoptions.to_plotly_json() == sent


@pytest.mark.usefixtures("study_id")
def test_a_trial_of_several_seeds_has_a_row_for_each(view: View, engine: Engine) -> None:
    trial_id = add_trial(engine, 1, 5, 0.2, seeds=[7, 8], val_mse_std=0.01)
    measured = {"test_mse": 0.2, "psnr": 7.0, "exact_pixel_share": 0.5}
    for place, seed in enumerate((7, 8)):
        result = {"trial_id": trial_id, "seed_index": place, "seed": seed, **measured}
        add_rows(engine, schema.sweep_results, {**result, "per_class_mse": [0.2]})
        with write_transaction(engine) as connection:
            add_curve(connection, trial_id, [0.2], place)
    assert "7.00" in texts(page.seeds(page.gather(view, "study", 5)))
    assert page.seeds(page.gather(view, "study", 2)) is None


def test_pictures_are_shown_once_they_are_there(view: View, engine: Engine, study_id: int) -> None:
    assert page.pictures(page.gather(view, "study", 0)) is None
    trial_id = add_trial(engine, study_id, 5, 0.2)
    strips = {"reconstructions_png": strip_png(), "errors_png": strip_png()}
    add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **strips})
    assert "reconstructions.png" in as_json(page.pictures(page.gather(view, "study", 5)))


@pytest.mark.parametrize("state", ["WAITING", "RUNNING", "PRUNED", "FAIL", "COMPLETE"])
def test_a_study_of_one_trial_has_a_page_in_any_state(
    view: View, engine: Engine, state: str
) -> None:
    add_trial(engine, add_study(engine), 0, 0.5 if state == "COMPLETE" else None, state=state)
    assert "Trial 0" in show_trial(view, 0)


def test_what_happened_to_a_trial_is_told(view: View, engine: Engine, study_id: int) -> None:
    event = {"study_id": study_id, "number": 3, "worker": "w1", "at": EPOCH}
    add_rows(
        engine, schema.sweep_events, {**event, "kind": "trial failed", "message": "out of memory"}
    )
    told = " ".join(texts(page.events(page.gather(view, "study", 3))))
    assert "trial failed w1 out of memory" in told


def test_what_people_wrote_stays_text(view: View, engine: Engine, study_id: int) -> None:
    annotate.note(engine, "study", "<script>alert(1)</script>", 0)
    annotate.tag(engine, "study", "<b>bold</b>", 0)
    text = show_trial(view, 0)
    # As children, which React escapes; nothing on the page sets HTML.
    assert '"<script>alert(1)</script>"' in text
    assert '"<b>bold</b>"' in text
    assert "dangerously" not in text.lower()


def test_a_trial_that_is_not_there_is_not_found(view: View, engine: Engine, study_id: int) -> None:
    with pytest.raises(NotFoundError):
        show_trial(view, 99)


def test_a_page_in_a_large_study_is_made_at_once(big: Engine) -> None:
    view = View(engine=big)
    view.table("big")
    start = time.process_time()
    text = as_json(page.layout(view, links.Place(links.TRIAL, "big", 5_000)))
    assert time.process_time() - start < 2
    assert len(text) < 1_000_000


def test_a_figure_without_room_for_its_floor_says_it_in_the_cards_note() -> None:
    figure = charts.PageFigure(style.figure("epoch", "error"), "Error", "PCA floor at width 784: 0")
    assert "PCA floor at width 784: 0" in texts(charts.card_of("chart", figure))


def test_a_trial_with_an_error_spectrum_shows_its_front(engine: Engine, view: View) -> None:
    study_id = add_study(engine, spectrum_bands=asdict(BANDS))
    add_trial(engine, study_id, 0, 0.1, curve=[0.4, 0.1], spectra=pack(by_the_law(0.3, [1, 2])))
    add_trial(engine, study_id, 1, 0.2, curve=[0.4, 0.2])
    with_one, without = (page.gather(view, "study", number) for number in (0, 1))
    lines = page.figures(view, with_one)["trial-front"].drawn.data
    assert [line.name for line in lines] == ["epoch 1", "epoch 2"]
    assert any("principal component" in said for said in with_one.sentences)
    assert without.spectrum is None
