"""``[study] baseline``: a configuration of the space, or the number of a trial."""

from dataclasses import asdict

import pytest

from sweep.config import DEFAULT_BASELINE, TrialConfig
from sweep.errors import StudyFileError
from sweep.studyfile import StudyFile, json_schema, loads, to_toml
from tests.support.study_factories import CONDITIONAL, WIDTHS, make_study_file, study_text

LOSSES = """
output_activation = "linear"
loss = { choices = ["mse", "l1"] }
"""
NARROW = "hidden_width = { choices = [8, 16] }"


def with_baseline(baseline: str, space: str = WIDTHS) -> StudyFile:
    return make_study_file(space, f"study.baseline={baseline}")


def problems(baseline: str, space: str = WIDTHS) -> list[str]:
    with pytest.raises(StudyFileError) as caught:
        with_baseline(baseline, space)
    return list(caught.value.problems)


def test_a_study_that_names_none_has_the_question_as_its_baseline() -> None:
    assert make_study_file().baseline == DEFAULT_BASELINE


def test_a_number_names_a_trial() -> None:
    found = with_baseline("7").baseline
    assert (found.number, dict(found.settings)) == (7, {})


def test_settings_that_are_left_out_are_fixed_by_the_space_or_as_in_the_question() -> None:
    space = 'hidden_width = { low = 8, high = 1024 }\nepochs = 20\nloss = { choices = ["bce"] }'
    found = with_baseline("{ hidden_width = 32 }", space).baseline.settings
    assert (found["hidden_width"], found["epochs"], found["loss"]) == (32, 20, "bce")
    assert "momentum" not in found  # which adam does not use


def test_a_setting_that_the_space_does_not_have_is_at_the_default_of_every_trial() -> None:
    found = with_baseline("{ hidden_width = 32 }").baseline.settings
    assert found["eps"] == TrialConfig().eps != 1e-7


def test_a_choice_brings_the_values_of_its_branch() -> None:
    found = with_baseline('{ optimizer = "sgd", learning_rate = 1.0 }', CONDITIONAL).baseline
    trial = asdict(TrialConfig()) | {"optimizer": "sgd", "learning_rate": 1.0, "momentum": 0.9}
    assert found.settings.items() <= trial.items()
    assert found.settings["momentum"] == 0.9


@pytest.mark.parametrize("baseline", ["3", '{ hidden_width = 32, activation = "tanh" }', "{}"])
def test_a_baseline_reads_back_equal(baseline: str) -> None:
    study_file = with_baseline(baseline, CONDITIONAL)
    copy = loads(to_toml(study_file), "copy")
    assert copy == study_file
    assert copy.baseline == study_file.baseline != DEFAULT_BASELINE


BAD = {
    "true": "study.baseline: must be settings, such as { hidden_width = 32 }, or the number of a",
    "-1": "study.baseline: must be settings, such as { hidden_width = 32 }, or the number of a tri",
    "'best'": "study.baseline: must be settings, such as { hidden_width = 32 }, or the number of a",
    "{ hiden_width = 8 }": "study.baseline.hiden_width: unknown setting. Did you mean 'hidden_widt",
    "{ hidden_width = 8.5 }": "study.baseline.hidden_width: must be a whole number, got 8.5.",
    "{ hidden_width = 4096 }": "study.baseline.hidden_width: 4096 is not in space.hidden_width, wh",
    "{ epochs = 9 }": "study.baseline.epochs: 9, but [space] does not have epochs in this configur",
    "{ seed = 1 }": "study.baseline.seed: a baseline has no seed. Omit it.",
}


@pytest.mark.parametrize(("baseline", "expected"), BAD.items(), ids=BAD)
def test_a_bad_baseline_is_named(baseline: str, expected: str) -> None:
    (problem,) = problems(baseline)
    assert problem.startswith(expected)


def test_all_problems_of_a_baseline_come_at_once() -> None:
    found = problems('{ hiden_width = 8, loss = "mes", seed = 1, hidden_width = 4096 }')
    assert [line.partition(": ")[0] for line in found] == [
        "study.baseline.seed",
        "study.baseline.hiden_width",
        "study.baseline.loss",
        "study.baseline.hidden_width",
    ]


def test_a_value_that_the_space_fixes_otherwise_is_refused() -> None:
    (problem,) = problems('{ output_activation = "sigmoid", loss = "mse" }', LOSSES)
    assert problem.startswith("study.baseline.output_activation: 'sigmoid' is not 'linear', to wh")


def test_bce_with_a_linear_output_is_told_as_such() -> None:
    found = problems('{ output_activation = "linear", loss = "bce" }', LOSSES)
    assert found == [
        "study.baseline.loss: 'bce' is not in space.loss, which has choices 'mse', 'l1'.",
        "study.baseline: loss bce needs output_activation sigmoid, not linear.",
    ]


def test_a_searched_setting_must_be_named_where_the_questions_value_is_not_in_the_space() -> None:
    (problem,) = problems("{}", NARROW)
    assert problem == (
        "study.baseline.hidden_width: left out, it is 784, which is not in space.hidden_width, "
        "which has choices 8, 16. Name one of these."
    )


def test_a_setting_of_another_choice_is_refused() -> None:
    (problem,) = problems("{ momentum = 0.9 }", CONDITIONAL)
    assert problem.startswith("study.baseline.momentum: 0.9, but [space] does not have momentum in")


def test_where_the_space_cannot_be_read_the_values_are_judged_all_the_same() -> None:
    text = study_text("hidden_width = 0", "budget.trials = 1\nstudy.baseline = { epochs = 0 }")
    with pytest.raises(StudyFileError) as caught:
        loads(text, "bad.toml")
    paths = [line.partition(":")[0] for line in caught.value.problems]
    assert paths == ["space.hidden_width", "study.baseline.epochs"]


def test_editors_know_both_ways_to_name_a_baseline() -> None:
    settings, number = json_schema()["properties"]["study"]["properties"]["baseline"]["anyOf"]
    assert settings["properties"]["hidden_width"] == {"$ref": "#/definitions/fixed_hidden_width"}
    assert number == {"type": "integer", "minimum": 0}
