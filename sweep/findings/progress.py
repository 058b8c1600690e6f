"""How far a study is: counts of its trials, the time left, the trainers in use."""

from collections.abc import Mapping, Sequence

from sweep.catalogue.formats import count
from sweep.store.records import StudySummary, WorkerRow
from sweep.store.training_record import trainers_used


def trial_counts(study: StudySummary) -> Mapping[str, int]:
    """Count trials by how they ended; those marked invalid count twice."""
    return {
        "complete": study.counts["COMPLETE"] - study.n_reused,
        "reused": study.n_reused,
        "pruned": study.counts["PRUNED"],
        "diverged": study.n_diverged,
        "failed": study.n_failed,
        "running": study.counts["RUNNING"],
        "waiting": study.counts["WAITING"],
        "marked invalid": study.n_invalid,
    }


def tally(counts: Mapping[str, int]) -> str:
    """List counts that are not 0: ``20 complete, 3 pruned, 1 diverged``."""
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.items() if n)


def seconds_left(study: StudySummary) -> float | None:
    """Time until the last trial at the pace of the last minute; None where that is not known."""
    if not study.running or study.n_trials is None or not study.trials_per_second:
        return None
    return max(0, study.n_trials - study.n_finished) / study.trials_per_second


def trainers(workers: Sequence[WorkerRow]) -> str:
    """List the trainers that trials were trained with: ``fused (37 trials)``."""
    return ", ".join(f"{of} ({count(n, 'trial')})" for of, n in trainers_used(workers).items())
