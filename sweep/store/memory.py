"""A study store in the memory of this process: for tests, notebooks and demonstrations.

The same SQL as in a file, on as many connections and threads, and nothing of it stays. A command
has no use for it: what `start` wrote would be gone before `report` came.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Engine, make_url

from sweep.store.engine import connect
from sweep.store.migrate import initialise


@contextmanager
def memory_store() -> Iterator[Engine]:
    """Open an empty store of its own, gone at the end of the block."""
    # SQLite's memdb: all connections of the process that give this name share one database, with
    # the locks of a file. ``:memory:`` would be another database for every connection.
    engine = connect(make_url(f"sqlite:///file:/{secrets.token_hex(8)}?vfs=memdb&uri=true"))
    with closing(engine.raw_connection()):  # it lives as long as one connection does
        initialise(engine)
        yield engine
    engine.dispose()
