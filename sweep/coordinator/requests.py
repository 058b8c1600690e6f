"""Requests of users to a study's coordinator, validated before they are stored."""

from collections.abc import Mapping
from typing import Any

from sweep.enums import CommandKind
from sweep.search.configurations import enqueue_params
from sweep.store import commands, read
from sweep.store.engine import Engine
from sweep.studyfile import loads


def request_trial(engine: Engine, name: str, configuration: Mapping[str, Any]) -> int:
    """Ask the coordinator to train a configuration of the study's space; return the command's id.

    Raises StudyFileError with every invalid setting, NotFoundError without the study.
    """
    study = read.study(engine, name)
    stored = loads(read.study_file_text(engine, name), f"study '{name}'", check_packages=False)
    enqueue_params(stored, configuration)
    payload = {"configuration": dict(configuration)}
    return commands.post(engine, study.study_id, CommandKind.ENQUEUE, payload)
