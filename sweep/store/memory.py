"""Create a study store in this process's memory, for tests, notebooks and demonstrations.

It runs the same SQL as a file, on as many connections and threads, and is lost with the process.
Commands do not accept it: what `start` wrote would be gone before `report` ran.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Engine, make_url

from sweep.store.engine import connect
from sweep.store.migrate import initialise


@contextmanager
def memory_store() -> Iterator[Engine]:
    """Open an empty private store that is discarded at the end of the block."""
    # SQLite's memdb: all connections of the process that use this name share one database, with the
    # locks of a file. ``:memory:`` would be a separate database for every connection.
    engine = connect(make_url(f"sqlite:///file:/{secrets.token_hex(8)}?vfs=memdb&uri=true"))
    try:
        with closing(engine.raw_connection()):  # the database lives as long as a connection to it
            initialise(engine)
            yield engine
    finally:
        engine.dispose()
