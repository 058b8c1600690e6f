"""Trials side by side."""

from typing import Any

import pytest

from sweep.config import TrialConfig
from sweep.dashboard.links import Place
from sweep.dashboard.pages import compare
from sweep.dashboard.parts.comparison import (
    MOST,
    choose,
    gather_comparison,
    headline,
    measured_lines,
    setting_lines,
    usual,
)
from sweep.dashboard.view import View
from sweep.enums import Activation, Loss, Optimizer
from sweep.store import annotate
from sweep.store.engine import Engine
from tests.store_factories import add_study, add_trial, trial_row, trial_table

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
    [("x", "“x” is no trial number."), ("99", "This study has no trial 99."), ("-1", "“-1”")],
)
def test_a_wish_that_cannot_be_met_is_told(wanted: str, said: str) -> None:
    numbers, complaints = choose(TABLE, ["1", wanted])
    assert numbers == [1]
    assert complaints[0].startswith(said)


def test_more_than_fit_are_left_out_with_a_sentence() -> None:
    numbers, complaints = choose(TABLE, [str(number) for number in range(10)])
    assert numbers == list(range(MOST))
    assert complaints == ["8 trials fit side by side; left out: 8, 9."]


def test_settings_that_differ_come_first_and_are_marked() -> None:
    first, second, *others = setting_lines(TABLE, [2, 1])
    assert {first.label, second.label} == {"Activation", "Loss"}
    assert first.cells == ("relu", "tanh")  # in the order of the wish
    assert first.differs and not any(line.differs for line in others)


def test_a_setting_that_no_trial_uses_is_left_out() -> None:
    adam = trial_row(number=0, config=TrialConfig(momentum=0.9))
    sgd = trial_row(number=1, config=TrialConfig(momentum=0.9, optimizer=Optimizer.SGD))
    labels = [line.label for line in setting_lines(trial_table(adam), [0])]
    assert "Momentum" not in labels
    both = {line.label: line for line in setting_lines(trial_table(adam, sgd), [0, 1])}
    assert both["Momentum"].cells == ("", "0.9") and both["Momentum"].differs


def test_the_best_of_each_measurement_is_marked() -> None:
    lines = {line.label: line for line in measured_lines(ROWS[:2])}
    assert lines["Validation error"].best == {1}
    assert lines["PSNR (dB)"].best == {1}  # the highest
    assert lines["Training (s)"].best == {0}
    assert lines["Training (s)"].beside == ("", "× 3.0")


def test_an_invalid_trial_is_no_ones_best() -> None:
    lines = {line.label: line for line in measured_lines([ROWS[0], ROWS[2], ROWS[12]])}
    assert lines["Validation error"].cells[1] == "0.2000"
    assert lines["Validation error"].best == {0}


def test_one_trial_alone_is_not_the_best_of_anything() -> None:
    assert not any(line.best for line in measured_lines([ROWS[0], ROWS[3]]))


def test_the_headline_says_by_how_much_and_why() -> None:
    assert headline(ROWS[:2], TABLE) == (
        "Trial 1 has the lowest validation error of these: 3.0 times lower than trial 0’s. "
        "The two differ in activation."
    )
    assert headline(ROWS[2:4], TABLE) == ""


def test_trials_that_differ_in_nothing_differ_in_their_seeds() -> None:
    assert headline([ROWS[1], ROWS[5]], TABLE).endswith("only their seeds differ.")


def test_the_page_shows_what_its_address_says(view: View) -> None:
    page = compare.layout(view, Place("compare", "small", query={"trials": "4,2,x", "only": "1"}))
    assert page["compare-trials"].value == ["4", "2"]
    assert page["compare-only"].checked
    assert text_of(page["compare-complaints"]) == "“x” is no trial number."


def test_only_differences_leaves_the_common_settings_out(engine: Engine) -> None:
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.3, config=ASKED)
    add_trial(engine, study_id, 1, 0.1, config=TANH)
    found = gather_comparison(View(engine=engine), "study", [0, 1])
    assert "Batch size" in text_of(compare.tables(found, only=False))
    assert "Batch size" not in text_of(compare.tables(found, only=True))
    assert "Activation" in text_of(compare.tables(found, only=True))


def test_a_study_without_trials_says_what_to_do(engine: Engine) -> None:
    add_study(engine, "new")
    page = compare.layout(View(engine=engine), Place("compare", "new"))
    assert "Nothing to compare yet" in text_of(page)
    assert page["compare-figures"].hidden


def test_curves_and_classes_have_a_line_for_each_trial(engine: Engine) -> None:
    study_id = add_study(engine)
    for number in (0, 1):
        classes = {"per_class_mse": [0.1] * 10}
        add_trial(engine, study_id, number, 0.3, config=TANH, curve=[0.5, 0.3], **classes)
    found = gather_comparison(View(engine=engine), "study", [1, 0])
    assert [trace.name.split(":")[0] for trace in compare.curves_figure(found).data] == [
        "trial 1",
        "trial 0",
    ]
    assert [trace.name for trace in compare.classes_figure(found).data] == ["trial 1", "trial 0"]


def test_news_about_other_trials_is_no_news(engine: Engine) -> None:
    study_id, view = add_study(engine), View(engine=engine)
    add_trial(engine, study_id, 0, 0.3)
    before = gather_comparison(view, "study", [0]).mark
    add_trial(engine, study_id, 1, 0.4)
    assert gather_comparison(view, "study", [0]).mark == before
    annotate.note(engine, "study", "look", 0)
    assert gather_comparison(view, "study", [0]).mark != before
