"""Trials as columns: Optuna's split of them, whatever became of them meanwhile."""

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import FrozenTrial, TrialState

from sweep.search.tpe.history import TrialHistory
from sweep.store.recording import RecordingStorage

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0, 1),
    "c": CategoricalDistribution(["a", "b", "c"]),
}
#: Ties and infinities among them, as studies have them.
VALUES = [0.5, 0.5, 1.0, 2.0, -np.inf, np.inf]
SHOWN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


def study_of_all_kinds(seed: int, n_objectives: int = 1, n: int = 60) -> optuna.Study:
    """Trials in every state, with any parameters and reports."""
    rng = np.random.default_rng(seed)
    study = optuna.create_study(directions=["minimize"] * n_objectives)
    for _ in range(n):
        trial = study.ask({k: d for k, d in SPACE.items() if rng.random() < 0.8})
        if n_objectives == 1:
            for step in range(rng.integers(3)):
                trial.report([*VALUES, np.nan][rng.integers(7)], step)
        if rng.random() < 0.6:
            study.tell(trial, [VALUES[rng.integers(4)] for _ in range(n_objectives)])
        elif rng.random() < 0.7:
            study.tell(trial, state=[TrialState.PRUNED, TrialState.FAIL][rng.integers(2)])
    return study


def history_of(study: optuna.Study) -> TrialHistory:
    history = TrialHistory(SPACE)
    history.update(study.get_trials(deepcopy=False))
    return history


def numbers(trials: list[FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


@pytest.mark.parametrize("n_objectives", [1, 2])
@pytest.mark.parametrize("n_below", [0, 3, 30, 55])
def test_trials_are_split_as_optuna_splits_them(n_below: int, n_objectives: int) -> None:
    for seed in range(5):
        study = study_of_all_kinds(seed, n_objectives)
        shown = study.get_trials(deepcopy=False, states=SHOWN)
        running = [trial.number for trial in shown if trial.state == TrialState.RUNNING]
        asking = running[-1]
        others = [trial for trial in shown if trial.number != asking]
        below, above = history_of(study).split(study, n_below, asking)
        expected = _split_trials(study, others, n_below)
        assert (below.tolist(), above.tolist()) == tuple(map(numbers, expected))


@pytest.mark.parametrize("n_objectives", [1, 2])
def test_trials_of_other_studies_are_split_as_if_they_were_the_first_of_this_one(
    n_objectives: int,
) -> None:
    study = study_of_all_kinds(3, n_objectives)
    trials = study.get_trials(deepcopy=False)
    (*_, asking) = (t.number for t in trials if t.state == TrialState.RUNNING)
    older = [t for t in study.get_trials(deepcopy=True)[:30] if t.state.is_finished()]
    for row, trial in enumerate(older):
        trial.number = row - len(older)
    both = optuna.create_study(directions=["minimize"] * n_objectives)
    for trial in [*older, *trials]:
        both.add_trial(trial)
    together = history_of(both)
    apart = TrialHistory(SPACE, older)
    apart.update(trials)
    assert apart.n_finished() == together.n_finished()
    expected = together.split(both, 9, asking + len(older))
    for rows, same in zip(apart.split(study, 9, asking), expected, strict=True):
        assert rows.tolist() == same.tolist()
        found = apart.observations(rows, ["x", "c"])
        assert found.tolist() == together.observations(same, ["x", "c"]).tolist()


def test_a_history_kept_up_to_date_is_as_good_as_a_new_one() -> None:
    study = study_of_all_kinds(0, n=5)
    history = history_of(study)
    for trial in study_of_all_kinds(1, n=40).get_trials(deepcopy=False):
        study.add_trial(trial)
        history.update(study.get_trials(deepcopy=False))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, 0.1)
    history.update(study.get_trials(deepcopy=False))
    new = history_of(study)
    assert history.n_finished() == new.n_finished()
    for mine, theirs in zip(history.split(study, 9, -1), new.split(study, 9, -1), strict=True):
        assert mine.tolist() == theirs.tolist()
        observed = history.observations(mine, ["x", "c"])
        assert observed.tolist() == new.observations(theirs, ["x", "c"]).tolist()


def test_observations_are_of_trials_that_have_all_the_parameters() -> None:
    study = optuna.create_study()
    study.tell(study.ask({"x": SPACE["x"]}), 1)
    whole = study.ask(SPACE)
    study.tell(whole, 2)
    history = history_of(study)
    both = np.array([0, 1])
    (row,) = history.observations(both, ["x", "c"]).tolist()
    assert row == [whole.params["x"], ["a", "b", "c"].index(whole.params["c"])]
    assert len(history.observations(both, ["x"])) == 2


def test_a_trial_marked_invalid_is_left_out_until_the_mark_is_taken_back() -> None:
    storage = RecordingStorage()
    study = optuna.create_study(storage=storage)
    for value in (3, 1, 2):
        study.tell(study.ask(SPACE), value)
    history = history_of(study)
    best = []
    for invalid in (frozenset[int](), frozenset([1]), frozenset[int]()):
        storage.hide(invalid)
        history.update(study.get_trials(deepcopy=False))
        best.append((history.n_finished(), *history.split(study, 1, -1)[0].tolist()))
    assert best == [(3, 1), (2, 2), (3, 1)]
