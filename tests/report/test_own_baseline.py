"""A study with a baseline of its own: report, pages, figures and `sweep explain` agree on it."""

import json
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.floors import Floors
from sweep.analysis.study_explanation import baseline_words, choose_ends
from sweep.analysis.verdict import baseline_number, study_verdict
from sweep.config import TrialConfig
from sweep.dashboard.links import OVERVIEW, Place
from sweep.dashboard.pages import overview
from sweep.dashboard.view import View
from sweep.errors import NotFoundError
from sweep.figures.history import gather_history
from sweep.figures.width import gather_width
from sweep.findings.comparison import gather_comparison
from sweep.findings.verdict import explanations
from sweep.report import render
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study
from tests.support.store_factories import add_study, add_trial, sqlite_store

FILE = """
study.name = "study"
study.baseline = {baseline}
space.hidden_width = {{low = 8, high = 1024, log = true}}
space.loss.choices = ["bce", "mse"]
space.epochs = 20
budget.trials = 9
"""
BY_SETTINGS, BY_NUMBER = "{ hidden_width = 32 }", "1"
#: Trial 0 is the question's configuration but for its epochs, trial 1 the study's own baseline.
WIDTHS = (784, 32, 32, 64)
ERRORS = (0.04, 0.08, 0.07, 0.01)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def plant_study(engine: Engine, baseline: str, *numbers: int) -> StudyHandle:
    """A study with some of the four trials."""
    study_id = add_study(engine, study_file=FILE.format(baseline=baseline))
    for number in numbers or range(4):
        config = TrialConfig(hidden_width=WIDTHS[number], epochs=20)
        error = ERRORS[number]
        add_trial(engine, study_id, number, error, config=config, test_mse=error, test_bce=0.5)
    return open_study(engine, "study")


def floors() -> Floors:
    curve = tuple(0.08 * (1 - k / 784) for k in range(785))
    return Floors(
        data_key="key",
        train_pca_mse=curve,
        val_pca_mse=curve,
        test_pca_mse=curve,
        train_entropy=0.24,
        val_entropy=0.24,
        test_entropy=0.24,
    )


def sentences(study: StudyHandle) -> str:
    return " ".join(explanations(study.summary(), study_verdict(study, study.table())))


def text_of(of: Any) -> str:
    return json.dumps(of, default=lambda part: part.to_plotly_json(), ensure_ascii=False)


@pytest.mark.parametrize("baseline", [BY_SETTINGS, BY_NUMBER])
def test_report_overview_and_figures_compare_with_the_studys_own_baseline(
    engine: Engine, baseline: str
) -> None:
    study = plant_study(engine, baseline)
    said = "That is 8.0 times less than the baseline (trial 1, 0.0800)."
    assert said in sentences(study)
    assert said in render(engine, "study")
    assert said in text_of(overview.layout(View(engine=engine), Place(OVERVIEW, "study")))
    table = study.table()
    assert gather_width(table, None).baseline.x.tolist() == [32]
    assert gather_history(table).baseline.y.tolist() == [0.08]
    assert gather_comparison(study, table, [1, 3]).roles == {1: "baseline", 3: "the best"}


@pytest.mark.parametrize("baseline", [BY_SETTINGS, BY_NUMBER])
def test_an_explanation_goes_from_the_studys_own_baseline(engine: Engine, baseline: str) -> None:
    ends = choose_ends(plant_study(engine, baseline))
    assert (ends.from_number, ends.to_number) == (1, 3)
    assert baseline_words(ends) == "trial 1 (the baseline)"
    other = choose_ends(open_study(engine, "study"), 0)
    assert baseline_words(other) == "trial 0"


def test_a_baseline_that_was_not_tried_is_where_an_explanation_begins(engine: Engine) -> None:
    ends = choose_ends(plant_study(engine, BY_SETTINGS, 0, 3))
    assert ends.from_number is None
    assert (ends.baseline["hidden_width"], ends.baseline["epochs"]) == (32, 20)
    assert baseline_words(ends) == "the baseline"


def test_a_baseline_that_was_not_tried_is_said_with_the_command(engine: Engine) -> None:
    study = plant_study(engine, BY_SETTINGS, 0, 3)
    said = "`sweep enqueue study hidden_width=32 loss=bce`"
    assert f"The baseline was not tried; {said} queues it." in sentences(study)
    # On the first screen, and among all sentences.
    assert render(engine, "study").count("The baseline was not tried") == 2


def test_the_questions_configuration_outside_of_the_space_is_no_baseline(engine: Engine) -> None:
    study_id = add_study(engine, study_file=FILE.replace("study.baseline", "#").format(baseline=""))
    add_trial(engine, study_id, 0, 0.1, config=TrialConfig(epochs=20))
    study = open_study(engine, "study")
    assert baseline_number(study.table()) is None
    assert "The baseline is not in this study’s search space" in sentences(study)


@pytest.mark.parametrize(
    ("mark", "why"), [("RUNNING", "is RUNNING"), ("FAIL", "is FAIL"), ("invalid", "is marked")]
)
def test_a_baseline_without_a_result_is_named_with_its_state(
    engine: Engine, mark: str, why: str
) -> None:
    study = plant_study(engine, BY_NUMBER, 0, 3)
    config = TrialConfig(hidden_width=32, epochs=20)
    state = "COMPLETE" if mark == "invalid" else mark
    values = 0.08 if mark == "invalid" else None
    add_trial(engine, study.key.study_id, 1, values, state=state, config=config)
    if mark == "invalid":
        annotate.invalidate(engine, "study", 1, "")
    assert f"The baseline (trial 1) {why}" in sentences(study)


def test_a_number_that_no_trial_has_is_told_in_one_message(engine: Engine) -> None:
    study = plant_study(engine, "8")
    assert "The baseline is trial 8, which this study does not have yet." in sentences(study)
    with pytest.raises(NotFoundError, match="names trial 8 as its baseline, and does not have it"):
        choose_ends(study)


@pytest.mark.parametrize(("baseline", "is_told"), [(BY_NUMBER, False), ("0", True)])
def test_the_story_of_the_question_is_told_of_its_configuration_alone(
    engine: Engine, baseline: str, is_told: bool
) -> None:
    file = FILE.replace("epochs = 20", "epochs = 5").format(baseline=baseline)
    study_id = add_study(engine, study_file=file)
    for number in range(4):
        config = TrialConfig(hidden_width=WIDTHS[number])
        add_trial(engine, study_id, number, ERRORS[number], config=config, test_bce=0.5)
    study = open_study(engine, "study")
    found = study_verdict(study, study.table(), floors())
    said = " ".join(explanations(study.summary(), found))
    assert ("The baseline’s cross-entropy says little about this" in said) is is_told
