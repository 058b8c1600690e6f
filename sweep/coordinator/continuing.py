"""Name the command that continues a study."""

import re
from shlex import quote

from sweep.enums import StudyPhase
from sweep.store.records import StudySummary


def resume_command(study: StudySummary) -> str:
    """Return the command, with placeholders where nothing would be trained without a change."""
    return _command_and_effect(study)[0]


def how_to_continue(study: StudySummary) -> str:
    """Say what the command does, without a full stop."""
    command, effect = _command_and_effect(study)
    return f"`{command}`{effect}"


def _command_and_effect(study: StudySummary) -> tuple[str, str]:
    resume = f"sweep resume {quote(study.name)}"
    if limit := re.search(r"budget\.\w+", study.ended_because or ""):
        if limit[0] == "budget.trials":
            n_trials = f"{study.n_trials or 0:,}"
            return f"{resume} --trials N", f", with N above {n_trials}, trains more"
        return f"{resume} --set {limit[0]}=VALUE", ", with another limit, continues it"
    if study.phase is StudyPhase.FINISHED:
        return f"{resume} --file FILE", ", with a wider space, trains more"
    return resume, " continues it"
