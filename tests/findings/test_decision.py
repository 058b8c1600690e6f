"""Which trial of a study to take."""

from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.study_ties import study_ties
from sweep.config import TrialConfig
from sweep.findings.decision import Decision, gather_decision
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_leases
from tests.support.finding_factories import floors
from tests.support.store_factories import (
    EPOCH,
    add_rows,
    add_seed_errors,
    add_study,
    add_trial,
    lease_row,
    sqlite_store,
)

TIES_RUN = "`sweep ties study --run` retrains the best with new seeds."
LIMIT = "Under another limit: `sweep best study --where 'n_parameters<50000'`."


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def add_trained(
    engine: Engine, *trials: tuple[int, float], n_seeds: int = 1, **columns: Any
) -> None:
    """A study with trials of these widths and errors, each seed within 1 % of them."""
    study_id = add_study(engine)
    for number, (width, error) in enumerate(trials):
        config = TrialConfig(hidden_width=width)
        trial_id = add_trial(engine, study_id, number, error, config=config, **columns)
        spread = [1 + 0.01 * (2 * place / n_seeds - 1) for place in range(n_seeds)]
        add_seed_errors(engine, trial_id, [error * of for of in spread])


def decide(engine: Engine, mean_image: float | None = None) -> Decision | None:
    study = open_study(engine, "study")
    known = None if mean_image is None else floors(*[mean_image] * 785)
    return gather_decision(study, study.summary(), study.table(), study_ties(study), known)


def require_decision(engine: Engine) -> Decision:
    decision = decide(engine)
    assert decision is not None
    return decision


def roles(decision: Decision) -> dict[int, str]:
    return {of.trial.number: of.role for of in decision.alternatives}


def test_nothing_is_decided_before_a_trial_counts(engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0, 0.1, invalid=True)
    assert decide(engine) is None


def test_without_seeds_the_best_is_taken_and_what_would_tell_is_said(engine: Engine) -> None:
    add_trained(engine, (512, 0.0118), (492, 0.0137))
    decision = require_decision(engine)
    assert decision.take == 0
    assert decision.sentence == (
        "Take trial 0: 512 relu · bce · adam · 5 epochs, validation error 0.01180, the lowest."
    )
    assert decision.notes == [
        "Weights of these trials are not kept. `sweep model study 0 --train` trains trial 0 again "
        "and writes its weights.",
        TIES_RUN,
        LIMIT,
    ]


def test_of_those_that_tie_the_smallest_is_taken(engine: Engine) -> None:
    add_trained(engine, (512, 0.1), (394, 0.1001), (8, 0.2), n_seeds=3)
    decision = require_decision(engine)
    assert decision.take == 1
    assert decision.sentence == (
        "Take trial 1: 394 relu · bce · adam · 5 epochs, validation error 0.1001. It ties with the "
        "best, trial 0, over 3 seeds and has 23 % fewer parameters."
    )
    assert roles(decision) == {1: "take", 0: "best", 2: "at most a tenth of the parameters"}


def test_the_best_is_taken_where_it_is_the_smallest_that_ties(engine: Engine) -> None:
    add_trained(engine, (64, 0.1), (128, 0.1001), n_seeds=3)
    assert require_decision(engine).sentence.endswith(
        "It is the best; of the 2 that tie over 3 seeds no smaller one comes within 10 % of its "
        "error."
    )


def test_where_none_ties_no_more_seeds_are_asked_for(engine: Engine) -> None:
    add_trained(engine, (64, 0.1), (8, 0.2), (4, 0.4), n_seeds=3)
    decision = require_decision(engine)
    assert decision.sentence.endswith(
        "It is the best; none of 2 others compared ties with it over 3 seeds."
    )
    assert TIES_RUN not in decision.notes


def test_ties_from_before_a_better_trial_decide_nothing(engine: Engine) -> None:
    add_trained(engine, (512, 0.1), (394, 0.1001), n_seeds=3)
    stale = study_ties(open_study(engine, "study"))
    study_id = open_study(engine, "study").key.study_id
    add_trial(engine, study_id, 2, 0.09, config=TrialConfig(hidden_width=600))
    study = open_study(engine, "study")
    decision = gather_decision(study, study.summary(), study.table(), stale, None)
    assert decision is not None and decision.take == 2
    assert decision.sentence.endswith(", the lowest.")


def test_each_smaller_trial_stands_under_its_tightest_limit(engine: Engine) -> None:
    add_trained(engine, (512, 0.1), (250, 0.2), (100, 0.3), (10, 0.25), (9, 0.5))
    assert roles(require_decision(engine)) == {
        0: "take",
        1: "at most half the parameters",
        3: "at most a tenth of the parameters",
    }


def test_weights_are_named_where_they_are(engine: Engine) -> None:
    add_trained(engine, (512, 0.1), artifact_id="a")
    decision = require_decision(engine)
    assert decision.notes == [
        "`sweep model study 0` writes its weights and a program that loads them."
    ]
    assert decision.to_json()["alternatives"][0]["weights"] is True


def test_of_a_best_without_weights_the_next_that_has_them_is_named(engine: Engine) -> None:
    add_trained(engine, (512, 0.1))
    smaller = TrialConfig(hidden_width=64)
    study_id = open_study(engine, "study").key.study_id
    add_trial(engine, study_id, 1, 0.2, config=smaller, artifact_id="a")
    assert require_decision(engine).notes[0] == (
        "The weights of trial 0 are not kept; `sweep model study 1` writes those of trial 1. "
        "`sweep model study 0 --train` trains trial 0 again and writes its weights."
    )


def test_what_is_no_better_than_the_mean_image_is_not_taken(engine: Engine) -> None:
    add_trained(engine, (8, 0.1))
    none = decide(engine, mean_image=0.09)
    assert none is not None and none.take is None
    assert none.sentence.startswith("Take none")
    some = decide(engine, mean_image=0.11)
    assert some is not None and some.take == 0


def test_while_a_study_runs_it_is_the_best_so_far(engine: Engine) -> None:
    add_trained(engine, (8, 0.1), (16, 0.2))
    study_id = open_study(engine, "study").key.study_id
    add_rows(engine, sweep_leases, lease_row(study_id, expires_at=EPOCH + 10**10))
    sentence = require_decision(engine).sentence
    assert sentence.startswith("So far, take trial 0")
    assert sentence.endswith(", the lowest so far.")


def test_with_several_objectives_the_ends_of_the_front_are_told(engine: Engine) -> None:
    study_id = add_study(engine, objectives=("val_mse", "train_seconds"))
    for number, values in enumerate([(0.1, 9.0), (0.2, 5.0), (0.3, 1.0), (0.4, 8.0)]):
        add_trial(engine, study_id, number, values)
    decision = require_decision(engine)
    assert decision.take is None
    assert decision.sentence == (
        "No one trial is best in validation error and training time: of the 3 trials of the "
        "Pareto set, take the one whose trade-off suits."
    )
    assert roles(decision) == {0: "lowest validation error", 2: "lowest training time"}
    assert [of.title for of in decision.table.columns][1:4] == [
        *("Trial", "Validation error", "Training (s)")
    ]


def test_a_trial_that_is_best_in_every_objective_is_taken(engine: Engine) -> None:
    study_id = add_study(engine, objectives=("val_mse", "train_seconds"))
    for number, values in enumerate([(0.1, 1.0), (0.2, 5.0)]):
        add_trial(engine, study_id, number, values)
    assert require_decision(engine).take == 0
    assert require_decision(engine).sentence.startswith("Take trial 0: no other is better")


def test_ties_with_a_trial_that_was_marked_invalid_since_decide_nothing(engine: Engine) -> None:
    add_trained(engine, (512, 0.1), (394, 0.1001), n_seeds=3)
    stale = study_ties(open_study(engine, "study"))
    annotate.invalidate(engine, "study", 1, "wrong data")
    study = open_study(engine, "study")
    decision = gather_decision(study, study.summary(), study.table(), stale, None)
    assert decision is not None and decision.take == 0
