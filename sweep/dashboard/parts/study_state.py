"""What a study is doing, in a word and, where it is not plain, a sentence."""

from shlex import quote
from typing import Any, NamedTuple

from dash import html

from sweep.dashboard.parts.moments import exact
from sweep.enums import ACTIVE_PHASES, StudyPhase
from sweep.store.records import StudySummary


class StudyStatus(NamedTuple):
    """The word of a badge, and what it means."""

    word: str
    detail: str


def study_state(study: StudySummary) -> StudyStatus:
    """The phase; a study that its coordinator left behind is interrupted, whatever it last said."""
    lease = study.held_by
    if study.running and lease is not None:
        since = f"Process {lease.pid} on {lease.host} has run it since {exact(lease.taken_at)}."
        return StudyStatus(study.phase, since)
    if study.phase in ACTIVE_PHASES and lease is not None:
        gone = f"Process {lease.pid} on {lease.host}, which ran it, is gone."
        return StudyStatus(
            StudyPhase.INTERRUPTED, f"{gone} Go on: sweep resume {quote(study.name)}"
        )
    because = _sentence(study.ended_because)
    if study.phase in (StudyPhase.FINISHED, StudyPhase.NEW):
        return StudyStatus(study.phase, because.strip())
    return StudyStatus(study.phase, f"{because}Go on: sweep resume {quote(study.name)}")


def _sentence(because: str | None) -> str:
    return f"{because[:1].upper()}{because[1:]}. " if because else ""


def state_badge(study: StudySummary) -> Any:
    """The word, with the sentence for who points at it."""
    state = study_state(study)
    kind = state.word.replace(" ", "-")
    return html.Span(state.word, className=f"state state-{kind}", title=state.detail)
