"""``--set section.key=value``."""

import pytest

from sweep.errors import StudyFileError
from sweep.studyfile import Categorical, Fixed, Int, StudyFile, loads
from tests.support.study_factories import CONDITIONAL, make_study_file, study_text


def test_an_override_replaces_or_adds_a_value() -> None:
    changed = make_study_file(CONDITIONAL, "budget.trials=7", "workers.retries=0")
    assert (changed.budget.trials, changed.workers.retries) == (7, 0)


def test_a_name_needs_no_quotes() -> None:
    assert make_study_file(CONDITIONAL, "sampler.name=random").sampler.name == "random"


def test_a_value_may_be_any_toml() -> None:
    space = make_study_file(CONDITIONAL, "space.hidden_width={ choices = [8, 16] }").space
    assert space.domains()["hidden_width"] == Categorical(choices=(8, 16))


def test_a_list_is_choices() -> None:
    space = make_study_file(
        "hidden_width = { low = 2, high = 9 }", "space.hidden_width=[8,32]"
    ).space
    assert space.domains()["hidden_width"] == Categorical(choices=(8, 32))


def test_a_list_takes_what_its_long_form_does() -> None:
    overrides = ("space.optimizer.when.sgd.momentum=0.5", "space.loss.choices=['mse','l1']")
    changed = make_study_file("optimizer = ['adam', 'sgd']\nloss = ['bce', 'mse']", *overrides)
    assert config_of(changed, optimizer="sgd").momentum == 0.5
    assert changed.space.domains()["loss"] == Categorical(choices=("mse", "l1"))


def test_one_end_of_a_range_can_be_set() -> None:
    space = make_study_file(CONDITIONAL, "space.hidden_width.high=64").space
    assert space.domains()["hidden_width"] == Int(low=8, high=64, log=True)


def test_a_fixed_setting_becomes_a_searched_one_and_back() -> None:
    ranged = make_study_file("epochs = 5", "space.epochs.low=2", "space.epochs.high=9").space
    fixed = make_study_file("epochs = { low = 2, high = 9 }", "space.epochs=5").space
    assert ranged.domains() == {"epochs": Int(low=2, high=9)}
    assert fixed.nodes == (Fixed(setting="epochs", path="space.epochs", value=5),)


def test_settings_under_a_choice_can_be_set() -> None:
    path = "space.optimizer.when.sgd.momentum"
    changed = make_study_file(CONDITIONAL, f"{path}=0.5")
    assert config_of(changed, optimizer="sgd").momentum == 0.5


def config_of(study_file: StudyFile, **chosen: str):
    return study_file.space.resolve(lambda name, domain: chosen.get(name, first(domain)))[0]


def first(domain):
    return domain.choices[0] if isinstance(domain, Categorical) else domain.low


def test_an_enqueued_configuration_can_be_changed_by_its_place() -> None:
    text = f"{study_text()}\n[[enqueue]]\nhidden_width = 64\n"
    assert loads(text, "test.toml", ["enqueue.0.hidden_width=32"]).enqueue == (
        {"hidden_width": 32},
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("budget.trials", "no '=' in it. Write section.key=value"),
        ("budget=5", "is not a key of a section."),
        ("=5", "'' is not a path."),
        ("budget..trials=5", "'budget..trials' is not a path."),
        ("budget.trials # x=5", "is not a path."),
        ("enqueue.1.hidden_width=5", "enqueue is a list of 1; count its entries from 0."),
        ("enqueue.first.hidden_width=5", "enqueue is a list of 1; count its entries from 0."),
    ],
)
def test_an_override_that_is_none_is_refused(override: str, expected: str) -> None:
    text = f"{study_text()}\n[[enqueue]]\nhidden_width = 64\n"
    with pytest.raises(StudyFileError) as caught:
        loads(text, "test.toml", [override])
    (problem,) = caught.value.problems
    assert problem.startswith("--set ")
    assert expected in problem


def test_an_unknown_path_says_what_was_meant() -> None:
    with pytest.raises(StudyFileError, match=r"budget\.trails: unknown key. Did you mean 'trials'"):
        make_study_file(CONDITIONAL, "budget.trails=5")


def test_an_override_cannot_smuggle_in_a_second_line() -> None:
    with pytest.raises(StudyFileError, match=r"study\.name: must be letters"):
        make_study_file(CONDITIONAL, "study.name='x'\nseed = 5")
