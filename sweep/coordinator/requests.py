"""What people ask of a study's coordinator, checked before it is written down."""

from collections.abc import Mapping
from typing import Any

from sweep.enums import CommandKind
from sweep.search.configurations import enqueue_params
from sweep.store import commands, read
from sweep.store.engine import Engine
from sweep.studyfile import loads


def request_trial(engine: Engine, name: str, configuration: Mapping[str, Any]) -> int:
    """Have a configuration of the study's space run next; the command's id.

    Raises StudyFileError with every setting that cannot be, NotFoundError without the study.
    """
    study = read.study(engine, name)
    stored = loads(read.study_file_text(engine, name), f"study '{name}'", check_packages=False)
    enqueue_params(stored, configuration)
    payload = {"configuration": dict(configuration)}
    return commands.post(engine, study.study_id, CommandKind.ENQUEUE, payload)
