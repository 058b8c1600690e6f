"""Present a database to notebooks and scripts."""

from typing import Any

from sweep.api.study import Study, summary_columns
from sweep.store import handle
from sweep.store.engine import Engine, format_url
from sweep.store.frames import make_frame
from sweep.store.migrate import open_store


class Database:
    """The studies of one database, read-only; use it while studies are running."""

    def __init__(self, engine: Engine) -> None:
        self._database = handle.DatabaseHandle(engine)

    def studies(self) -> Any:
        """Return every study as a data frame: state, counts of trials, best value."""
        return make_frame(summary_columns(self._database.studies()))

    def study(self, name: str) -> Study:
        """Return one study. Raises NotFoundError that suggests similar names."""
        return Study(self._database.study(name))

    def close(self) -> None:
        """Close the connections; the next read opens new ones."""
        self._database.engine.dispose()

    def __repr__(self) -> str:
        names = ", ".join(study.name for study in self._database.studies())
        return f"<Database {format_url(self._database.engine.url)}: {names or 'no studies'}>"


def open_database(url: str | None = None) -> Database:
    """Open an existing database, such as ``sqlite:///demo/sweep.db``.

    The default URL is SWEEP_STORAGE, else ``sqlite:///sweep.db``. Raises StoreError if it does not
    exist or has the schema of another version.
    """
    return Database(open_store(url))
