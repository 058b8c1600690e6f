"""db init and db upgrade."""

from typing import TYPE_CHECKING

from sweep.cli.options import Storage
from sweep.cli.output import say
from sweep.errors import StoreError

if TYPE_CHECKING:
    from sweep.store.engine import Engine


def init(storage: Storage = None) -> None:
    """Make the tables, Optuna's and ours, where they are missing; changes nothing that is there."""
    from sweep.store.migrate import open_store

    say(f"{_shown(open_store(storage, create=True))} is ready.")


def upgrade(storage: Storage = None) -> None:
    """Bring the tables of an older sweep up to this version's. Stop its studies first."""
    from sweep.store.engine import sqlite_path, storage_url
    from sweep.store.migrate import open_store

    path = sqlite_path(storage_url(storage))
    if path is not None and not path.exists():
        raise StoreError(f"no study store at {path}. `sweep db init` makes one.")
    say(f"{_shown(open_store(storage, create=True))} is up to date.")


def _shown(engine: "Engine") -> str:
    from sweep.store.engine import shown

    return shown(engine.url)
