"""Convert studies and trials for ``--json`` and exports, with Optuna's terms as keys."""

from dataclasses import fields
from typing import Any

from sweep.store.records import StudySummary, TrialRow


def trial_json(row: TrialRow) -> dict[str, Any]:
    """Convert one trial, flat where Optuna is flat."""
    facts = {field.name: getattr(row, field.name) for field in fields(TrialRow)}
    return {**facts, "value": row.value, **row.metrics}


def study_json(study: StudySummary) -> dict[str, Any]:
    """Convert one study with its counts."""
    facts = {field.name: getattr(study, field.name) for field in fields(study)}
    del facts["study_id"]
    named = {"study_name": facts.pop("name"), "states": facts.pop("counts")}
    computed = {name: getattr(study, name) for name in ("running", "n_finished", "n_failed")}
    return {**named, **facts, **computed}
