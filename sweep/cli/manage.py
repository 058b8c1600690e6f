"""Commands report, delete and schema."""

import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sweep.cli import words
from sweep.cli.options import Storage, StudyName, StudyNameOrOnly, output_option, stored_study
from sweep.cli.output import STDOUT, deliver, say, to_json, write_file
from sweep.errors import CorruptValueError, StoreError, UsageError
from sweep.files import file_name
from sweep.store import annotate, artifacts
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from sweep.studyfile import json_schema


def report(
    name: StudyNameOrOnly = None,
    output: Annotated[
        Path | None,
        output_option("FILE", "NAME.html"),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    storage: Storage = None,
) -> None:
    """Write a study's report: one HTML file that needs no network."""
    from sweep.report import render

    study = stored_study(name, storage)
    page = render(study.engine, study.name)
    path = deliver(output or Path(f"{file_name(study.name)}.html"), page.encode())
    if open_it and path and not webbrowser.open(path.as_uri()):
        say("no browser found.")


def delete(
    name: StudyName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    storage: Storage = None,
) -> None:
    """Delete a study permanently: trials, curves, notes, pictures, weights."""
    engine = open_store(storage)
    n_trials = words.count(annotate.count_trials(engine, name), "trial")
    if not yes:
        _ask(f"Delete study '{name}' with {n_trials}? This cannot be undone.")
    children: dict[str, str] = {}
    with suppress(CorruptValueError):  # deleting is the remedy for such a study
        study = open_study(engine, name)
        children |= dict.fromkeys(study.explanations(), "explains it")
        children |= dict.fromkeys(study.retrainings(), "retrained its best")
    n_files = 0
    for artifact_id in annotate.delete_study(engine, name):
        try:
            artifacts.remove_artifact(engine.url, artifact_id)
            n_files += 1
        except StoreError as error:
            say(f"not deleted: {error}")
    say(f"study '{name}' is deleted: {n_trials}, {words.count(n_files, 'file')} of weights.")
    for child, does in children.items():
        say(f"study '{child}', which {does}, is still there: `sweep delete {quote(child)}`.")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("delete asks for confirmation, and there is no terminal. Use --yes.")
    typer.confirm(question, abort=True, err=True)


def schema(
    output: Annotated[
        Path | None,
        output_option("FILE", "stdout"),
    ] = None,
) -> None:
    """Print the JSON schema of study files, by which editors complete and check them."""
    text = to_json(json_schema()) + "\n"
    if output is None or output == STDOUT:
        sys.stdout.write(text)
    else:
        say(f"schema in {write_file(output, text.encode())}")
