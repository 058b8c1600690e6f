"""The answer's pages say what its stored studies say."""

import ast
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from docs.answer import run
from docs.answer.facts import Facts, gather
from docs.answer.keras_code import keras_code
from docs.answer.write import PAGES, README, SUMMARY, render, results, with_summary
from sweep.analysis.diagnosis import Limit
from sweep.analysis.gains import Doubling
from sweep.analysis.study_diagnosis import diagnose_trials
from sweep.analysis.study_floors import study_floors
from sweep.config import TrialConfig
from sweep.enums import Loss, Optimizer, Schedule, WeightInit
from sweep.store import drift
from sweep.store.handle import open_study
from sweep.studyfile import load

#: What a number in the text may be: a scale, a percentage of intervals or variance, bits, Keras 3.
NAMES_OF_THINGS = {"0", "1", "3", "8", "90", "95"}


@pytest.fixture(scope="module")
def facts() -> Iterator[Facts]:
    with results() as engine:
        yield gather(engine)


def test_the_stored_studies_have_the_schema_of_today() -> None:
    with results() as engine:
        assert drift.differences(engine) == []


@pytest.mark.parametrize("template", PAGES)
def test_a_page_is_what_its_studies_say(template: str, facts: Facts) -> None:
    assert PAGES[template].read_text(encoding="utf-8") == render(template, facts), "make answer"


def test_the_readme_says_in_short_what_the_studies_say(facts: Facts) -> None:
    text = README.read_text(encoding="utf-8")
    assert with_summary(text, render(SUMMARY, facts)) == text, "make answer"


def test_a_text_without_marks_takes_no_summary() -> None:
    with pytest.raises(ValueError, match="make answer"):
        with_summary("# A page\n", "- So.\n")


@pytest.mark.parametrize("template", [*PAGES, SUMMARY])
def test_no_result_is_typed_by_hand(template: str) -> None:
    text = (run.RESULTS.parent / template).read_text(encoding="utf-8")
    by_hand = re.sub(r"<!--.*?-->|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    assert set(re.findall(r"\d[\d.,]*\d|\d", by_hand)) <= NAMES_OF_THINGS


def test_the_steps_of_the_answer_make_up_the_whole(facts: Facts) -> None:
    found = facts.why.found
    assert found.whole is not None
    for path in (found.forward, found.reverse):
        product = 1.0
        for step in path.steps:
            product *= step.effect.estimate
        assert product == pytest.approx(found.whole.estimate)


def keras_call(code: str) -> ast.Call:
    """Of the optimizer."""
    calls = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.keyword))
    (found,) = (node.value for node in calls if node.arg == "optimizer")
    assert isinstance(found, ast.Call)
    return found


@pytest.mark.parametrize(
    "settings",
    [
        *({"optimizer": of} for of in Optimizer),
        *({"loss": of, "output_activation": "sigmoid"} for of in Loss),
        *({"lr_schedule": of} for of in Schedule),
        *({"weight_init": of} for of in WeightInit),
    ],
    ids=lambda settings: next(iter(settings.values())),
)
def test_every_configuration_can_be_written_for_keras(settings: dict[str, Any]) -> None:
    config = asdict(TrialConfig(hidden_width=8)) | settings
    assert "None" not in ast.unparse(keras_call(keras_code(config, 4)))


def test_the_code_for_keras_has_the_settings() -> None:
    config = TrialConfig(hidden_width=8, optimizer=Optimizer.SGD, momentum=0.9, learning_rate=0.5)
    code = keras_code(asdict(config), 4)
    assert ast.unparse(keras_call(code)) == (
        "keras.optimizers.SGD(0.5, momentum=0.9, nesterov=False)"
    )
    assert 'encoded = Dense(8, activation="relu"' in code
    assert 'decoded = Dense(4, activation="sigmoid"' in code


@pytest.mark.parametrize("part", run.PARTS, ids=lambda part: part.name)
def test_every_study_of_the_answer_can_be_started(part: run.Part) -> None:
    file = run.ROOT / "studies" / part.file
    assert load(file, [*part.settings, *part.reduced]).data.name is not None


#: What a scientist would say of stored trials: by study, the label of each.
LABELS: dict[str, dict[int, Limit]] = {
    "longer": {1: Limit.NOTHING},
    "whole": {63: Limit.NOTHING, 67: Limit.NOTHING, 74: Limit.NOTHING, 68: Limit.UNSTABLE},
    "width": dict.fromkeys(range(6), Limit.TOO_NARROW)
    | dict.fromkeys((6, 7, 8), Limit.TOO_FEW_EPOCHS),
    "features": dict.fromkeys((1, 3, 6, 9, 12, 16, 18), Limit.TOO_NARROW)
    | dict.fromkeys((2, 5, 8, 11), Limit.SATURATED_UNITS),
    "question": {0: Limit.TOO_FEW_EPOCHS},
    "limit": {33: Limit.STUCK},
}


@pytest.mark.parametrize("name", LABELS)
def test_the_answers_own_trials_have_the_labels_that_a_scientist_would_give(name: str) -> None:
    with results() as engine:
        study = open_study(engine, name)
        floors = study_floors(study, keep=False)
        found = diagnose_trials(study, study.table(), LABELS[name], floors)
    assert {of.trial.number: of.diagnosis.limit for of in found} == LABELS[name]


def test_the_gains_of_the_widths_are_those_that_were_trained() -> None:
    """Twice the epochs was trained as another study: 5, 5, 8, 13, 20 and 26 % at 8 to 256 units."""
    with results() as engine:
        study = open_study(engine, "width")
        found = diagnose_trials(study, study.table(), range(6), None)
    widths = [of.diagnosis.gains[Doubling.WIDTH].estimate for of in found]
    assert all(0.22 < of < 0.31 for of in widths)
    epochs = [of.diagnosis.gains[Doubling.EPOCHS].estimate for of in found]
    assert epochs == pytest.approx([0.05, 0.05, 0.08, 0.13, 0.20, 0.26], abs=0.12)
    assert all(of < wide for of, wide in zip(epochs, widths, strict=True))
