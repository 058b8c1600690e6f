"""Read the database's clock, which coordinators, workers and readers on all hosts share."""

from sqlalchemy import ColumnElement, Connection, Float, cast, extract, func, literal, select

_UNIX_EPOCH_JULIAN_DAY = 2440587.5
_SECONDS_A_DAY = 86400.0


def now(dialect_name: str) -> ColumnElement[float]:
    """Return the seconds since the epoch (UTC) by the database's clock, to at least a millisecond.

    On SQLite it uses julianday, which every version has (``unixepoch('subsec')`` came with 3.42).
    """
    if dialect_name == "sqlite":
        days = func.julianday("now", type_=Float) - literal(_UNIX_EPOCH_JULIAN_DAY, Float)
        return days * literal(_SECONDS_A_DAY, Float)
    # Not now(), which is constant within a transaction.
    return cast(extract("epoch", func.clock_timestamp()), Float(53))


def read(connection: Connection) -> float:
    """Read the database's clock."""
    return float(connection.execute(select(now(connection.dialect.name))).scalar_one())
