"""Name the command that continues a study."""

import re
from shlex import quote

from sweep.enums import StudyPhase
from sweep.store.records import StudySummary


def resume_command(study: StudySummary) -> str:
    """Return the command, with placeholders where nothing would be trained without a change."""
    resume, limit = f"sweep resume {quote(study.name)}", _used_up(study)
    if limit == "budget.trials":
        return f"{resume} --trials N"
    if limit is not None:
        return f"{resume} --set {limit}=VALUE"
    return f"{resume} --file FILE" if study.phase is StudyPhase.FINISHED else resume


def how_to_continue(study: StudySummary) -> str:
    """Say what the command does, without a full stop."""
    command, limit = f"`{resume_command(study)}`", _used_up(study)
    if limit == "budget.trials":
        return f"{command}, with N above {study.n_trials or 0:,}, trains more"
    if limit is not None:
        return f"{command}, with another limit, continues it"
    if study.phase is StudyPhase.FINISHED:
        return f"{command}, with a wider space, trains more"
    return f"{command} continues it"


def _used_up(study: StudySummary) -> str | None:
    """Return the limit of the budget that ended the study, if one did."""
    limit = re.search(r"budget\.\w+", study.ended_because or "")
    return None if limit is None else limit[0]
