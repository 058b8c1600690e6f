"""Build the tie set of a study: its best configurations, with all seeds they were trained with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweep.analysis.explanation import in_use
from sweep.analysis.ties import Candidate, TieSet, tie_set
from sweep.config import TrialConfig, typed_config
from sweep.store.derived_studies import DerivedKind, Retrained
from sweep.store.handle import StudyHandle, open_study
from sweep.store.records import SeedResult, TrialRow

N_COMPARED = 10
_ENDED = ("COMPLETE", "PRUNED", "FAIL")


def study_ties(study: StudyHandle) -> TieSet | None:
    """Compare the best configurations by their retraining, or else with the study's own seeds."""
    return retrained_ties(study) or own_ties(study)


def own_ties(study: StudyHandle, n_best: int = N_COMPARED) -> TieSet | None:
    """Compare the ``n_best`` best trials; trials of one configuration are one candidate."""
    best = study.best(n_best)
    results = study.seed_results([row.number for row in best])
    return tie_set([_candidate(rows, results) for rows in _by_configuration(best).values()])


def retrained_ties(study: StudyHandle) -> TieSet | None:
    """Compare the configurations that were retrained last, numbered as in this study.

    None if no study has retrained them to its end.
    """
    begun = [(open_study(study.engine, child), of) for child, of in study.retrainings().items()]
    whole = [(child, of) for child, of in begun if is_whole(child, of)]
    return ties_in(*whole[-1]) if whole else None


def is_whole(child: StudyHandle, of: Retrained) -> bool:
    """Return whether every configuration was retrained, or failed."""
    rows = child.trials(numbers=range(len(of.numbers)))
    return len(rows) == len(of.numbers) and all(row.state in _ENDED for row in rows)


def ties_in(child: StudyHandle, of: Retrained) -> TieSet | None:
    """Compare what a study retrained, numbered as in the study that found it."""
    rows = child.trials(numbers=range(len(of.numbers)), include_invalid=False)
    complete = [row for row in rows if row.state == "COMPLETE"]
    results = child.seed_results([row.number for row in complete])
    candidates = [
        replace(_candidate([row], results), number=of.numbers[row.number]) for row in complete
    ]
    found = tie_set(candidates)
    if found is None:
        return None
    compared = {tied.candidate.number for tied in found.compared}
    left_out = tuple(number for number in of.numbers if number not in compared)
    return replace(found, retrained_in=child.name, left_out=left_out)


def ignored_ties(study: StudyHandle) -> list[str]:
    """List studies that appear to retrain this one's best, but don't: a sentence each."""
    return [stranger.sentence for stranger in study.mismatched_studies(DerivedKind.RETRAINS)]


def best_numbers(study: StudyHandle, n: int) -> list[int]:
    """Return the best trial of each of the ``n`` best configurations at most."""
    n_read = 2 * n
    while True:
        rows = study.best(n_read)
        found = [trials[0].number for trials in _by_configuration(rows).values()]
        if len(found) >= n or len(rows) < n_read:
            return found[:n]
        n_read *= 4  # many trials of few configurations


def _by_configuration(rows: Sequence[TrialRow]) -> dict[TrialConfig, list[TrialRow]]:
    """Group trials by configuration; settings that are not in use are ignored."""
    found: dict[TrialConfig, list[TrialRow]] = {}
    for row in rows:
        try:
            config = in_use(typed_config(row.config))
        except ValueError:  # not a setting of ours, so somebody else wrote it
            continue
        found.setdefault(config, []).append(row)
    return found


def _candidate(
    trials: Sequence[TrialRow], results: Mapping[int, Sequence[SeedResult]]
) -> Candidate:
    """Collect a configuration's errors; a seed counts once, because a reused trial repeats them."""
    by_seed = {
        result.seed: result.val_mse
        for trial in trials
        for result in results[trial.number]
        if result.val_mse is not None
    }
    seconds = [trial.train_seconds for trial in trials if trial.train_seconds is not None]
    return Candidate(
        number=trials[0].number,
        errors=tuple(by_seed.values()),
        n_parameters=trials[0].n_parameters,
        train_seconds=sum(seconds) / len(seconds) if seconds else None,
    )
