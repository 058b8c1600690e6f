"""The filter as people type it, into the box of a page or after ``--where``."""

import pytest

from sweep.analysis.filters import Filter
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss
from sweep.errors import UsageError
from sweep.findings.conditions import add_typed
from tests.support.store_factories import trial_row, trial_table

TABLE = trial_table(
    trial_row(number=0, values=(0.3,), config=TrialConfig(hidden_width=32, loss=Loss.L1)),
    trial_row(number=1, state="PRUNED", values=(), outcome="pruned"),
    trial_row(number=2, values=(0.1,), config=TrialConfig(activation=Activation.TANH)),
    trial_row(number=3, values=(0.2,), config=TrialConfig(hidden_width=64, nesterov=True)),
)


def type_filter(text: str, before: Filter | None = None) -> str:
    return str(add_typed(before or Filter(), text, TABLE))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("tanh", "activation:tanh"),
        ("TANH complete", "activation:tanh;state:COMPLETE"),
        ("3", "number:3"),
        ("invalid", "invalid:True"),
        ("hidden_width:32..64", "hidden_width:32..64"),
        ("hidden_width >= 64; loss = L1", "hidden_width:64..;loss:l1"),
        ("hidden_width<64", "hidden_width:..32"),
        ("value>0.15", "value:0.15.."),
        ("nesterov:yes", "nesterov:True"),
        ("loss:bce,l1", "loss:bce,l1"),
        ("loss: bce, l1", "loss:bce,l1"),
        ("tanh relu", "activation:tanh,relu"),
        ("tanh,relu", "activation:tanh,relu"),
        ("tanh and width >= 64", "hidden_width:64..;activation:tanh"),
        ("hidden_width:32, 64", "hidden_width:32,64"),
        ("hidden_width:32..64,relu", "hidden_width:32..64;activation:relu"),
        ("Validation error < 0.15", "val_mse:..0.15"),
        ("hidden width=32", "hidden_width:32"),
        ("act:tanh, lr>=0.001", "learning_rate:0.001..;activation:tanh"),
    ],
)
def test_what_is_typed_is_understood(text: str, where: str) -> None:
    assert type_filter(text) == where


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tahn", "Did you mean 'tanh'"),
        ("loss:bec", r"Did you mean 'bce'\? Known: l1, bce\."),
        ("state:finished", "'finished'. Known: WAITING, RUNNING, COMPLETE, PRUNED, FAIL."),
        ("value<low", "has to follow"),
        ("colour:red", "unknown column 'colour'"),
        ("widht:32", "Did you mean 'hidden_width'"),
        ("optimiser:adam", "Did you mean 'optimizer'"),
    ],
)
def test_what_is_typed_and_means_nothing_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        type_filter(text)


def test_a_value_typed_later_lets_either_through() -> None:
    assert type_filter("relu", Filter().among("activation", ("tanh",))) == "activation:tanh,relu"


def test_both_ends_of_a_range_can_be_typed_one_after_the_other() -> None:
    assert type_filter("value<=0.2", Filter().between("value", low=0.1)) == "value:0.1..0.2"
