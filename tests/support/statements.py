"""Count the SQL statements of a piece of code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Engine, event


class Statement(NamedTuple):
    """A statement as it reached the driver."""

    sql: str
    parameters: Any

    def looks_up(self, name: str) -> bool:
        """Whether it finds a study by this name."""
        values = self.parameters
        given = values.values() if isinstance(values, dict) else values
        return name in given


@contextmanager
def count_statements(engine: Engine) -> Iterator[list[Statement]]:
    """The statements that the block issues on an engine, as they are issued."""
    statements: list[Statement] = []

    def listen(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        if not sql.startswith("BEGIN"):  # ours, of SQLite; the other drivers send theirs unseen
            statements.append(Statement(sql, parameters))

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", listen)
