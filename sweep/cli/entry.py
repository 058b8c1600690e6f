"""Run the command line: errors are printed and exit codes chosen here."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import typer

from sweep.cli import logs, refused
from sweep.cli.application import app
from sweep.cli.options import INTERRUPTED
from sweep.cli.words import clean, passwords_in, shorten, unroll
from sweep.errors import NoRoomError, SweepError, UsageError
from sweep.files import read_regular

_SECRETS = ("SWEEP_DASHBOARD_PASSWORD", "SWEEP_WEBHOOK_SECRET")
_NOTHING_READS = 141  # as the shell reports a process that SIGPIPE ended


def main() -> int:
    """Run the command line with this process's arguments and outputs; return its exit code."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    code = run(sys.argv[1:])
    # Flushing the buffers of a pipe without a reader would print an error at exit.
    if code == _NOTHING_READS:
        with _nowhere() as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return code


def _nowhere() -> TextIO:
    """Replace an output that the parent process has closed."""
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Prints errors."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows "?"
            stream.reconfigure(errors="replace")
    try:
        result = app(list(arguments), prog_name="sweep", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return _NOTHING_READS
    except SystemExit as ending:
        if isinstance(ending.__context__, BrokenPipeError):  # for which Typer exits with 1
            return _NOTHING_READS
        raise
    except typer.Abort:
        _say("unchanged.")
        return INTERRUPTED
    except typer.TyperException as error:
        return _tell_usage(error)
    except SweepError as error:
        _trace_if_wanted()
        _say(_without_password(str(error), arguments))
        return error.exit_code
    except Exception as error:
        return _tell_unexpected(error, arguments)
    finally:
        logs.end()
        if engine := sys.modules.get("sweep.store.engine"):  # commands without a database lack it
            engine.close_connections()
    return result if isinstance(result, int) else 0


def _tell_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if message := refused.in_words(error) or error.format_message():
        path = context.command_path if context is not None else "sweep"
        end = "" if message.endswith((".", "?")) else "."
        _say(f"{unroll(message)}{end} See `{path} --help`.")
    return error.exit_code


def _tell_unexpected(error: Exception, arguments: Sequence[str]) -> int:
    from sweep.datasets.places import NO_ROOM

    _trace_if_wanted()
    if isinstance(error, UnicodeEncodeError) and not _is_text(arguments):
        _say("an argument is not text: its bytes are not UTF-8.")
        return UsageError.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        _say(f"{shorten(str(error.filename))}: too long for a file's name.")
        return UsageError.exit_code
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # ~nobody/file
        _say("a path begins with ~ and a name that no user of this machine has.")
        return UsageError.exit_code
    message = unroll(_without_password(str(error), arguments))
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        _say(f"{error.filename or 'writing'}: {error.strerror}.")
        return NoRoomError.exit_code
    kind = type(error).__name__
    _say(
        f"unexpected {kind}: {message}: this is a bug. "
        "SWEEP_TRACEBACK=1 shows where it happened, for a report."
    )
    return SweepError.exit_code


def _is_text(arguments: Sequence[str]) -> bool:
    # Bytes that are not UTF-8 arrive as lone surrogates, which are valid only in file names.
    return not any("\ud800" <= letter <= "\udfff" for letter in "".join(arguments))


def _trace_if_wanted() -> None:
    if os.environ.get("SWEEP_TRACEBACK"):
        typer.echo(_without_password(traceback.format_exc(), sys.argv[1:]), err=True)


def _say(message: str) -> None:
    if logs.are_json():
        logs.LOG.error("%s", clean(message))
        return
    typer.echo(f"sweep: {clean(message)}", err=True)


def _without_password(text: str, arguments: Sequence[str]) -> str:
    """Replace all passwords that we were given by ``***``, wherever they occur in an error."""
    urls = (*arguments, os.environ.get("SWEEP_STORAGE", ""))
    known = {word for url in urls for word in passwords_in(url.removeprefix("--storage="))}
    for password in sorted(known | _passwords_of_surroundings(), key=len, reverse=True):
        text = text.replace(password, "***")
    return text


def _passwords_of_surroundings() -> set[str]:
    found = {os.environ.get(name, "") for name in ("PGPASSWORD", *_SECRETS)}
    for name in ("SWEEP_STORAGE_PASSWORD_FILE", *(f"{secret}_FILE" for secret in _SECRETS)):
        with suppress(OSError, ValueError, SweepError):
            found.add(read_regular(Path(os.environ.get(name, "")), 4096).decode().strip())
    return found - {""}
