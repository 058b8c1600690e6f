"""Commands pause, stop and enqueue, which send requests to a coordinator through the database."""

import time
import tomllib
from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.options import Storage, StudyName, stored_study
from sweep.cli.output import say
from sweep.enums import CommandKind
from sweep.errors import UsageError

if TYPE_CHECKING:
    from sweep.store.handle import StudyHandle

#: A coordinator looks for commands twice a second.
PATIENCE_SECONDS = 4.0
_LOOK_SECONDS = 0.2


def pause(name: StudyName, storage: Storage = None) -> None:
    """Stop dispatching trials until `sweep resume`; running trials continue to their end."""
    _post(name, storage, CommandKind.PAUSE)


def stop(name: StudyName, storage: Storage = None) -> None:
    """End a running study at the end of the epoch; results are kept.

    It does not wait for network analyses; `sweep analyse` does them later.
    """
    _post(name, storage, CommandKind.STOP)


def enqueue(
    name: StudyName,
    settings: Annotated[
        list[str],
        typer.Argument(metavar="SETTING=VALUE", help="Settings of the space; others are sampled."),
    ],
    storage: Storage = None,
) -> None:
    """Run a configuration next; a budget that is used up grows by it."""
    from sweep.coordinator.requests import request_trial

    study = stored_study(name, storage)
    running = study.summary().running
    command_id = request_trial(study, _configuration(settings))
    say(_what_becomes_of(study, CommandKind.ENQUEUE, command_id, storage, running=running))


def _configuration(settings: list[str]) -> dict[str, Any]:
    configuration: dict[str, Any] = {}
    for given in settings:
        name, equals, value = given.partition("=")
        if not (name.strip() and equals):
            raise UsageError(f"{given!r}: write SETTING=VALUE, such as hidden_width=64.")
        if name.strip() in configuration:
            raise UsageError(f"{name.strip()} is given twice.")
        configuration[name.strip()] = _value(value.strip())
    return configuration


def _value(given: str) -> Any:
    """Parse the text as TOML; anything else is a name, which needs no quotes."""
    try:
        found = tomllib.loads(f"value = {given}")
    except (ValueError, RecursionError):
        return given
    return found["value"] if found.keys() == {"value"} else given


def _post(name: str, storage: str | None, kind: CommandKind) -> None:
    say(ask(stored_study(name, storage), kind, storage=storage))


def ask(
    study: "StudyHandle",
    kind: CommandKind,
    payload: Mapping[str, Any] | None = None,
    storage: str | None = None,
) -> str:
    """Write a command and return its effect in words. ``storage`` is the value of --storage."""
    from sweep.coordinator.requests import request

    running = study.summary().running
    command_id = request(study, kind, payload)
    return _what_becomes_of(study, kind, command_id, storage, running=running)


def _what_becomes_of(
    study: "StudyHandle",
    kind: CommandKind,
    command_id: int,
    storage: str | None,
    *,
    running: bool,
) -> str:
    """Say what the coordinator does with a command; waits a few seconds for it."""
    what = f"{_DOING[kind]} study '{study.name}'"
    if not running:
        return (
            f"{what}: {_unheard(kind, words.command(f'sweep resume {quote(study.name)}', storage))}"
        )
    outcome = _await_outcome(study, command_id)
    if outcome is None:
        return f"{what}: stored; its coordinator has not applied it yet (see `sweep status`)."
    return f"{what}: {outcome}."


#: The effect on the study, in the words of the command.
_DOING = {
    CommandKind.PAUSE: "pausing",
    CommandKind.CONTINUE: "continuing",
    CommandKind.STOP: "stopping",
    CommandKind.ENQUEUE: "a configuration for",
    CommandKind.EXTEND: "a new budget for",
}


def _unheard(kind: CommandKind, go_on: str) -> str:
    """Say what happens to a command while no coordinator runs the study."""
    if kind in (CommandKind.PAUSE, CommandKind.STOP):
        return (
            f"its coordinator does not answer. If it is only cut off, it applies the request when "
            f"it is back; {go_on} drops the request and continues."
        )
    return f"no coordinator runs the study now. It waits for the next one: {go_on}"


def _await_outcome(study: "StudyHandle", command_id: int) -> str | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for row in study.commands():
            if row.command_id == command_id and row.applied_at is not None:
                return row.outcome or "applied"
        time.sleep(_LOOK_SECONDS)
    return None
