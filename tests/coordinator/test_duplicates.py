"""Configurations that were trained already."""

from collections import Counter
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sweep.coordinator import duplicates
from sweep.coordinator.duplicates import DuplicateFinder, Twin
from sweep.coordinator.requests import request_trial
from sweep.coordinator.running_trial import RunningTrial, searched_configuration
from sweep.enums import CommandKind
from sweep.messages import TrialSpec
from sweep.search.grid import index_of
from sweep.store import annotate
from sweep.store.handle import open_study
from sweep.store.optuna_rows import REUSED_FROM
from tests.support.coordinator_runs import (
    SAME,
    STUDY,
    THREE,
    TWO,
    die_at,
    go_on,
    post_at,
    run,
    states,
    study_file,
    trials,
)
from tests.support.fake_workers import FakeLauncher, FakeWorker, slowly
from tests.support.trainer_factories import make_spec

#: Two that are counted, drawn from a list or a range.
COUNTED = STUDY.replace("{low = 8, high = 1024, log = true}", "{choices = [8, 16]}")
COUNTED_RANGE = STUDY.replace("high = 1024", "high = 9")


class Counting:
    """Remembers what was trained."""

    def __init__(self) -> None:
        self.trained: list[int] = []

    def __call__(self, worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        slowly(worker, spec, epoch)
        if epoch == 1:
            self.trained.append(spec.number)


def make_finished(number: int, **params: Any) -> optuna.trial.FrozenTrial:
    distributions = {
        name: optuna.distributions.CategoricalDistribution([value])
        for name, value in params.items()
    }
    trial = optuna.trial.create_trial(params=params, distributions=distributions, value=0.5)
    trial.number = number
    return trial


# --- in memory ------------------------------------------------------------------------------


def make_finder(
    *trials: optuna.trial.FrozenTrial, invalid: frozenset[int] = frozenset()
) -> DuplicateFinder:
    found = DuplicateFinder()
    found.recount(trials, invalid)
    return found


def make_running(number: int, **params: Any) -> RunningTrial:
    return RunningTrial(spec=make_spec(number=number), configuration=searched_configuration(params))


def test_equal_settings_are_a_twin_whatever_their_order() -> None:
    known = make_finder(make_finished(3, width=8, loss="bce"))
    same, other = {"loss": "bce", "width": 8}, {"loss": "mse", "width": 8}
    assert known.find_twin(5, searched_configuration(same)) == Twin(3, finished=True)
    assert known.find_twin(6, searched_configuration(other)) is None


def test_the_seed_is_a_setting_like_any_other() -> None:
    known = make_finder(make_finished(3, width=8, seed=1))
    assert known.find_twin(5, searched_configuration({"width": 8, "seed": 2})) is None


def test_an_invalid_trial_lends_nothing_and_a_borrower_does_not_lend_on() -> None:
    borrowed = make_finished(4, width=8)
    borrowed.set_user_attr(REUSED_FROM, 3)
    known = make_finder(make_finished(3, width=8), borrowed, invalid=frozenset({3}))
    assert known.find_twin(5, searched_configuration({"width": 8})) is None


def test_who_waits_for_a_trial_in_training_is_given_back_at_its_end() -> None:
    known, trial = DuplicateFinder(), make_running(0, width=8)
    assert known.find_twin(0, trial.configuration) is None
    known.begin(trial)
    assert known.find_twin(1, trial.configuration) == Twin(0, finished=False)
    assert known.end(trial) == [1]
    assert known.end(trial) == []
    assert known.find_twin(1, trial.configuration) is None


# --- in a study -----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"options": THREE}])
def test_a_configuration_is_trained_once_and_the_budget_is_reached(
    engine, url: str, options: dict[str, Any]
) -> None:
    counting = Counting()
    assert run(engine, FakeLauncher(counting), study_file(TWO), **options) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12
    assert len(counting.trained) == 2
    assert open_study(engine, "x").summary().n_reused == 10


def test_what_is_reused_has_the_value_and_metrics_and_names_its_twin(engine, url: str) -> None:
    run(engine, file=study_file(TWO))
    rows = {row.number: row for row in open_study(engine, "x").trials()}
    reused = [row for row in rows.values() if row.reused_from is not None]
    assert len(reused) == 10
    for row in reused:
        twin = rows[row.reused_from]
        assert twin.reused_from is None
        assert (row.values, row.test_mse, row.config) == (twin.values, twin.test_mse, twin.config)
        assert (row.outcome, row.train_seconds, row.attempt) == ("reused", None, 0)
        assert trials(url)[row.number].user_attrs == {REUSED_FROM: twin.number}


def test_asked_for_duplicates_are_trained_again(engine, url: str) -> None:
    counting = Counting()
    file = study_file(TWO, "study.duplicates=train")
    run(engine, FakeLauncher(counting), file)
    assert counting.trained == list(range(12))
    assert (
        len({row.value for row in open_study(engine, "x").trials()}) == 12
    )  # each has its own seed


def test_a_sampler_that_proposes_nothing_new_neither_stalls_nor_overruns_the_study(
    engine, url: str
) -> None:
    # Far more in a row than the loop takes at once.
    counting = Counting()
    assert run(engine, FakeLauncher(counting), study_file(TWO, "budget.trials=200")) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 200
    assert len(counting.trained) == 2


@pytest.mark.parametrize("study", [COUNTED, COUNTED_RANGE])
@pytest.mark.parametrize("options", [{}, {"options": THREE}])
def test_a_study_whose_space_is_trained_out_ends_and_says_so(
    engine, url: str, options: dict[str, Any], study: str
) -> None:
    counting = Counting()
    file = study_file(study, "budget.trials=200")
    assert run(engine, FakeLauncher(counting), file, **options) == "finished"
    assert len(counting.trained) == 2
    assert len(states(url)) < 10, "one that is drawn again while the other is not yet may be reused"
    assert set(states(url)) == {TrialState.COMPLETE}
    ended = open_study(engine, "x").summary().ended_because
    assert ended is not None and ended.startswith("all 2 configurations of the space are trained")


def test_where_a_configuration_is_in_its_space_is_looked_up_once(engine, monkeypatch) -> None:
    # At every trial's end, and at every tick while the last ones train: of thousands, each time.
    looked_up = Counter[tuple[tuple[str, Any], ...]]()

    def count_configurations(nodes: Any, params: dict[str, Any]) -> int | None:
        looked_up[tuple(params.items())] += 1
        return index_of(nodes, params)

    monkeypatch.setattr(duplicates, "index_of", count_configurations)
    run(engine, FakeLauncher(slowly), study_file(COUNTED, "budget.trials=200"), options=THREE)
    assert set(looked_up.values()) == {1} and len(looked_up) == 2


def test_what_is_enqueued_in_a_space_that_is_trained_out_has_its_turn(engine, url: str) -> None:
    run(engine, file=study_file(COUNTED))
    n = len(states(url))
    request_trial(open_study(engine, "x"), {"hidden_width": 8})
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * (n + 1)
    assert open_study(engine, "x").trial(n).reused_from in range(n)


def test_a_configuration_that_came_to_nothing_or_is_invalid_is_one_that_is_left(
    engine, url: str
) -> None:
    def fail_once(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        slowly(worker, spec, epoch)
        if spec.number == 0:
            raise RuntimeError("a cosmic ray")

    assert run(engine, FakeLauncher(fail_once), study_file(COUNTED)) == "finished"
    assert states(url)[0] == TrialState.FAIL
    trained = {row.config["hidden_width"] for row in open_study(engine, "x").trials() if row.value}
    assert trained == {8, 16}
    number = next(i for i, state in enumerate(states(url)) if state == TrialState.COMPLETE)
    annotate.invalidate(engine, "x", number, "wrong disk")
    counting = Counting()
    assert go_on(engine, FakeLauncher(counting), trials=200) == "finished"
    assert len(counting.trained) == 1


def test_a_space_that_is_widened_has_something_left_to_train(engine, url: str) -> None:
    wide = STUDY.replace("{low = 8, high = 1024, log = true}", "{low = 8, high = 10}")
    run(engine, file=study_file(wide, "budget.trials=200"))
    n = len(states(url))
    other = study_file(wide.replace("high = 10", "high = 11"), "budget.trials=200")
    counting = Counting()
    assert go_on(engine, FakeLauncher(counting), study_file=other) == "finished"
    assert len(counting.trained) == 1 and counting.trained[0] >= n


def test_reuse_goes_over_resumes(engine, url: str) -> None:
    run(engine, file=study_file(TWO))
    counting = Counting()
    assert go_on(engine, FakeLauncher(counting), trials=20) == "finished"
    assert counting.trained == []
    assert open_study(engine, "x").summary().n_reused == 18


def test_when_the_twin_dies_in_training_both_come_to_their_end(engine, url: str) -> None:
    # The one waits for the other, whose worker dies: neither may wait for ever.
    file = study_file(TWO, SAME, "budget.trials=4")
    run(engine, FakeLauncher(die_at(0)), file, options=THREE)
    assert states(url) == [TrialState.COMPLETE] * 4
    assert open_study(engine, "x").summary().n_reused == 3


def test_when_nothing_comes_of_the_twin_the_other_is_trained(engine, url: str) -> None:
    from sweep.trainer.training import Diverged

    def diverge(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        slowly(worker, spec, epoch)
        if spec.number == 0:
            raise Diverged(epoch, "training loss became nan in epoch 1")

    file = study_file(TWO, SAME, "budget.trials=3")
    run(engine, FakeLauncher(diverge), file, options=THREE)
    assert states(url) == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert [row.reused_from for row in open_study(engine, "x").trials()] == [None, None, 1]


def test_a_stop_leaves_nobody_waiting_for_ever(engine, url: str) -> None:
    file = study_file(TWO, "space.epochs=30")
    observer = post_at(engine, 0, CommandKind.STOP)
    assert run(engine, FakeLauncher(slowly), file, observer=observer) == "stopped"
    assert TrialState.RUNNING not in states(url)
    assert go_on(engine) == "finished"
    assert states(url) == [TrialState.COMPLETE] * 12


def test_marking_a_trial_marks_what_was_reused_from_it(engine) -> None:
    run(engine, file=study_file(TWO))
    number = next(row.reused_from for row in open_study(engine, "x").trials() if row.reused_from)
    annotate.invalidate(engine, "x", number, "wrong disk")
    of = [
        row for row in open_study(engine, "x").trials() if number in (row.number, row.reused_from)
    ]
    assert len(of) > 1 and all(row.invalid for row in of)
    annotate.validate(engine, "x", number)
    assert open_study(engine, "x").summary().n_invalid == 0
