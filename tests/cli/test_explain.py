"""explain: the plan without --run, the paths with it, and what cannot be explained."""

import math
from typing import Any

import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.store.annotate import delete_study
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_leases
from tests.support.cli_runner import Cli, interrupted_at_once
from tests.support.fake_workers import DATA_SHA256, pretend_local_workers
from tests.support.store_factories import (
    EPOCH,
    add_explanation,
    add_rows,
    add_study,
    add_trial,
    lease_row,
)

FILE = """
study.name = "x"
space.hidden_width = {low = 8, high = 1024, log = true}
space.epochs = {low = 1, high = 9}
space.activation.choices = ["relu", "gelu"]
budget.trials = 3
"""
#: Pretended errors are 1 / width + 0.1 / epochs: width helps most, activation not at all.
TARGET = TrialConfig(hidden_width=64, epochs=4, activation=Activation.GELU)
#: Of a study that was trained on what the pretended workers train on.
DATA = {"data_sha256": DATA_SHA256}
BETWEEN = ("explain", "x", "--path", "--from", 0, "--to", 1)
RUN = (*BETWEEN, "--run", "--gpus", "cpu", "--workers", 1)


@pytest.fixture(autouse=True)
def _pretended_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_local_workers(monkeypatch)


@pytest.fixture(autouse=True)
def _a_study(store: Engine) -> None:
    _make_study(store)


def _make_study(store: Engine, **columns: Any) -> None:
    study_id = add_study(store, "x", study_file=FILE, **{"provenance": DATA, **columns})
    baseline = TrialConfig(hidden_width=8, epochs=1)
    add_trial(store, study_id, 0, 0.2, config=baseline, train_seconds=2.0)
    add_trial(store, study_id, 1, 0.1, config=TARGET, train_seconds=8.0)


def test_without_run_it_tells_what_differs_and_what_training_it_takes(cli: Cli) -> None:
    answer = cli(*BETWEEN, "--seeds", 2)
    assert "hidden width 8 → 64" in answer.out
    assert "Missing: 8 configurations now, 8 at most" in answer.out
    # Without the ends it would train what lies between two others.
    assert "`sweep explain x --path --from 0 --to 1 --seeds 2 --run` trains them" in answer.out
    # No coordinator has run the study, so its pace is not known.
    assert "2 seeds each. `sweep" in answer.out
    assert "in study 'x-explain'" in answer.out
    assert [of["study_name"] for of in cli("list", "--json").json] == ["x"]


def test_time_is_told_by_the_clock_at_the_pace_of_the_study(cli: Cli, store: Engine) -> None:
    delete_study(store, "x")
    _make_study(store, provenance={**DATA, "images": {"height": 28, "width": 28, "channels": 1}})
    # Ten seconds of training took five by the clock: two trials trained at the same time.
    study_id = open_study(store, "x").key.study_id
    add_rows(store, sweep_leases, lease_row(study_id, EPOCH, held_seconds=5.0))
    answer = cli(*BETWEEN, "--seeds", 2)
    # Four configurations with 1 epoch and four with 4, two seeds, 2 s an epoch, at half of that.
    assert "(about 40 s now, 40 s at most, at the pace of study 'x')" in answer.out


def test_with_run_both_paths_are_whole(cli: Cli) -> None:
    answer = cli(*RUN)
    assert answer.code == 0
    assert "Where the error goes, change by change" in answer.out
    assert "give this whole order." in answer.out
    assert "hidden width 64 → 8" in answer.out  # the way back
    assert "Missing" not in answer.out
    found = cli(*BETWEEN, "--json").json
    forward, reverse = found["tables"].values()
    changes = [step["change"] for step in forward[:2]]
    assert changes == ["hidden width 8 → 64", "epochs 1 → 4"]
    for steps in (forward, reverse):
        assert [len(step["seed_errors"]) for step in steps] == [3] * len(steps)
        product = math.prod(step["effect"] for step in steps)
        assert product == pytest.approx(found["effect"]["estimate"])
        assert sum(step["share"] for step in steps) == pytest.approx(1)
    assert (found["n_missing"], found["explained_in"]) == (0, "x-explain")


def test_an_interrupted_run_is_code_130_and_says_how_to_go_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with interrupted_at_once(monkeypatch):
        answer = cli(*RUN)
    assert answer.code == 130
    assert "`sweep explain x --path --from 0 --to 1 --seeds 3 --run`" in answer.err
    assert "Missing" not in cli("explain", "x", "--run", "--gpus", "cpu", "--workers", 1).out


def test_an_explanation_of_an_earlier_study_of_that_name_is_told_and_ignored(
    cli: Cli, store: Engine
) -> None:
    ends = (TrialConfig(hidden_width=8, epochs=1), TARGET)
    add_explanation(store, "x", *ends, {ends[0]: (0.2, 0.2, 0.2)})
    assert "ignored" not in cli(*BETWEEN).err
    delete_study(store, "x")
    _make_study(store, created_at=EPOCH + 1)
    answer = cli(*BETWEEN)
    assert "Study 'x-explain' explains another study that was named 'x'" in answer.err
    assert "in study 'x-explain-2'" in answer.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("y",), 3, "no study 'y'"),
        (("x", "--to", "7"), 3, "its trials are 0 to 1"),
        (("x", "--from", "1", "--to", "1"), 2, "nothing to explain"),
        (("x", "--factorial", "--path"), 2, "--factorial and --path are two methods"),
        (("x", "--run", "--workers", "1", "--gpus", "0"), 2, "--workers"),
    ],
)
def test_what_cannot_be_explained_is_said(
    cli: Cli, arguments: tuple[str, ...], code: int, said: str
) -> None:
    answer = cli("explain", *arguments)
    assert answer.code == code
    assert said in answer.err


def test_few_causes_are_explained_by_every_combination(cli: Cli) -> None:
    shown = cli("explain", "x", "--from", 0, "--to", 1).out
    assert "Missing: 8 of 8 combinations, 3 seeds each" in shown
    answer = cli("explain", "x", "--from", 0, "--to", 1, "--run", "--gpus", "cpu", "--workers", 1)
    assert answer.code == 0
    assert "Every combination of the causes" in answer.out
    assert "By what each cause divides the error" in answer.out
    assert "(Shapley value) is that of hidden width 8 → 64, " in answer.out
    assert "Missing" not in answer.out
    found = cli("explain", "x", "--factorial", "--from", 0, "--to", 1, "--json").json
    assert (found["method"], found["explained_in"]) == ("factorial", "x-explain")
    cells, causes = found["tables"].values()
    assert [len(cell["val_mse_of_seeds"]) for cell in cells] == [3] * 8
    product = math.prod(of["shapley"] for of in causes)
    assert product == pytest.approx(found["effect"]["estimate"])
