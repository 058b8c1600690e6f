"""Define arguments and options that several commands share."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from sweep.store.handle import DatabaseHandle, StudyHandle

INTERRUPTED = 130
#: Maximum of SQL's integers; no trial has a larger number.
LARGEST = 2**31 - 1

StudyName = Annotated[str, typer.Argument(metavar="NAME", help="The study, as in `sweep list`.")]
#: For commands that only read: see ``stored_study``.
StudyNameOrOnly = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", help="The study.", show_default="the only one, or the only one that runs"
    ),
]
Number = Annotated[int, typer.Argument(metavar="NUMBER", min=0, max=LARGEST, help="The trial.")]
NumberOrBestKept = Annotated[
    int | None,
    typer.Argument(
        metavar="[NUMBER]",
        min=0,
        max=LARGEST,
        help="The trial.",
        show_default="the best whose weights are kept",
    ),
]
NumbersOrWidths = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="[NUMBER]...",
        min=0,
        max=LARGEST,
        show_default="the best of each width, two widths to an octave",
        help="Trials.",
    ),
]
TrialOption = Annotated[
    int | None,
    typer.Option("--trial", metavar="NUMBER", min=0, max=LARGEST, help="One trial of the study."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Database, such as sqlite:///sweep.db or postgresql://user@host/name.",
        show_default="SWEEP_STORAGE, else sqlite:///sweep.db",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITIONS",
        help="Only trials that meet these, as in the filter of the page Trials: "
        "'tanh, n_parameters<50000'.",
    ),
]
Wide = Annotated[bool, typer.Option("--wide", help="Show every column, however wide.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, with Optuna's words as keys.")]


def output_option(
    metavar: str, show_default: str, about: str = "File to write; - is stdout."
) -> Any:
    """Return the option -o of a command that writes a file."""
    return typer.Option("-o", "--output", metavar=metavar, show_default=show_default, help=about)


def stored_study(name: str | None, storage: str | None) -> "StudyHandle":
    """Return the study given by NAME and --storage, or the only possible one without NAME.

    Raises NotFoundError that suggests similar names, UsageError if several studies are possible.
    Imports are local, because ``sweep --help`` needs no database.
    """
    from sweep.store.handle import DatabaseHandle, open_study
    from sweep.store.migrate import open_store

    engine = open_store(storage)
    return _only_study(DatabaseHandle(engine)) if name is None else open_study(engine, name)


def _only_study(database: "DatabaseHandle") -> "StudyHandle":
    """Return the only study, or the only one that is running; derived studies do not count."""
    found = database.studies()
    running = [study.name for study in found if study.running]
    handles = [database.study(study.name) for study in found]
    names = [of.name for of in handles if of.explains() is None and of.retrains() is None]
    for candidates in (running, names):
        if len(candidates) == 1:
            return database.study(candidates[0])
    if not found:
        raise NotFoundError("no studies yet. `sweep start FILE` creates one.")
    candidates = running or names or [study.name for study in found]
    shown = ", ".join(candidates[:_N_NAMES]) + (", …" if len(candidates) > _N_NAMES else "")
    what = "studies run" if running else "studies are here"
    raise UsageError(f"NAME: {len(candidates)} {what}. Name one of them: {shown}.")


_N_NAMES = 5
