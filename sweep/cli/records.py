"""Convert studies and trials for ``--json`` and exports, with Optuna's terms as keys."""

from typing import Any

from sweep.store.records import StudySummary, TrialRow


def trial_json(row: TrialRow) -> dict[str, Any]:
    """Convert one trial, flat where Optuna is flat."""
    return {
        "number": row.number,
        "state": row.state,
        "value": row.value,
        "values": list(row.values),
        "params": dict(row.params),
        **row.metrics,
        "per_class_mse": row.per_class_mse,
        "config": dict(row.config),
        "seeds": row.seeds,
        "outcome": row.outcome,
        "reason": row.reason,
        "attempt": row.attempt,
        "worker": row.worker,
        "datetime_start": row.datetime_start,
        "datetime_complete": row.datetime_complete,
        "invalid": row.invalid,
        "invalid_reason": row.invalid_reason,
        "reused_from": row.reused_from,
        "tags": row.tags,
        "note": row.note,
    }


def study_json(study: StudySummary) -> dict[str, Any]:
    """Convert one study with its counts."""
    return {
        "study_name": study.name,
        "description": study.description,
        "phase": study.phase,
        "ended_because": study.ended_because,
        "running": study.running,
        "dataset": study.dataset,
        "objectives": study.objectives,
        "n_trials": study.n_trials,
        "n_finished": study.n_finished,
        "states": dict(study.counts),
        "n_failed": study.n_failed,
        "n_diverged": study.n_diverged,
        "n_invalid": study.n_invalid,
        "n_reused": study.n_reused,
        "best_value": study.best_value,
        "best_number": study.best_number,
        "trials_per_second": study.trials_per_second,
        "n_pending_commands": study.n_pending_commands,
        "tags": study.tags,
        "note": study.note,
        "held_by": study.held_by,
        "created_at": study.created_at,
        "updated_at": study.updated_at,
    }
