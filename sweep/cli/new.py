"""Command new: write a study file to start with."""

import json
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sweep.cli.output import say, show, to_json, write_file
from sweep.enums import Dataset
from sweep.errors import UsageError
from sweep.studyfile import json_schema, loads
from sweep.studyfile.template import new_study_text

#: Written next to the study file, which refers to it.
SCHEMA = "sweep.schema.json"


def new(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The study file to write.")] = Path(
        "study.toml"
    ),
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the study.", show_default="the file's"
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option("--data", metavar="NAME", help="A data set, or the path of your own images."),
    ] = Dataset.FASHION_MNIST_MINI.value,
) -> None:
    """Write a commented study file that is ready to run.

    Editors complete and check the file by the JSON schema of study files, written to the same
    folder.
    """
    path = path.expanduser()
    if path.is_dir():
        raise UsageError(f"{path} is a folder. Name a file in it, such as {path / 'study.toml'}.")
    if path.exists():
        raise UsageError(f"{path} exists. Name another file: `sweep new OTHER.toml`.")
    schema = path.with_name(SCHEMA)
    _check_ours(schema)
    text = new_study_text(quote(str(path)), name or path.stem, data, SCHEMA)
    loads(text, str(path))
    remedy = "Write the study file to another folder: `sweep new FOLDER/FILE.toml`."
    write_file(schema, (to_json(json_schema()) + "\n").encode(), remedy)
    show(str(write_file(path, text.encode(), remedy)))
    say(f"Run it: `sweep start {quote(str(path))}`.")


def _check_ours(schema: Path) -> None:
    """Raise UsageError if another program's file has the schema's name."""
    if not schema.exists():
        return
    try:
        title = json.loads(schema.read_bytes()).get("title")
    except (OSError, ValueError, AttributeError):
        title = None
    if title != "sweep study file":
        raise UsageError(
            f"{schema} exists and is not a schema of sweep. Write the study file to another folder."
        )
