"""The tie set of a study: its best configurations, with every seed that they were trained with."""

from collections.abc import Mapping
from typing import Any

from sweep.analysis.ties import Candidate, TieSet, tie_set
from sweep.store import read
from sweep.store.engine import Engine
from sweep.store.records import TrialDetail

N_COMPARED = 10


def study_ties(engine: Engine, name: str, n_best: int = N_COMPARED) -> TieSet | None:
    """Of the ``n_best`` best trials; those of one configuration are one candidate."""
    by_configuration: dict[str, list[TrialDetail]] = {}
    for row in read.best(engine, name, n_best):
        by_configuration.setdefault(_key(row.config), []).append(
            read.trial(engine, name, row.number)
        )
    return tie_set([_candidate(trials) for trials in by_configuration.values()])


def _key(config: Mapping[str, Any]) -> str:
    return repr(sorted(config.items()))


def _candidate(trials: list[TrialDetail]) -> Candidate:
    """A seed counts once: a reused trial has its twin's results again."""
    by_seed = {
        result.seed: result.val_mse
        for trial in trials
        for result in trial.results
        if result.val_mse is not None
    }
    seconds = [trial.train_seconds for trial in trials if trial.train_seconds is not None]
    return Candidate(
        number=trials[0].number,
        errors=tuple(by_seed.values()),
        n_parameters=trials[0].n_parameters,
        train_seconds=sum(seconds) / len(seconds) if seconds else None,
    )
