"""Let all databases of a session share compiled SQL statements: compiling took a fifth of the time.

SQLAlchemy compiles a statement once for each engine, and a test opens engines of its own.
"""

from typing import Any


def pytest_configure() -> None:
    """Give each new engine the cache of all, and the dialect that its entries belong to."""
    try:
        from sqlalchemy import Dialect, Engine
        from sqlalchemy.util import LRUCache
    except ImportError:  # a GPU machine may lack it
        return

    statements = LRUCache[Any, Any](2000)
    dialects: dict[type[Dialect], Dialect] = {}
    initialise = Engine.__init__

    def initialise_sharing(engine: Engine, *args: Any, **options: Any) -> None:
        initialise(engine, *args, **options)
        shared = dialects.get(type(engine.dialect))
        # Without a version it has never been connected, and does not know its server yet.
        if shared is None or getattr(shared, "server_version_info", None) is None:
            shared = dialects[type(engine.dialect)] = engine.dialect
        engine.dialect = shared
        engine._compiled_cache = statements

    Engine.__init__ = initialise_sharing  # type: ignore[method-assign]
