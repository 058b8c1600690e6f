"""Send users' requests to a study's coordinator, validated before they are stored."""

from collections.abc import Mapping
from shlex import quote
from typing import Any

from sweep.coordinator.derived_studies import load_stored_file
from sweep.enums import ACTIVE_PHASES, CommandKind
from sweep.errors import UsageError
from sweep.search.configurations import enqueue_params
from sweep.store import commands
from sweep.store.handle import StudyHandle

#: Commands that only a running coordinator applies: the next one discards them.
_OF_A_RUN = (CommandKind.PAUSE, CommandKind.STOP)


def request(study: StudyHandle, kind: CommandKind, payload: Mapping[str, Any] | None = None) -> int:
    """Send a command to the study's present or next coordinator; return the command's id.

    Raises UsageError for a pause or stop of a study that has ended.
    """
    summary = study.summary()
    if kind in _OF_A_RUN and not summary.running and summary.phase not in ACTIVE_PHASES:
        because = f" ({summary.ended_because})" if summary.ended_because else ""
        raise UsageError(
            f"study '{study.name}' is {summary.phase}{because}: nothing to {kind.value}. "
            f"`sweep resume {quote(study.name)}` continues it."
        )
    return commands.post(study.engine, study.key, kind, payload)


def request_trial(study: StudyHandle, configuration: Mapping[str, Any]) -> int:
    """Ask the coordinator to train a configuration of the study's space; return the command's id.

    Raises StudyFileError with every invalid setting, NotFoundError without the study.
    """
    enqueue_params(load_stored_file(study), configuration)
    payload = {"configuration": dict(configuration)}
    return request(study, CommandKind.ENQUEUE, payload)
