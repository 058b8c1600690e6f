"""The space as a tree: names, what depends on a choice, and configurations."""

import pytest

from sweep.catalogue.settings import SETTINGS, Value
from sweep.config import TrialConfig
from sweep.enums import Loss, Optimizer, Output
from sweep.studyfile import Categorical, Domain, Float, Int
from sweep.studyfile.settings import read_value
from tests.support.study_factories import CONDITIONAL, SMALL_GRID, WIDTHS, make_study_file


def chooser(**chosen: Value):
    """A sampler that takes these values, and else the first."""

    def suggest(name: str, domain: Domain) -> Value:
        first = domain.choices[0] if isinstance(domain, Categorical) else domain.low
        return chosen.get(name, first)

    return suggest


def test_what_a_space_leaves_out_keeps_its_default() -> None:
    config, seed = make_study_file(WIDTHS).space.resolve(chooser(hidden_width=32))
    assert config == TrialConfig(hidden_width=32)
    assert seed is None


def test_parameters_under_a_choice_are_named_after_it() -> None:
    assert list(make_study_file(CONDITIONAL).space.domains()) == [
        "hidden_width",
        "activation",
        "optimizer",
        "adam.learning_rate",
        "adam.beta1",
        "sgd.learning_rate",
    ]


def test_only_the_chosen_branch_is_asked_for() -> None:
    asked: list[str] = []
    choose = chooser(optimizer="sgd", **{"sgd.learning_rate": 3.0})

    def suggest(name: str, domain: Domain) -> Value:
        asked.append(name)
        return choose(name, domain)

    config, _ = make_study_file(CONDITIONAL).space.resolve(suggest)
    assert asked == ["hidden_width", "activation", "optimizer", "sgd.learning_rate"]
    assert (config.optimizer, config.learning_rate) == (Optimizer.SGD, 3.0)
    assert (config.momentum, config.beta1) == (0.9, TrialConfig.beta1)


def test_conditions_nest() -> None:
    space = """
        [space.output_activation]
        choices = ["sigmoid", "linear"]
        [space.output_activation.when.linear.loss]
        choices = ["huber", "mse"]
        when.huber.huber_delta = { low = 0.1, high = 1.0 }
        """
    choose = chooser(
        output_activation="linear", **{"linear.loss": "huber", "huber.huber_delta": 0.25}
    )
    config, _ = make_study_file(space).space.resolve(choose)
    assert (config.output_activation, config.loss, config.huber_delta) == (
        Output.LINEAR,
        Loss.HUBER,
        0.25,
    )


def test_true_false_and_numbers_can_be_conditions() -> None:
    space = """
        optimizer = "sgd"
        nesterov = { choices = [false, true], when.true.momentum = 0.9 }
        batch_size = { choices = [32, 64], when.64.epochs = 9 }
        """
    config, _ = make_study_file(space).space.resolve(chooser(nesterov=True, batch_size=64))
    assert (config.nesterov, config.momentum, config.epochs) == (True, 0.9, 9)


def test_a_searched_seed_is_handed_out_beside_the_configuration() -> None:
    space = make_study_file("seed = { low = 0, high = 9 }").space
    assert space.resolve(chooser(seed=7)) == (TrialConfig(), 7)


def test_whole_numbers_are_taken_for_real_settings() -> None:
    space = make_study_file("learning_rate = { low = 1, high = 2 }").space
    assert space.domains() == {"learning_rate": Float(low=1.0, high=2.0)}


def test_the_order_of_the_file_does_not_matter() -> None:
    one = make_study_file("hidden_width = { choices = [8, 16] }\nepochs = { low = 1, high = 2 }")
    other = make_study_file("epochs = { low = 1, high = 2 }\nhidden_width = { choices = [8, 16] }")
    assert one == other
    assert list(one.space.domains()) == list(other.space.domains())


def test_points_are_counted_over_conditions() -> None:
    assert make_study_file(SMALL_GRID).space.grid_size() == 2 * (2 + (1 + 2))


def test_everything_a_setting_may_be_is_known() -> None:
    space = "epochs = { choices = [2, 4] }\nhidden_width = { low = 8, high = 16 }"
    found = make_study_file(space).space
    assert found.possible("epochs") == [2, 4]
    assert found.possible("hidden_width") == [Int(low=8, high=16)]
    assert found.possible("batch_size") == [128]


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "seed"])
def test_every_setting_is_a_field_of_a_trials_configuration(name: str) -> None:
    assert SETTINGS[name].to_type(SETTINGS[name].default) == getattr(TrialConfig(), name)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_fixed_at_its_default(name: str) -> None:
    setting = SETTINGS[name]
    default = 0 if setting.default is None else setting.default
    assert read_value(setting, default) == default
