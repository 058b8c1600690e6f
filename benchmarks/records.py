"""Results as lines of JSON, flushed one at a time, so that a run that is cut short keeps them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: One line; "what" is its kind.
Record = dict[str, Any]


class Records:
    """Writes each result to a file, and to standard output if ``echo`` is set."""

    def __init__(self, path: Path | None, *, echo: bool = True) -> None:
        self._path, self._echo = path, echo

    def add(self, what: str, **fields: object) -> None:
        """Append a line at once."""
        line = json.dumps({"what": what} | fields, default=float)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(line + "\n")
        if self._echo:
            print(line, flush=True)

    def note(self, text: str) -> None:
        """Print progress on standard error."""
        print(f"{text} …", file=sys.stderr, flush=True)


def read_records(path: Path) -> Iterator[Record]:
    """Yield all complete lines; a truncated last line is left out."""
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "what" in record:
            yield record
