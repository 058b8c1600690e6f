"""Runs the studies, or writes the pages, or both."""

import sys

from docs.answer.run import STORAGE, export, run
from docs.answer.write import write
from sweep.errors import SweepError

_USAGE = "python -m docs.answer [run] [write]"


def main(parts: list[str]) -> None:
    """Without a part named, both."""
    if not set(parts) <= {"run", "write"}:
        sys.exit(f"{_USAGE}: no such part in {' '.join(parts)}")
    try:
        if not parts or "run" in parts:
            run(STORAGE)
            export(STORAGE)
        if not parts or "write" in parts:
            write()
    except SweepError as error:
        print(f"answer: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(sys.argv[1:])
