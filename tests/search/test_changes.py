"""What a study's file may become while the study goes on."""

import pytest

from sweep.search import incompatible_changes
from tests.support.study_factories import CONDITIONAL, make_study_file

SPACE = CONDITIONAL + "weight_decay = { low = 0, high = 0.4, step = 0.1 }\n"

ALLOWED = {
    "more trials": "budget.trials=500",
    "another sampler": "sampler.name=random",
    "another pruner": "pruner.name=median",
    "other workers": "workers.per_gpu=4",
    "a lower low": "space.hidden_width.low=4",
    "a higher high": "space.optimizer.when.adam.beta1.high=0.99",
    "a default made explicit": "space.batch_size=128",
    "finer steps": "space.optimizer.when.sgd.weight_decay.step=0.05",
    "no steps": "space.optimizer.when.sgd.weight_decay={low=0, high=1}",
}

REFUSED = {
    "study.seed=1": "study.seed: was 0, is 1.",
    "study.repeat=2": "study.repeat: was 1, is 2.",
    "study.objectives=['val_mse', 'hidden_width']": "study.objectives: was val_mse, is val_mse, hi",
    "data.name=mnist": "data.name: was 'fashion-mnist-mini', is 'mnist'.",
    "data.train_limit=100": "data.train_limit: was left out, is 100.",
    "space.hidden_width.high=512": "space.hidden_width: a range may widen, not narrow: was 8 to 10",
    "space.hidden_width.log=false": "space.hidden_width: log cannot change (was true).",
    "space.hidden_width=64": "space.hidden_width: was searched over 8 to 1024, is fixed to 64.",
    "space.hidden_width={ choices=[8] }": "space.hidden_width: a range cannot replace choices",
    "space.activation.choices=['tanh', 'relu']": "space.activation: choices and their order cannot",
    "space.activation.choices=['relu', 'tanh', 'elu']": "space.activation: choices and their order",
    "space.batch_size=64": "space.batch_size: was 128, is 64.",
    "space.epochs={ low=1, high=9 }": "space.epochs: was not in the space, is searched over 1 to 9",
    "space.optimizer.when.sgd.momentum=0.5": "space.optimizer.when.sgd.momentum: was 0.9, is 0.5.",
    "space.optimizer.when.adam.beta1=0.9": "space.optimizer.when.adam.beta1: was searched over 0.8",
    "space.optimizer.when.adam={}": "space.optimizer.when.adam.learning_rate: was searched over",
    "space.optimizer.when.sgd.weight_decay.step=0.2": "space.optimizer.when.sgd.weight_decay: the ",
    "enqueue=[{ hidden_width=8 }]": "enqueue: is only read when a study begins.",
}


def changes(*overrides: str) -> list[str]:
    more = "budget.trials = 10"
    if overrides and overrides[0].startswith("enqueue"):
        more, overrides = f"{more}\n{overrides[0]}", ()
    return incompatible_changes(
        make_study_file(SPACE), make_study_file(SPACE, *overrides, more=more)
    )


def test_no_change_is_no_change() -> None:
    assert changes() == []


@pytest.mark.parametrize("override", ALLOWED.values(), ids=ALLOWED)
def test_a_study_takes_this_change(override: str) -> None:
    assert changes(override) == []


@pytest.mark.parametrize(("override", "expected"), REFUSED.items(), ids=REFUSED)
def test_a_study_cannot_take_this_change(override: str, expected: str) -> None:
    found = changes(override)
    assert any(line.startswith(expected) for line in found), found
