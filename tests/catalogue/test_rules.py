from dataclasses import replace

import pytest

from sweep.catalogue.rules import conflicts
from sweep.config import TrialConfig, check_config
from sweep.enums import Loss, Optimizer, Output

CONFIG = TrialConfig()


def test_the_defaults_contradict_nothing() -> None:
    assert conflicts(vars(CONFIG)) == []


def test_bce_with_a_linear_output_is_a_conflict() -> None:
    with pytest.raises(ValueError, match="loss bce needs output_activation sigmoid, not linear"):
        check_config(replace(CONFIG, output_activation=Output.LINEAR))


def test_another_loss_with_a_linear_output_is_none() -> None:
    check_config(replace(CONFIG, loss=Loss.MSE, output_activation=Output.LINEAR))


def test_nesterov_without_momentum_is_a_conflict() -> None:
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        check_config(replace(CONFIG, optimizer=Optimizer.SGD, nesterov=True))


def test_an_optimizer_that_ignores_nesterov_may_have_it() -> None:
    check_config(replace(CONFIG, nesterov=True))
