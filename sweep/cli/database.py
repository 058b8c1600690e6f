"""Commands db init, db upgrade and db copy."""

from typing import Annotated

import typer

from sweep.cli import words
from sweep.cli.options import Storage
from sweep.cli.output import say
from sweep.errors import StoreError, UsageError
from sweep.store.copy import copy_study, studies_to_copy
from sweep.store.engine import Engine, format_url, sqlite_path, storage_url
from sweep.store.migrate import open_store


def init(storage: Storage = None) -> None:
    """Create the tables, Optuna's and ours, if they are missing; existing ones are not changed."""
    say(f"{_url(open_store(storage, create=True))} is ready.")


def upgrade(storage: Storage = None) -> None:
    """Upgrade the tables of an older sweep to this version's schema. Stop its studies first."""
    path = sqlite_path(storage_url(storage))
    if path is not None and not path.exists():
        raise StoreError(f"no study store at {path}. `sweep db init` makes one.")
    say(f"{_url(open_store(storage, create=True))} is up to date.")


def copy(
    source: Annotated[str, typer.Argument(metavar="SRC", help="The database with the studies.")],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="The other database; created if absent.")
    ],
    study: Annotated[
        list[str] | None,
        typer.Option(
            "--study",
            metavar="NAME",
            help="Copy only this study and those trained for it. Repeatable.",
        ),
    ] = None,
) -> None:
    """Copy studies with everything (trials, curves, notes, weights) to another database.

    Each study is copied completely or not at all, and remains in the source. A running study is
    rejected: stop it first. Passwords in a URL may come from SWEEP_STORAGE_PASSWORD_FILE instead.
    """
    old = open_store(source)
    _refuse_itself(old, target)
    new = open_store(target, create=True)
    names = studies_to_copy(old, new, study or ())
    for name in names:
        copied = copy_study(old, new, name)
        say(
            f"study '{name}' is copied: {words.count(copied.n_trials, 'trial')}, "
            f"{words.count(copied.n_artifacts, 'file')} of weights."
        )
        if copied.missing_artifacts:
            n_missing = words.count(len(copied.missing_artifacts), "file")
            say(f"{n_missing} of weights not found next to {_url(old)}: check SWEEP_ARTIFACTS.")
    if not names:
        say(f"{_url(old)} has no studies.")


def _refuse_itself(source: Engine, target: str) -> None:
    """Raise UsageError if both are one database, whose studies a user might then delete."""
    url = storage_url(target)
    paths = [sqlite_path(of) for of in (source.url, url)]
    resolved = [path and path.resolve() for path in paths]
    if source.url == url or (resolved[0] and resolved[0] == resolved[1]):
        raise UsageError(f"{_url(source)} is both SRC and DST. Name another database as DST.")


def _url(engine: Engine) -> str:
    return format_url(engine.url)
