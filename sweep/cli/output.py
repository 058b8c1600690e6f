"""Print results on stdout and messages on stderr: tables, JSON, files."""

import dataclasses
import errno
import json
import math
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from sweep.catalogue.columns import COLUMNS
from sweep.cli import logs, words
from sweep.cli.layout import ENDLESS, TextColumn, fit
from sweep.cli.words import clean, escape, in_terminal
from sweep.errors import NoRoomError, UsageError
from sweep.findings.dialects import in_ascii
from sweep.findings.tables import NOTHING, Cell, FindingTable, TableColumn

if TYPE_CHECKING:
    from sweep.findings.decision import Decision


def results() -> Console:
    """Return the console of results. Markup is off: names and notes come from users."""
    return Console(width=ENDLESS, markup=False, highlight=False, emoji=False, soft_wrap=False)


def messages() -> Console:
    """Return the console of messages."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a message on stderr."""
    if logs.are_json():
        logs.LOG.info("%s", clean(text))
        return
    messages().print(clean(text))


def show(text: str = "") -> None:
    """Print a line of the result on stdout."""
    results().print(clean(text), soft_wrap=True)


def clear() -> None:
    """Begin a new screen, if there is one."""
    console = results()
    if console.is_terminal:
        console.clear()
    else:
        show()


def show_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> None:
    """Print a table; the first ``left`` columns are words, not numbers."""
    _print_table(_columns(header, rows, left))


def _columns(header: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> list[TextColumn]:
    by_column = list(zip(*rows, strict=True)) or [()] * len(header)
    return [
        TextColumn(heading=heading, cells=cells, is_number=place >= left)
        for place, (heading, cells) in enumerate(zip(header, by_column, strict=True))
    ]


def _print_table(columns: Sequence[TextColumn], *, wide: bool | None = None) -> None:
    """Print a table: in a terminal as wide as that is, elsewhere with complete lines.

    ``wide`` is the value of --wide, None for a command without it.
    """
    table, left_out = fit(columns, ENDLESS if wide else _room())
    console = results()
    with console.capture() as captured:
        console.print(table)
    # Rich pads lines with spaces.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    if left_out:
        more = "a wider terminal or `| cat`" if wide is None else "--wide"
        say(f"Not shown for lack of space: {', '.join(left_out)} ({more} shows them).")


def _room() -> int:
    """Return the maximum length of a line on stdout."""
    return terminal_columns() if sys.stdout.isatty() else ENDLESS


def terminal_columns() -> int:
    """Return the width of the terminal."""
    return shutil.get_terminal_size().columns


def make_table(table: FindingTable) -> Table:
    """Build a table of the terminal's width, to be redrawn; a line a row."""
    return fit(_columns_of(table, details=False), terminal_columns())[0]


def show_finding(table: FindingTable, storage: str | None = None) -> None:
    """Show a table of findings with its title and note in ASCII; nothing if both are empty."""
    if not table and not table.note:
        return
    show()
    show(in_ascii(table.title))
    indent = "" if table.has_headings else "  "
    if table:
        _print_table(_columns_of(table, indent))
    if table.note:
        show(in_terminal(indent + table.note, storage))


def show_list(table: FindingTable, *, wide: bool | None = False) -> None:
    """Show a table without its title; values that all rows share are shown above it.

    ``wide`` is the value of --wide, None for a command without it, which shows every column.
    """
    shown, common = table.without_constant() if wide is False else (table, {})
    if common:
        said = ", ".join(f"{name} {text}" for name, text in common.items())
        show(in_ascii(f"All of these: {said}"))
    _print_table(_columns_of(shown, details=False), wide=wide)


def _columns_of(table: FindingTable, indent: str = "", *, details: bool = True) -> list[TextColumn]:
    rows = [_row(table, row, details) for row in table.rows]
    return [
        TextColumn(
            heading=in_ascii(of.title),
            cells=[row[place] if place else indent + row[place] for row in rows],
            is_number=of.is_number,
        )
        for place, of in enumerate(table.columns)
    ]


def show_decision(decision: "Decision", storage: str | None = None) -> None:
    """Show which trial to take, and its alternatives."""
    show(in_terminal(decision.sentence, storage))
    show_finding(decision.table, storage)


def _row(table: FindingTable, row: Sequence[Cell], details: bool) -> list[str]:
    return [_cell(column, cell, details) for column, cell in zip(table.columns, row, strict=True)]


def _cell(column: TableColumn, cell: Cell, details: bool) -> str:
    if column.is_name and cell.value in COLUMNS:
        return str(cell.value)
    if cell.at is not None:
        return words.moment(cell.at)
    text = in_ascii(words.unroll(cell.text))
    if not (details and cell.detail):
        return text
    detail = in_ascii(cell.detail)
    return detail if cell.text == NOTHING else f"{text}\n{detail}"


def show_pairs(pairs: Mapping[str, str]) -> None:
    """Show names and values, one per line."""
    width = max(map(len, pairs), default=0)
    for name, text in pairs.items():
        show(f"{name:<{width}}  {text}")


def section(title: str, pairs: Mapping[str, str]) -> None:
    """Show pairs under a title; nothing if there are none."""
    if pairs:
        show()
        show(title)
        show_pairs({f"  {name}": text for name, text in pairs.items()})


def show_sentences(title: str, sentences: Sequence[str], storage: str | None = None) -> None:
    """Show sentences of findings under a title, one per line; nothing if there are none."""
    if sentences:
        show()
        show(title)
        for sentence in sentences:
            show(f"  {in_terminal(sentence, storage)}")


def show_titled_table(
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
) -> None:
    """Print a table under a title."""
    show()
    show(title)
    show_table(header, rows, left=left)


def show_json(value: Any) -> None:
    """Show a result as JSON."""
    sys.stdout.write(to_json(value) + "\n")


def to_json(value: Any) -> str:
    """Encode records, times, names and numbers as JSON; NaN and Infinity become null.

    Control characters are escaped, because a terminal would interpret them.
    """
    return escape(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # no lone surrogates
    return value if value is None or isinstance(value, int) else str(value)


#: The value of -o for stdout.
STDOUT = Path("-")


def deliver(path: Path, content: bytes, *lines: str) -> Path | None:
    """Write a result; show lines about it and its path, which is returned.

    For ``-`` only the content goes to stdout, and the lines to stderr.
    """
    if path == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        for line in lines:
            say(line)
        return None
    written = write_file(path, content)
    for line in (*lines, str(written)):
        show(line)
    return written


def write_file(path: Path, content: bytes, remedy: str = "Name another file with -o.") -> Path:
    """Write a result atomically; return the absolute path.

    Raises NoRoomError with the ``remedy`` if that fails.
    """
    if path == STDOUT:
        raise UsageError("-o -: the result is on stdout already. Name a file.")
    path = path.expanduser()
    if path.is_dir():
        raise UsageError(f"{path} is a folder. Name a file in it.")
    try:
        _replace(path, content)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise UsageError(f"{path.parent}: no such folder. Create it first.") from error
        raise NoRoomError(f"{path}: {error.strerror}. {remedy}") from error
    return path.absolute()


def make_folder(path: Path, content: str) -> None:
    """Make a folder for several results. Raises UsageError, NoRoomError if that fails."""
    try:
        path.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise UsageError(f"{path.parent}: no such folder. Create it first.") from None
    except FileExistsError:
        raise UsageError(f"{path} is a file. Name a folder for {content}.") from None
    except OSError as error:
        raise NoRoomError(f"{path}: {error.strerror}. Name another folder with -o.") from error


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not path.is_file():  # /dev/stdout, a pipe
        path.write_bytes(content)
        return
    # A replaced file keeps its mode; a new one follows the umask, as any other new file.
    before = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    temporary = path.parent / f".{path.name[:50]}-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(
            os.open(temporary, flags, 0o666 if before is None else before), "wb"
        ) as file:
            file.write(content)
        if before is not None:
            temporary.chmod(before)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
