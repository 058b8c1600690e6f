"""Commands note, tag and invalidate, which write to the database directly."""

from shlex import quote
from typing import Annotated

import typer

from sweep.cli import words
from sweep.cli.options import Json, Number, Storage, StudyName, TrialOption
from sweep.cli.output import say, show_json, show_pairs
from sweep.errors import UsageError
from sweep.store import annotate
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from sweep.store.records import NoteRow


def note(
    name: StudyName,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", show_default=False, help="The note; without it, show the notes."
        ),
    ] = None,
    trial: TrialOption = None,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Delete the newest note; the previous one becomes current."),
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Write a note on a study or a trial, or read its notes; tables show the newest one.

    A note has at most 4,000 characters.
    """
    engine = open_store(storage)
    if remove:
        if text is not None or as_json:
            raise UsageError("--remove deletes the newest note; omit TEXT and --json.")
        gone = annotate.remove_note(engine, name, trial)
        target = _target(name, trial)
        say(f"the newest note on {target} is deleted." if gone else f"{target} has no note.")
        return
    if text is None:
        _show_notes(open_study(engine, name).notes(trial), as_json)
        return
    if as_json:
        raise UsageError("--json shows notes; omit TEXT or --json.")
    if not text.strip():
        raise UsageError("the note is empty.")
    annotate.note(engine, name, text, trial)
    say(f"noted on {_target(name, trial)}.")


def _show_notes(notes: list[NoteRow], as_json: bool) -> None:
    if as_json:
        show_json(notes)
    elif notes:
        show_pairs({words.moment(note.created_at): note.text for note in notes})
    else:
        say("no notes yet.")


def tag(
    name: StudyName,
    tag: Annotated[str, typer.Argument(metavar="TAG", help="A word or two, at most 64 letters.")],
    trial: TrialOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tag.")] = False,
    storage: Storage = None,
) -> None:
    """Tag a study or a trial."""
    engine = open_store(storage)
    target = _target(name, trial)
    if remove:
        gone = annotate.untag(engine, name, tag, trial)
        say(f"{target} no longer has the tag '{tag}'." if gone else f"{target} had no tag '{tag}'.")
    else:
        new = annotate.tag(engine, name, tag, trial)
        say(f"{target} is tagged '{tag}'" + ("." if new else " already."))


def invalidate(
    name: StudyName,
    number: Number,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Include the trial again.")] = False,
    storage: Storage = None,
) -> None:
    """Exclude a trial from best, sampling and analysis; its state and numbers do not change."""
    if undo and reason is not None:
        raise UsageError("--reason says why a trial is excluded; omit it with --undo.")
    engine = open_store(storage)
    if undo:
        annotate.validate(engine, name, number)
        say(f"{_target(name, number)} counts again.")
    else:
        annotate.invalidate(engine, name, number, (reason or "").strip() or None)
        say(
            f"{_target(name, number)} is excluded. "
            f"To undo: `sweep invalidate {quote(name)} {number} --undo`"
        )


def _target(name: str, trial: int | None) -> str:
    return f"study '{name}'" if trial is None else f"trial {trial} of study '{name}'"
