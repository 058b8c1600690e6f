"""Gather what an ablation analysis tells, by either method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.analysis.factorial import Factorial
from sweep.analysis.study_explanation import StudyExplanation
from sweep.analysis.study_factorial import StudyFactorial
from sweep.analysis.training_time import EpochSeconds
from sweep.findings.ablation import (
    DETAILS,
    ablation_plan,
    about_path,
    path_details,
    title_between,
)
from sweep.findings.factorial import cause_table, cell_table, interaction_json
from sweep.findings.tables import FindingTable


@dataclass(frozen=True, kw_only=True)
class AnalysisFindings:
    """An ablation analysis as ``sweep explain`` shows it."""

    analysis: StudyExplanation | StudyFactorial
    title: str
    #: Every difference between its ends.
    changes: Sequence[str]
    #: By their keys in JSON, with columns for JSON alone.
    details: Mapping[str, FindingTable]
    #: What the notes of the tables do not say.
    sentences: Sequence[str]

    @property
    def tables(self) -> list[FindingTable]:
        """The tables that people read."""
        names = [column.name for column in DETAILS]
        return [table.without(*names) for table in self.details.values()]

    def to_json(self) -> dict[str, Any]:
        """Convert numbers, sentences and tables to plain values."""
        analysis, found = self.analysis, self.analysis.found
        interaction = interaction_json(found) if isinstance(found, Factorial) else None
        notes = [table.note for table in self.details.values() if table.note]
        return {
            "study": analysis.ends.study,
            "method": analysis.ends.method,
            "explained_in": analysis.child,
            "from": analysis.ends.from_number,
            "to": analysis.ends.to_number,
            "n_seeds": analysis.n_seeds,
            "n_missing": len(found.missing),
            "effect": found.whole and found.whole._asdict(),
            "interaction": interaction,
            "changes": self.changes,
            "sentences": [*notes, *self.sentences],
            "tables": {name: table.records() for name, table in self.details.items()},
        }


def gather_analysis(
    analysis: StudyExplanation | StudyFactorial, epoch_seconds: EpochSeconds | None
) -> AnalysisFindings:
    """Gather its tables and sentences; ``epoch_seconds``, by the clock, tell how long is left."""
    if isinstance(analysis, StudyFactorial):
        causes = cause_table(analysis, epoch_seconds).without("change")
        tables, sentences = {"cells": cell_table(analysis), "causes": causes}, []
        changes = [of.text for of in analysis.found.causes]
    else:
        found = analysis.found
        directions = {} if found.whole is None else {"path": False, "path_back": True}
        tables = {of: path_details(analysis, reverse=back) for of, back in directions.items()}
        sentences = [about_path(analysis)] if found.diverged else []
        sentences += filter(None, [ablation_plan(analysis, epoch_seconds)])
        changes = [of.text for of in found.groups]
    return AnalysisFindings(
        analysis=analysis,
        title=title_between(analysis.ends, analysis.n_seeds),
        changes=changes,
        details=tables,
        sentences=sentences,
    )
