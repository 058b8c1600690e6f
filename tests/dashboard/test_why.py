"""Why the error stops: the words, each part, and what stands in place of one that is not there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dash
import pytest

from sweep.analysis import study_atlas
from sweep.analysis.probe_summary import summarise_probes
from sweep.analysis.strips import images_of
from sweep.config import TrialConfig
from sweep.dashboard.links import WHY, Place
from sweep.dashboard.pages import why
from sweep.dashboard.parts import answer, standing
from sweep.dashboard.parts.findings import finding_table
from sweep.dashboard.view import PageReader, View
from sweep.enums import Activation
from sweep.findings.study import StudyFindings
from sweep.store import schema
from sweep.store.annotate import delete_study
from sweep.store.engine import Engine, write_transaction
from tests.support.finding_factories import findings, floors, make_explanation
from tests.support.pages import as_json, texts
from tests.support.store_factories import (
    EPOCH,
    add_curve,
    add_explanation,
    add_rows,
    add_study,
    add_trial,
    make_probed,
    sqlite_store,
    strip_png,
)

WIDTHS = (8, 16, 32, 64, 128)
ENDS = (TrialConfig(), TrialConfig(epochs=50))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


@pytest.fixture
def view(engine: Engine) -> View:
    return View(engine=engine)


def fill(engine: Engine, n_seeds: int = 1) -> int:
    """A trial of each width, the widest the best, each with pictures and a curve that settled."""
    study_id = add_study(engine, originals_png=strip_png())
    for number, width in enumerate(WIDTHS):
        config = TrialConfig(
            hidden_width=width, activation=(Activation.RELU, Activation.TANH)[number % 2]
        )
        error = 1 / width
        trial_id = add_trial(
            engine, study_id, number, error, config=config, per_class_mse=[error] * 10,
            curve=(2 * error, error, error, error, error),
        )  # fmt: skip
        png = {"reconstructions_png": strip_png(), "errors_png": strip_png()}
        add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **png})
        for seed in range(n_seeds):
            row = {"trial_id": trial_id, "seed_index": seed, "seed": seed}
            add_rows(engine, schema.sweep_results, row)
            if seed:  # the curve above is the first one's
                with write_transaction(engine) as connection:
                    add_curve(connection, trial_id, [error * (1 + 0.01 * seed)] * 5, seed)
    return study_id


def test_the_page_is_laid_out_before_any_part_is_known(view: View, engine: Engine) -> None:
    add_study(engine)
    said = as_json(why.layout(view, Place(WHY, "study")))
    for part in ("words", "width", "limits", "ties", "stages"):
        assert f'"id": "why-{part}"' in said


def test_the_verdict_tells_the_width_the_limit_and_the_ties(view: View, engine: Engine) -> None:
    fill(engine, n_seeds=3)
    found = view.findings("study")
    said = " ".join(texts(why.verdict(view, found)))
    assert "The error is still falling with the width: twice 128 units" in said
    assert "The best trial (4, 128 units) is too narrow" in said
    assert "No other of the best configurations ties with the best over its seeds." in said
    assert "sweep data prepare" in said  # without floors


def test_floors_on_their_way_are_told(
    view: View, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine)
    monkeypatch.setattr(View, "computing_floors", lambda self, study: True)
    assert standing.COMPUTING in texts(why.verdict(view, gather_findings(view)))


def gather_findings(view: View) -> Any:
    return view.findings("study")


def test_each_width_has_its_label_beside_its_floor(view: View, engine: Engine) -> None:
    fill(engine)
    found = replace(gather_findings(view), floors=floors(0.9, 0.5))
    said = texts(finding_table("study", found.diagnosis_table))
    first_row = len(found.diagnosis_table.columns)
    assert said[first_row : first_row + 2] == ["8", "0"] and "4" in said


def test_ties_are_a_table_with_roles(view: View, engine: Engine) -> None:
    fill(engine, n_seeds=3)
    found = gather_findings(view)
    laid_out = finding_table("study", found.ties_table, "stacked")
    said = texts(laid_out)
    assert said[6:8] == ["4", "3"] and "no" in said
    # On a phone it has no headings, and each cell says what it is.
    assert '"data-label": "times best"' in as_json(laid_out)
    assert "over the study’s own seeds;" in said[-1]
    trained_again = replace(found, ties=replace(found.ties, retrained_in="study-ties")).ties_table
    assert "over new seeds, with which study study-ties retrained" in trained_again.note


NOTHING = findings()
#: Parts that have nothing to draw read nothing.
NO_READER: Any = None


def draw_trained(view: View, found: StudyFindings, shown: Any = None) -> Any:
    """Draw what was trained apart from what these findings know of it."""
    reader: Any = PageReader(view, "study")
    reader.explanation, reader.probes = found.ablation, found.probes
    reader.factorial = found.factorial
    return why.draw_trained(reader, found, shown)


@pytest.mark.parametrize(
    ("part", "command"),
    [
        (finding_table("study", NOTHING.diagnosis_table), "sweep resume study"),
        (finding_table("study", NOTHING.ties_table), "sweep ties study --run"),
        (answer.no_pictures("study"), "sweep resume study"),
        (answer.causes(NO_READER, NOTHING), "sweep explain study --run"),
        (
            answer.causes(NO_READER, replace(NOTHING, ignored=["Of another."])),
            "sweep explain study --run",
        ),
        (answer.code(NO_READER, NOTHING), "sweep analyse study"),
    ],
)
def test_a_part_that_is_not_there_yet_names_the_command_that_makes_it(
    part: Any, command: str
) -> None:
    assert command in texts(part)


def test_what_was_trained_is_drawn_and_left_alone_until_there_is_more(view: View) -> None:
    add_study(view.engine)
    one = make_probed(0, 8, 0.02)
    found = findings(ablation=make_explanation(), probes=summarise_probes([one], [one]))
    causes, code, mark = draw_trained(view, found)
    assert "hidden width 784" in as_json(causes) and "why-waterfall-back" in as_json(causes)
    assert "PCA, two-layer network" in as_json(code)
    assert draw_trained(view, found, mark) == (dash.no_update, dash.no_update, mark)
    causes, code, _ = draw_trained(view, replace(found, probes=None), mark)
    assert causes is dash.no_update and "sweep analyse study" in texts(code)
    causes, code, _ = draw_trained(view, replace(found, ablation=make_explanation(3)), mark)
    assert code is dash.no_update and "Not complete yet" in as_json(causes)


def test_an_explanation_of_another_study_of_that_name_is_told_and_not_drawn(
    view: View, engine: Engine
) -> None:
    add_study(engine, created_at=EPOCH - 1)
    add_explanation(engine, "study", *ENDS, {ENDS[0]: (0.1, 0.1), ENDS[1]: (0.05, 0.06)})
    drawn, _, mark = draw_trained(view, gather_findings(view))
    assert "why-waterfall-back" in as_json(drawn)
    delete_study(engine, "study")
    fill(engine)
    drawn, _, new_mark = draw_trained(view, gather_findings(view), mark)
    assert "why-waterfall" not in as_json(drawn) and new_mark != mark
    assert "Study 'study-explain' explains another study" in " ".join(texts(drawn))


def test_an_explanation_is_marked_once_another_trial_is_the_best(
    view: View, engine: Engine
) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 1, 0.1, config=ENDS[1])
    add_explanation(engine, "study", *ENDS, {ENDS[0]: (0.1, 0.1), ENDS[1]: (0.05, 0.06)})
    drawn, _, mark = draw_trained(view, gather_findings(view))
    assert "This explains trial" not in as_json(drawn)
    add_trial(engine, study_id, 2, 0.01)
    drawn, _, _ = draw_trained(view, gather_findings(view), mark)
    assert "This explains trial 1; the best now is trial 2, which" in as_json(drawn)


def test_of_a_fixed_width_the_note_names_the_study_that_would_tell(
    view: View, engine: Engine
) -> None:
    # `sweep enqueue` was offered, which refuses any other width there.
    add_trial(engine, add_study(engine), 0, 0.1)
    about = why.width_figure(view, "study", "all").note
    assert "'space.hidden_width={ low = 8, high = 1024, log = true }'" in about


def test_choices_of_a_setting_stand_apart(view: View, engine: Engine) -> None:
    fill(engine)
    said = as_json(why.layout(view, Place(WHY, "study", query={"by": "activation"})))
    assert '"value": "activation"' in said and "by loss" not in said
    drawn, _, about, _ = why.width_figure(view, "study", "activation")
    assert [trace.name for trace in drawn.data if trace.showlegend is not False][:2] == [
        "relu",
        "tanh",
    ]
    assert "dotted, its median" in about


def test_the_slider_begins_at_the_best_or_where_the_address_says(
    view: View, engine: Engine
) -> None:
    fill(engine)
    for wanted, at in ((None, 4), ("32", 2), ("7", 4)):
        filled = why.atlas_parts(view, "study", wanted)
        assert filled["why-at.value"] == at
        shown = [not stage.hidden for stage in filled["why-stages.children"]]
        assert shown == [place == at for place in range(5)]


def test_the_pictures_are_left_alone_until_there_are_others(view: View, engine: Engine) -> None:
    study_id = fill(engine)
    mark = why.atlas_parts(view, "study", None)["why-mark.data"]
    add_trial(engine, study_id, 5, state="RUNNING")
    assert why.atlas_parts(view, "study", None, mark) is None
    assert why.atlas_parts(view, "study", None, [])["why-mark.data"] == mark


def test_only_pictures_that_are_new_are_decoded(
    view: View, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All were, at every news of the study."""
    decoded: list[bytes] = []

    def decode(strip: bytes) -> Any:
        decoded.append(strip)
        return images_of(strip)

    monkeypatch.setattr(study_atlas, "images_of", decode)
    study_id = fill(engine)
    mark = why.atlas_parts(view, "study", None)["why-mark.data"]
    assert len(decoded) == 1 + 2 * len(WIDTHS)
    decoded.clear()
    assert why.atlas_parts(view, "study", None, mark) is None
    assert decoded == []
    trial_id = add_trial(engine, study_id, 5, 0.001, config=TrialConfig(hidden_width=256))
    png = {"reconstructions_png": strip_png(), "errors_png": strip_png()}
    add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **png})
    filled = why.atlas_parts(view, "study", None, mark)
    assert filled["why-mark.data"] == [0, 1, 2, 3, 4, 5]
    assert len(filled["why-stages.children"]) == 6
    assert len(decoded) == 1 + 2  # the originals, and the new trial's


def test_a_study_made_anew_has_pictures_of_its_own(view: View, engine: Engine) -> None:
    fill(engine)
    assert view.atlas("study").trials[0].copies[9, 0, 0] == 180
    delete_study(engine, "study")
    study_id = add_study(engine, created_at=EPOCH + 1, originals_png=strip_png())
    trial_id = add_trial(engine, study_id, 0, 0.1, config=TrialConfig(hidden_width=8))
    png = {"reconstructions_png": strip_png(grey=10), "errors_png": strip_png()}
    add_rows(engine, schema.sweep_reconstructions, {"trial_id": trial_id, **png})
    assert view.atlas("study").trials[0].copies[9, 0, 0] == 90


def test_a_study_without_pictures_has_no_slider(view: View, engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0, 0.1)
    filled = why.atlas_parts(view, "study", None)
    assert filled["why-slider.hidden"] and filled["why-at.value"] is dash.no_update
    assert "sweep resume study" in texts(filled["why-stages.children"])


def test_few_of_many_widths_are_named_under_the_slider() -> None:
    named = [mark["label"] for mark in why.marks(list(range(8, 32))) if "label" in mark]
    assert named == ["8", "13", "18", "23", "31"]
    assert [mark.get("label") for mark in why.marks([8, 1024])] == ["8", "1,024"]
