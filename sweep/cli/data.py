"""data list and data prepare."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import words
from sweep.cli.options import Json
from sweep.cli.output import say, show, show_json, show_table

if TYPE_CHECKING:
    from sweep.datasets import DatasetStatus


def list_(as_json: Json = False) -> None:
    """List the data sets known by name, and where they are on this machine."""
    from sweep import datasets

    known = datasets.known()
    if as_json:
        show_json(known)
    else:
        show_table(_HEADER, map(_cells, known), left=6)


_HEADER = ("name", "state", "about", "license", "checked", "folder", "train", "test")


def _cells(status: "DatasetStatus") -> Sequence[str]:
    return (
        status.name,
        status.state.value,
        status.description,
        status.license,
        "sha256" if status.pinned else "counts",
        str(status.path or words.NOTHING),
        f"{status.n_train:,}",
        f"{status.n_test:,}",
    )


def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of `sweep data list`.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Take its files from this folder."),
    ] = None,
) -> None:
    """Fetch and check a data set, so that it needs no network from then on."""
    from sweep import datasets

    show(str(datasets.prepare(name, source, say)))
