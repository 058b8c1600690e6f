"""A study whose file has a setting of another version, which this one rejects."""

import pytest

from sweep.config import TrialConfig
from sweep.store.engine import Engine
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_study, add_trial

FILE = """
study.name = "study"
budget.trials = 2
space = { hidden_width = { low = 8, high = 64 }, label_smoothing = 0.1 }
"""
NARROW = TrialConfig(hidden_width=8)
BEST = TrialConfig(hidden_width=64)


@pytest.fixture(autouse=True)
def _study(store: Engine) -> None:
    study_id = add_study(store, study_file=FILE)
    for number, config in enumerate((NARROW, BEST)):
        add_trial(store, study_id, number, 0.2 - number / 10, config=config)


def test_its_state_and_its_results_are_shown(cli: Cli) -> None:
    shown = cli("status")
    assert (shown.code, shown.err) == (0, "")
    told = cli("findings")
    assert (told.code, told.err) == (0, "")
    assert "The baseline was not tried; this version cannot read the study file" in told.out
    assert cli("report", "-o", "-").code == 0


def test_an_explanation_between_two_of_its_trials_is_shown(cli: Cli) -> None:
    shown = cli("explain", "study", "--from", 0, "--to", 1)
    assert (shown.code, shown.err) == (0, "")
    assert "hidden width 8 → 64" in shown.out


def test_an_explanation_from_the_baseline_needs_the_file(cli: Cli) -> None:
    refused = cli("explain", "study", "--run")
    assert refused.code == 4
    assert "study 'study': 1 problem\n  space.label_smoothing: unknown setting" in refused.err
