"""Arguments and options that several commands share."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sweep.store.handle import StudyHandle

INTERRUPTED = 130
#: SQL's integers; a larger number is no trial of any study.
LARGEST = 2**31 - 1

StudyName = Annotated[str, typer.Argument(metavar="NAME", help="The study, as in `sweep list`.")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", min=0, max=LARGEST, help="The trial.")]
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
Json = Annotated[bool, typer.Option("--json", help="Print JSON, with Optuna's words as keys.")]


def output_option(metavar: str, show_default: str, about: str = "Where to.") -> Any:
    """Return the option -o of a command that writes a file."""
    return typer.Option("-o", "--output", metavar=metavar, show_default=show_default, help=about)


def stored_study(name: str, storage: str | None) -> "StudyHandle":
    """Return the study that NAME and --storage say. Raises NotFoundError with names that are near.

    Imported late, for ``sweep --help`` does without a database.
    """
    from sweep.store.handle import open_study
    from sweep.store.migrate import open_store

    return open_study(open_store(storage), name)
