"""Results as lines of JSON, flushed one at a time, so that a run that is cut short keeps them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: One line; "what" says of which kind it is.
Record = dict[str, Any]


class Records:
    """Writes each result to a file, and to standard output where ``echo`` is set."""

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
        """Say on standard error what is being done."""
        print(f"{text} …", file=sys.stderr, flush=True)


def read_records(path: Path) -> Iterator[Record]:
    """All whole lines; a last one that was cut off is left out."""
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "what" in record:
            yield record
