from dataclasses import fields
from enum import StrEnum

import pytest

from sweep.catalogue.choices import ACTIVATIONS, CHOICES, OPTIMIZERS
from sweep.catalogue.columns import COLUMNS, column_named
from sweep.catalogue.settings import (
    ABLATION_GROUPS,
    CAUSES,
    SETTINGS,
    AblationGroup,
    Cause,
    by_setting,
    in_use,
)
from sweep.catalogue.synonyms import SYNONYMS, find_synonym
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Objective, Optimizer, Pruner, Sampler
from sweep.studyfile.sections import SECTIONS

CONFIG = {field.name for field in fields(TrialConfig)}


def test_every_field_of_a_configuration_is_catalogued() -> None:
    # One that is not would be missing in study files, docs and exports.
    assert {*SETTINGS} == CONFIG | {"seed"}


def test_every_field_of_a_configuration_belongs_to_one_ablation_group() -> None:
    # One that did not would make two configurations look equal and an explanation wrong.
    grouped = [name for names in ABLATION_GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(CONFIG)


def test_every_ablation_group_belongs_to_one_cause() -> None:
    # A factorial analysis would leave out the settings of one that did not.
    grouped = [group for groups in CAUSES.values() for group in groups]
    assert sorted(grouped) == sorted(AblationGroup)
    assert list(CAUSES) == list(Cause)


def test_a_setting_that_a_choice_uses_changes_with_that_choice() -> None:
    for setting in SETTINGS.values():
        if setting.used_with is not None:
            assert setting.group is SETTINGS[setting.used_with.setting].group


@pytest.mark.parametrize("name", AblationGroup)
def test_every_ablation_group_has_settings(name: AblationGroup) -> None:
    assert ABLATION_GROUPS[name]


def test_every_default_is_within_its_limits() -> None:
    for setting in SETTINGS.values():
        if setting.kind in (int, float) and setting.default is not None:
            assert setting.allows(setting.default)


def test_a_setting_is_used_with_choices_that_exist() -> None:
    for setting in SETTINGS.values():
        if setting.used_with is not None:
            decider, choices = SETTINGS[setting.used_with.setting], setting.used_with.choices
            allowed = [
                of in decider.choices if decider.choices else decider.allows(of) for of in choices
            ]
            assert allowed and all(allowed)


KINDS = [of.kind for of in SETTINGS.values() if of.choices] + [Sampler, Pruner, Objective]


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_has_a_line_of_its_own(kind: type[StrEnum]) -> None:
    assert [*CHOICES[kind]] == [*kind]
    lines = [choice.about for choice in CHOICES[kind].values()]
    assert all(lines) and len({*lines}) == len(lines)


def test_a_bounded_activation_saturates_and_cannot_die() -> None:
    bounded = {name for name, facts in ACTIVATIONS.items() if facts.is_bounded}
    assert bounded == {Activation.TANH, Activation.SIGMOID}
    assert not any(ACTIVATIONS[name].can_die for name in bounded)


def test_an_optimizer_lists_the_settings_that_it_uses() -> None:
    assert OPTIMIZERS[Optimizer.SGD].settings == ("momentum", "nesterov")
    assert OPTIMIZERS[Optimizer.ADAGRAD].settings == ("eps",)


def test_settings_in_use_leave_out_what_the_choices_ignore() -> None:
    used = in_use(vars(TrialConfig(optimizer=Optimizer.SGD, loss=Loss.HUBER)))
    assert {"momentum", "nesterov", "huber_delta", "weight_decay"} <= {*used}
    assert {"beta1", "momentum_decay", "rmsprop_alpha", "eps", "warmup_epochs"}.isdisjoint(used)


def test_widths_of_layers_mean_something_where_there_are_further_layers() -> None:
    assert "layer_width_factor" not in in_use(vars(TrialConfig()))
    assert "layer_width_factor" in in_use(vars(TrialConfig(hidden_layers=2)))


def test_a_setting_is_in_use_where_its_deciding_setting_is_unknown() -> None:
    assert in_use({"momentum": 0.9, "note": "kept"}) == {"momentum": 0.9, "note": "kept"}


def test_parameters_lose_the_choice_before_their_setting() -> None:
    assert by_setting({"sgd.learning_rate": 0.1, "loss": "mse"}) == {
        "learning_rate": 0.1,
        "loss": "mse",
    }


def test_a_title_is_a_heading_and_an_axis_title() -> None:
    assert column_named("val_mse").axis_title == "Validation error (MSE per pixel)"
    assert column_named("psnr").heading == "PSNR (dB)"
    assert column_named("hidden_width").heading == "Hidden width"


def test_a_greek_symbol_has_no_capital() -> None:
    assert column_named("beta1").heading == "β₁"


def test_a_parameter_under_a_choice_is_called_with_it() -> None:
    assert column_named("sgd.learning_rate").title == "sgd learning rate"
    assert column_named("sgd.learning_rate").factor == SETTINGS["learning_rate"].factor


def test_every_column_is_called_by_a_name_of_its_own() -> None:
    titles = [of.title for of in COLUMNS.values()]
    assert len({*titles}) == len(titles)


def test_a_setting_is_in_words() -> None:
    assert column_named("sgd.learning_rate").title == "sgd learning rate"
    assert column_named("adam.beta1").title == "adam β₁"


def test_every_synonym_leads_to_a_name_of_ours() -> None:
    sections = {
        key for section, model in SECTIONS.items() for key in (section, *model.model_fields)
    }
    choices = {str(name) for enum in CHOICES for name in enum}
    names = {*COLUMNS, *sections, *choices, "space", "choices", "low", "high", "step"}
    assert {*SYNONYMS.values()} <= names


def test_a_synonym_counts_where_its_name_is_known() -> None:
    assert find_synonym("CMA-ES", ["tpe", "cmaes"]) == "cmaes"
    assert find_synonym("swish", ["relu"]) is None
    assert find_synonym("TPE", ["tpe", "cmaes"]) == "tpe", "however it is spelt"
    assert find_synonym("NSGAIISampler", ["tpe", "nsga2"]) == "nsga2", "Optuna's class"
    assert find_synonym("MedianPruner", ["median"]) == "median"
