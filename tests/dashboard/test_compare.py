"""Trials side by side."""

from typing import Any

import pytest

from sweep.config import TrialConfig
from sweep.dashboard.links import Place
from sweep.dashboard.pages import compare
from sweep.dashboard.parts.chosen_trials import MOST, choose, usual
from sweep.dashboard.view import View
from sweep.enums import Activation, Loss
from sweep.findings.comparison import Comparison, gather_comparison
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.store_factories import add_study, add_trial, trial_row, trial_table

ASKED = TrialConfig()
TANH = TrialConfig(activation=Activation.TANH)
ROWS = (
    trial_row(number=0, values=(0.3,), config=ASKED, psnr=5.2, train_seconds=1.0),
    trial_row(number=1, values=(0.1,), config=TANH, psnr=10.0, train_seconds=3.0),
    trial_row(number=2, values=(0.2,), config=TrialConfig(loss=Loss.L1), invalid=True),
    trial_row(number=3, state="RUNNING", outcome=None),
    *(trial_row(number=number, values=(0.1 * number,), config=TANH) for number in range(4, 14)),
)
TABLE = trial_table(*ROWS)


def compare_trials(engine: Engine, numbers: list[int]) -> Comparison:
    study = open_study(engine, "study")
    return gather_comparison(study, study.table(), numbers)


def text_of(component: Any) -> str:
    if component is None or isinstance(component, str | int | float):
        return str(component or "")
    if isinstance(component, list | tuple):
        return "".join(map(text_of, component))
    return text_of(getattr(component, "children", ""))


def test_the_best_three_and_the_questions_configuration_come_first() -> None:
    assert usual(TABLE) == [1, 0, 4]
    assert usual(trial_table(*ROWS[1:], trial_row(number=20, values=(9.0,)))) == [1, 4, 5, 20]
    assert usual(trial_table()) == []


def test_wanted_trials_are_taken_once_and_in_order() -> None:
    assert choose(TABLE, ["7", " 0", "7", "07"]) == ([7, 0], [])


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("x", "“x” is not a trial number."), ("99", "This study has no trial 99."), ("-1", "“-1”")],
)
def test_a_wish_that_cannot_be_met_is_told(wanted: str, said: str) -> None:
    numbers, complaints = choose(TABLE, ["1", wanted])
    assert numbers == [1]
    assert complaints[0].startswith(said)


def test_more_than_fit_are_left_out_with_a_sentence() -> None:
    numbers, complaints = choose(TABLE, [str(number) for number in range(10)])
    assert numbers == list(range(MOST))
    assert complaints == ["8 trials fit side by side; not shown: 8, 9."]


def test_the_page_shows_what_its_address_says(view: View) -> None:
    page = compare.layout(view, Place("compare", "small", query={"trials": "4,2,x", "only": "1"}))
    assert page["compare-trials"].value == ["4", "2"]
    assert page["compare-only"].checked
    assert text_of(page["compare-complaints"]) == "“x” is not a trial number."


def test_only_differences_leaves_the_common_settings_out(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.3, config=ASKED)
    add_trial(engine, study_id, 1, 0.1, config=TANH)
    found = compare_trials(engine, [0, 1])
    assert "Batch size" in text_of(compare.tables(found, only=False))
    assert "Batch size" not in text_of(compare.tables(found, only=True))
    assert "Activation" in text_of(compare.tables(found, only=True))


def test_a_study_without_trials_says_what_to_do(engine: Engine) -> None:
    add_study(engine, "new")
    page = compare.layout(View(engine=engine), Place("compare", "new"))
    assert "Nothing to compare yet" in text_of(page)
    assert all(page[f"compare-{name}-card"].hidden for name in ("curves", "front", "classes"))


def test_curves_and_classes_have_a_line_for_each_trial(engine: Engine) -> None:
    study_id = add_study(engine)
    for number in (0, 1):
        classes = {"per_class_mse": [0.1] * 10}
        add_trial(engine, study_id, number, 0.3, config=TANH, curve=[0.5, 0.3], **classes)
    figures = compare.figures(View(engine=engine), compare_trials(engine, [1, 0]))
    assert [trace.name.split(":")[0] for trace in figures["compare-curves"].drawn.data] == [
        "trial 1",
        "trial 0",
    ]
    assert [trace.name for trace in figures["compare-classes"].drawn.data] == [
        "trial 1",
        "the best (trial 0)",
    ]


def test_news_about_other_trials_is_no_news(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.3)
    before = compare.mark_of(compare_trials(engine, [0]))
    add_trial(engine, study_id, 1, 0.4)
    assert compare.mark_of(compare_trials(engine, [0])) == before
    annotate.note(engine, "study", "look", 0)
    assert compare.mark_of(compare_trials(engine, [0])) != before
