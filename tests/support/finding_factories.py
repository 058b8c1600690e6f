"""Findings of a study made without a database."""

from dataclasses import fields
from typing import Any

from sweep.analysis.width_law import width_errors, width_law
from sweep.enums import StudyPhase
from sweep.findings.study import StudyFindings
from sweep.store.records import STATES, StudySummary
from tests.support.store_factories import trial_table


def study_summary(**columns: Any) -> StudySummary:
    """The study 'study', of which nothing is known but what ``columns`` say."""
    unknown = dict.fromkeys(field.name for field in fields(StudySummary))
    counts = {**dict.fromkeys(STATES, 0), **columns.pop("counts", {})}
    known = {"name": "study", "phase": StudyPhase.FINISHED, "objectives": ("val_mse",), "tags": ()}
    numbers = dict.fromkeys(("n_diverged", "n_invalid", "n_reused", "n_pending_commands"), 0)
    return StudySummary(**{**unknown, **known, **numbers, "counts": counts, **columns})


def findings(**parts: Any) -> StudyFindings:
    """What is said of a study where only ``parts`` are known."""
    nothing = {"verdict": None, "floors": None, "diagnoses": [], "ties": None}
    width = width_law(width_errors(trial_table()))
    return StudyFindings(**{"study": study_summary(), "width": width, **nothing, **parts})
