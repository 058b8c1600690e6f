"""Configurations: the baseline is what the question says, whatever the defaults are."""

import dataclasses
import runpy
from dataclasses import asdict
from typing import Any

import pytest

from sweep import config as config_module
from sweep.catalogue import settings
from sweep.catalogue.settings import SETTINGS, Setting, in_use
from sweep.config import BASELINE, DEFAULT_BASELINE, is_question

QUESTION: dict[str, Any] = {
    "hidden_width": 784,
    "hidden_layers": 0,
    "activation": "relu",
    "output_activation": "sigmoid",
    "loss": "bce",
    "epochs": 5,
    "batch_size": 128,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-7,
    "weight_decay": 0.0,
    "lr_schedule": "constant",
    "weight_init": "glorot_uniform",
    "noise": "none",
}


def other_value(setting: Setting[Any]) -> Any:
    """A valid value that is not the default."""
    if setting.choices:
        return next(name for name in setting.kind if name != setting.default)
    if setting.kind is bool:
        return not setting.default
    return 2 * setting.default + 1 if setting.kind is int else setting.default / 2 + 0.1


def test_the_baseline_is_the_configuration_of_the_question() -> None:
    assert in_use(asdict(BASELINE)) == QUESTION


def test_the_baseline_needs_no_default_to_be_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, setting in SETTINGS.items():
        if setting.default is not None:
            changed = dataclasses.replace(setting, default=other_value(setting))
            monkeypatch.setattr(settings, name.upper(), changed)
    loaded = runpy.run_path(str(config_module.__file__))
    assert loaded["TrialConfig"]().hidden_width != 784
    assert in_use(asdict(loaded["BASELINE"])) == QUESTION


@pytest.mark.parametrize("eps", [1e-7, 1e-8])
def test_the_question_is_known_with_the_eps_of_keras_and_of_pytorch(eps: float) -> None:
    assert is_question(asdict(BASELINE) | {"eps": eps, "momentum": 0.9})


@pytest.mark.parametrize("name", DEFAULT_BASELINE.settings)
def test_a_configuration_with_any_other_setting_in_use_is_not_the_question(name: str) -> None:
    assert not is_question(asdict(BASELINE) | {name: other_value(SETTINGS[name])})
    assert not is_question({key: of for key, of in QUESTION.items() if key != name})
