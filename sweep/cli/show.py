"""Command show: everything about one trial."""

from sweep.analysis.study_floors import study_floors
from sweep.cli import words
from sweep.cli.options import Json, Number, Storage, StudyName, stored_study
from sweep.cli.output import (
    section,
    show_finding,
    show_json,
    show_pairs,
    show_sentences,
)
from sweep.cli.records import trial_json
from sweep.enums import Outcome
from sweep.findings.dialects import in_ascii
from sweep.findings.trial import TrialFindings, gather_trial
from sweep.findings.trial_tables import curve_table


def show(name: StudyName, number: Number, storage: Storage = None, as_json: Json = False) -> None:
    """Show everything about one trial: settings, metrics, learning curve, events, notes."""
    found = gather_trial(stored_study(name, storage), number, study_floors)
    if as_json:
        show_json(_json(found))
        return
    trial = found.trial
    show_pairs({"trial": f"{number} of study '{name}'", **_summary(found)})
    show_sentences("Diagnosis", found.sentences)
    for table in (
        *(found.settings, found.measured, found.classes, found.seeds, found.network, found.probe),
        found.pixels,
        *(curve_table(found.curve), found.provenance, found.course, found.events),
    ):
        show_finding(table)
    section("Notes", {words.moment(note.created_at): note.text for note in trial.notes})


def _json(found: TrialFindings) -> dict[str, object]:
    trial = found.trial
    return {
        **trial_json(trial),
        "configuration": found.configuration,
        "rank": found.rank,
        "sentences": found.sentences,
        "diagnosis": found.diagnosis,
        "measured": found.measured.records(),
        "artifact_id": trial.artifact_id,
        "results": trial.results,
        "decomposition": trial.decomposition,
        "probe": trial.probe,
        "pixels": found.pixels.records(),
        "curve": found.curve,
        "spectrum": found.spectrum,
        "notes": trial.notes,
        "events": trial.events,
    }


def _summary(found: TrialFindings) -> dict[str, str]:
    trial = found.trial
    invalid = f"excluded: {trial.invalid_reason or 'no reason given'}" if trial.invalid else ""
    pairs = {
        "configuration": in_ascii(found.configuration),
        "state": trial.state.lower() + (f", {trial.outcome}" if trial.outcome in _FINER else ""),
        "invalid": invalid,
        "value": ", ".join(words.number(value, 6) for value in trial.values),
        "rank": str(found.rank or ""),
        "tags": ", ".join(trial.tags),
    }
    return {name: said for name, said in pairs.items() if said not in ("", words.NOTHING)}


#: Outcomes that are more specific than the state.
_FINER = (Outcome.DIVERGED, Outcome.REUSED, Outcome.TIMED_OUT)
