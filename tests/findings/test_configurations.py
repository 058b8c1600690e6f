"""Configurations in a few words."""

from sweep.config import TrialConfig
from sweep.enums import Output
from sweep.findings.configurations import configuration, short_name
from tests.support.store_factories import trial_row

CONFIG = TrialConfig(hidden_width=32, epochs=1)


def test_a_trial_has_a_short_name() -> None:
    assert short_name(trial_row(number=0, config=CONFIG)) == "32 relu · bce · adam · 1 epoch"


def test_an_output_other_than_the_sigmoid_is_named() -> None:
    config = TrialConfig(hidden_width=32, output_activation=Output.LINEAR)
    assert "linear output" in short_name(trial_row(number=0, config=config))


def test_a_configuration_has_the_searched_settings_besides() -> None:
    row = trial_row(number=0, config=CONFIG, params={"hidden_width": 32, "adam.beta1": 0.8})
    assert configuration(row) == "32 relu · bce · adam · 1 epoch · β₁ 0.8"
