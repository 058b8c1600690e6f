"""Requests of users to a study's coordinator, validated before they are stored."""

from collections.abc import Mapping
from typing import Any

from sweep.coordinator.derived_studies import load_stored_file
from sweep.enums import CommandKind
from sweep.search.configurations import enqueue_params
from sweep.store import commands
from sweep.store.handle import StudyHandle


def request_trial(study: StudyHandle, configuration: Mapping[str, Any]) -> int:
    """Ask the coordinator to train a configuration of the study's space; return the command's id.

    Raises StudyFileError with every invalid setting, NotFoundError without the study.
    """
    enqueue_params(load_stored_file(study), configuration)
    payload = {"configuration": dict(configuration)}
    return commands.post(study.engine, study.key, CommandKind.ENQUEUE, payload)
