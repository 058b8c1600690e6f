from sweep.analysis.usage import uses_setting
from sweep.config import TrialConfig
from sweep.enums import Loss, Optimizer
from tests.support.store_factories import trial_row, trial_table


def test_a_setting_is_used_where_the_one_it_depends_on_has_its_value() -> None:
    sgd = TrialConfig(optimizer=Optimizer.SGD, loss=Loss.HUBER)
    table = trial_table(trial_row(number=0), trial_row(number=1, config=sgd))
    assert uses_setting(table, "momentum").tolist() == [False, True]
    assert uses_setting(table, "beta1").tolist() == [True, False]
    assert uses_setting(table, "huber_delta").tolist() == [False, True]
    assert uses_setting(table, "hidden_width").tolist() == [True, True]


def test_a_number_may_decide_what_is_used() -> None:
    deep = TrialConfig(hidden_layers=2)
    table = trial_table(trial_row(number=0), trial_row(number=1, config=deep))
    assert uses_setting(table, "layer_width_factor").tolist() == [False, True]


def test_what_a_trial_does_not_have_it_does_not_use() -> None:
    waiting = trial_row(number=1)
    waiting = type(waiting)(**(vars(waiting) | {"config": {}}))
    assert uses_setting(trial_table(trial_row(number=0), waiting), "activation").tolist() == [
        True,
        False,
    ]
