"""ties: the best configurations beside the best."""

import pytest

from sweep.config import TrialConfig
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.cli_runner import Cli, interrupted_at_once
from tests.support.fake_workers import DATA_SHA256, pretend_local_workers
from tests.support.store_factories import add_explanation, add_seed_errors, add_study, add_trial

FILE = """
study.name = "x"
space.hidden_width = {low = 8, high = 1024, log = true}
budget.trials = 3
"""
RUN = ("ties", "x", "--run", "--gpus", "cpu", "--workers", 1)


def add(store: Engine) -> None:
    """Widths 64 and 32 that tie, and 8 that is worse; trial 3 is trial 0 again."""
    provenance = {"data_sha256": DATA_SHA256}
    study_id = add_study(store, "x", study_file=FILE, provenance=provenance)
    means = [(64, 0.0100), (32, 0.0101), (8, 0.0500), (64, 0.0100)]
    for number, (width, mean) in enumerate(means):
        config = TrialConfig(hidden_width=width)
        costs = {"n_parameters": 1_569 * width + 784, "train_seconds": float(width)}
        trial_id = add_trial(store, study_id, number, mean, config=config, **costs)
        add_seed_errors(store, trial_id, [mean * part for part in (0.97, 1.0, 1.03)])


def test_those_that_tie_are_told_with_the_smallest_of_them(cli: Cli, store: Engine) -> None:
    add(store)
    found = cli("ties", "x", "--json").json
    assert [(of["number"], of["n_seeds"], of["tied"]) for of in found["compared"]] == [
        (0, 3, True),  # a seed counts once, though two trials have it
        (1, 3, True),
        (2, 3, False),
    ]
    assert (found["smallest"], found["cheapest"]) == (1, 1)
    assert found["retrained_in"] is None
    told = cli("ties", "x").out
    assert "yes, smallest, cheapest to train" in told
    assert "1 % more error than the best, which may be chance with 3 seeds" in told
    assert "over the study's own seeds;" in told
    assert "`sweep ties x --run` retrains the best" in told


def test_a_study_of_single_seeds_is_told_what_would_do(cli: Cli, study: int) -> None:
    told = cli("ties", "study").out
    assert "study.repeat = 3" in told and "`sweep ties study --run`" in told


@pytest.fixture
def _workers(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_local_workers(monkeypatch)


@pytest.mark.usefixtures("_workers")
def test_what_was_trained_again_is_told_from_then_on(cli: Cli, store: Engine) -> None:
    add(store)
    answer = cli(*RUN, "--top", 2, "--seeds", 4)
    assert answer.code == 0
    assert "over new seeds, with which study x-ties retrained them;" in answer.out
    found = cli("ties", "x", "--json").json
    assert [(of["number"], of["n_seeds"]) for of in found["compared"]] == [(0, 4), (1, 4)]
    assert (found["retrained_in"], found["left_out"]) == ("x-ties", [])
    assert "over the study's own seeds" in cli("ties", "x", "-n", 10).out
    assert "--run" not in cli("ties", "x-ties").out  # which is not offered there
    assert "no longer" not in answer.out
    better = TrialConfig(hidden_width=128)
    add_trial(store, open_study(store, "x").summary().study_id, 4, 0.001, config=better)
    told = cli("ties", "x").out
    assert "no longer the study's 2 best: `sweep ties x --run --top 2` trains those" in told
    assert "which retrained its best" in cli("delete", "x", "--yes").err


@pytest.mark.usefixtures("_workers")
def test_an_interrupted_run_is_code_130_and_says_how_to_go_on(
    cli: Cli, store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store)
    with interrupted_at_once(monkeypatch):
        answer = cli(*RUN)
    assert answer.code == 130
    assert "`sweep ties x --run --top 3 --seeds 5`" in answer.err
    assert "over the study's own seeds" in cli("ties", "x").out
    assert "study x-ties retrained them" in cli(*RUN).out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("y", "--run"), 3, "no study 'y'"),
        (("x", "--run", "--top", 1), 2, "--top"),
        (("x", "--run", "--seeds", 2), 2, "--seeds"),
        (("x", "--run", "-n", 5), 2, "use --top"),
        (("x", "--top", 5), 2, "need --run"),
        (("x", "--seeds", 5), 2, "need --run"),
        (("x-explain", "--run"), 2, "`sweep ties x --run`"),
        (("empty", "--run"), 2, "no configuration that was trained to its end"),
    ],
)
def test_what_cannot_be_trained_again_is_said(
    cli: Cli, store: Engine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    add(store)
    add_study(store, "empty")
    baseline = TrialConfig()
    add_explanation(store, "x", baseline, TrialConfig(epochs=9), {baseline: (0.1,)})
    answer = cli("ties", *arguments)
    assert answer.code == code
    assert said in answer.err
