"""Command show: everything about one trial."""

from typing import TYPE_CHECKING

from sweep.cli import words
from sweep.cli.options import Json, Number, Storage, StudyName, stored_study
from sweep.cli.output import (
    section,
    show_finding,
    show_json,
    show_pairs,
    show_sentences,
    show_titled_table,
)
from sweep.cli.records import trial_json
from sweep.enums import Outcome
from sweep.findings.dialects import in_ascii

if TYPE_CHECKING:
    from sweep.findings.trial import TrialFindings
    from sweep.store.records import EventRow


def show(name: StudyName, number: Number, storage: Storage = None, as_json: Json = False) -> None:
    """Show everything about one trial: settings, metrics, learning curve, events, notes."""
    from sweep.analysis.study_floors import study_floors
    from sweep.findings.trial import gather_trial
    from sweep.findings.trial_tables import curve_table

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
        *(curve_table(found.curve), found.provenance),
    ):
        show_finding(table)
    section("Notes", {words.moment(note.created_at): note.text for note in trial.notes})
    if trial.events:
        show_titled_table("Events", _EVENT_HEADER, map(_event_cells, trial.events), left=4)


def _json(found: "TrialFindings") -> dict[str, object]:
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


def _summary(found: "TrialFindings") -> dict[str, str]:
    trial = found.trial
    invalid = f"excluded: {trial.invalid_reason or 'no reason given'}" if trial.invalid else ""
    pairs = {
        "configuration": in_ascii(found.configuration),
        "state": trial.state.lower() + (f", {trial.outcome}" if trial.outcome in _FINER else ""),
        "reason": trial.reason or "",
        "invalid": invalid,
        "value": ", ".join(words.number(value, 6) for value in trial.values),
        "rank": str(found.rank or ""),
        "began": words.moment(trial.datetime_start),
        "ended": words.moment(trial.datetime_complete),
        "tags": ", ".join(trial.tags),
    }
    return {name: said for name, said in pairs.items() if said not in ("", words.NOTHING)}


#: Outcomes that are more specific than the state.
_FINER = (Outcome.DIVERGED, Outcome.REUSED, Outcome.TIMED_OUT)

_EVENT_HEADER = ("when", "event", "worker", "what")


def _event_cells(event: "EventRow") -> tuple[str, ...]:
    return (
        words.moment(event.at),
        event.kind,
        event.worker or words.NOTHING,
        words.unrolled(event.message),
    )
