"""Findings of a study made without a database."""

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from sweep.analysis.explanation import explain
from sweep.analysis.floors import ClippedErrors, Floors
from sweep.analysis.study_explanation import StudyExplanation
from sweep.analysis.width_law import width_errors, width_law
from sweep.config import TrialConfig
from sweep.enums import StudyPhase
from sweep.findings.study import StudyFindings
from sweep.store.derived_studies import Explained
from sweep.store.records import STATES, StudySummary
from tests.support.store_factories import EPOCH, trial_table


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


def floors(*test_pca_mse: float) -> Floors:
    return Floors(
        data_key="data",
        train_pca_mse=test_pca_mse,
        val_pca_mse=test_pca_mse,
        test_pca_mse=test_pca_mse,
        train_entropy=0.2,
        val_entropy=0.2,
        test_entropy=0.2,
    )


BASELINE = TrialConfig()


TARGET = replace(BASELINE, epochs=50, hidden_width=1024)


#: More epochs make 4 times less error, more width 1.25 times more.
ERRORS = {
    BASELINE: (0.08, 0.08),
    replace(BASELINE, epochs=50): (0.02, 0.02),
    replace(BASELINE, hidden_width=1024): (0.1, 0.1),
    TARGET: (0.025, 0.025),
}


def make_explanation(n: int = len(ERRORS), n_seeds: int = 2) -> StudyExplanation:
    """By the first so many of the configurations."""
    errors: dict[TrialConfig, Sequence[float]] = {
        config: of[:n_seeds] for config, of in list(ERRORS.items())[:n]
    }
    ends = Explained(
        study="x",
        study_created_at=EPOCH,
        from_number=None,
        from_baseline=True,
        to_number=7,
        baseline=asdict(BASELINE),
        target=asdict(TARGET),
    )
    found = explain(BASELINE, TARGET, errors)
    return StudyExplanation(child="x-explain", ends=ends, n_seeds=n_seeds, found=found)


def halving_floors() -> Floors:
    errors = (*(0.1 / 2**k for k in range(16)), 0.0)
    return Floors(
        data_key="key",
        train_pca_mse=errors,
        val_pca_mse=errors,
        test_pca_mse=errors,
        train_entropy=0.2,
        val_entropy=0.2,
        test_entropy=0.2,
        clipped=ClippedErrors(widths=(2, 4, 16), test_mse=(0.02, 0.005, 0.0)),
    )
