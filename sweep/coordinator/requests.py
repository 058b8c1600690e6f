"""Send users' requests to a study's coordinator, validated before they are stored."""

from collections.abc import Mapping
from typing import Any

from sweep.coordinator.continuing import how_to_continue
from sweep.coordinator.derived_studies import load_stored_file
from sweep.enums import ACTIVE_PHASES, CommandKind
from sweep.errors import UsageError
from sweep.search.configurations import enqueue_params
from sweep.store import commands
from sweep.store.handle import StudyHandle
from sweep.store.records import StudySummary

#: Commands that only a running coordinator applies: the next one discards them.
_OF_A_RUN = (CommandKind.PAUSE, CommandKind.STOP)


def request(study: StudyHandle, kind: CommandKind, payload: Mapping[str, Any] | None = None) -> int:
    """Send a command to the study's present or next coordinator; return the command's id.

    Raises UsageError for a pause or stop that no coordinator can ever apply: the study has ended,
    or its coordinator is dead. One that is only cut off applies it when it is back.
    """
    if kind in _OF_A_RUN:
        _refuse_if_unheard(study.summary(), kind)
    return commands.post(study.engine, study.key, kind, payload)


def _refuse_if_unheard(study: StudySummary, kind: CommandKind) -> None:
    if study.phase in ACTIVE_PHASES:
        if study.held_by is not None and not study.held_by.dead:
            return
        state = f"no coordinator runs study '{study.name}'"
    else:
        because = f" ({study.ended_because})" if study.ended_because else ""
        state = f"study '{study.name}' is {study.phase}{because}"
    raise UsageError(f"{state}: nothing to {kind.value}. {how_to_continue(study)}.")


def request_trial(study: StudyHandle, configuration: Mapping[str, Any]) -> int:
    """Ask the coordinator to train a configuration of the study's space; return the command's id.

    Raises StudyFileError with every invalid setting, NotFoundError without the study.
    """
    enqueue_params(load_stored_file(study), configuration)
    payload = {"configuration": dict(configuration)}
    return request(study, CommandKind.ENQUEUE, payload)
