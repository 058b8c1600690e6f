"""A database as notebooks and scripts see it."""

from typing import Any

from sweep.api.study import Study, summary_columns
from sweep.store import handle
from sweep.store.engine import Engine, shown
from sweep.store.frames import make_frame
from sweep.store.migrate import open_store


class Database:
    """The studies of one database. It only reads; use it beside running studies."""

    def __init__(self, engine: Engine) -> None:
        self._database = handle.DatabaseHandle(engine)

    def studies(self) -> Any:
        """Return every study as a data frame: state, counts of trials, best value."""
        return make_frame(summary_columns(self._database.studies()))

    def study(self, name: str) -> Study:
        """Return one study. Raises NotFoundError with the names that come near."""
        return Study(self._database.study(name))

    def close(self) -> None:
        """Close the connections; the next read opens new ones."""
        self._database.engine.dispose()

    def __repr__(self) -> str:
        names = ", ".join(study.name for study in self._database.studies())
        return f"<Database {shown(self._database.engine.url)}: {names or 'no studies'}>"


def open_database(url: str | None = None) -> Database:
    """Open a database that is there, such as ``sqlite:///demo/sweep.db``.

    Without a URL it is that of SWEEP_STORAGE, else ``sqlite:///sweep.db``. Raises StoreError where
    there is none or its schema is another version's.
    """
    return Database(open_store(url))
