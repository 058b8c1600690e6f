"""Commands data list, data prepare and data check."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sweep import datasets
from sweep.cli import words
from sweep.cli.options import Json, output_option
from sweep.cli.output import (
    say,
    show,
    show_json,
    show_pairs,
    show_table,
    show_titled_table,
    write_file,
)
from sweep.datasets import DatasetStatus, DatasetSummary
from sweep.errors import UsageError
from sweep.files import file_name
from sweep.messages import LARGEST_SIDE


def list_(as_json: Json = False) -> None:
    """List the data sets known by name, and where they are on this machine."""
    known = datasets.list_known()
    if as_json:
        show_json(known)
    else:
        show_table(_HEADER, map(_cells, known), left=6)


_HEADER = ("name", "state", "about", "license", "checked", "folder", "train", "test")


def _cells(status: DatasetStatus) -> Sequence[str]:
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
        typer.Option("--from", metavar="DIR", help="Copy its files from this folder."),
    ] = None,
) -> None:
    """Fetch and check a data set for offline use."""
    show(str(datasets.prepare(name, source, say)))


def check(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Your own images, or the name of a data set.")
    ],
    output: Annotated[
        Path | None,
        output_option("SHEET.png", "PATH-sheet.png", "File to write."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="28,28", help="Resize to this height and width, as `data.size` does."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a file or folder of images holds, and write a contact sheet of them.

    Counts, pixels, classes, and copies of test images among the training images.
    """
    images = datasets.load(path, None if size is None else _size(size))
    found = datasets.summarise(images)
    from sweep.cli.picture import contact_sheet

    stem = Path(path).expanduser().resolve().name.partition(".")[0] or "data"
    sheet = write_file(output or Path(f"{file_name(stem)}-sheet.png"), contact_sheet(images))
    if as_json:
        show_json({**asdict(found), "sheet": sheet})
        return
    show_pairs({"data": path, **_facts(found)})
    if found.classes:
        rows = [(of.name, f"{of.n_train:,}", f"{of.n_test:,}") for of in found.classes]
        show_titled_table("Classes", ("class", "train", "test"), rows, left=1)
    show(str(sheet))


def _facts(found: DatasetSummary) -> dict[str, str]:
    shape = found.shape
    copies = f"{found.n_test_in_train:,} of the test images are also among the training images"
    return {
        "images": f"{found.n_train:,} to train and validate on, {found.n_test:,} to test on",
        "size": f"{shape}, height x width: {shape.n_inputs:,} numbers per image",
        "pixels": f"{found.lowest} to {found.highest} of 255, mean {found.mean:.1f}",
        "classes": f"{len(found.classes):,}" if found.classes else "none: images without labels",
        "copies": copies if found.n_test_in_train else "no test image is also a training image",
        "blank": f"{found.n_blank:,} images of a single colour" if found.n_blank else "none",
        "sha256": found.sha256,
        **({"remarks": "; ".join(found.remarks)} if found.remarks else {}),
    }


def _size(given: str) -> tuple[int, int]:
    parts = given.replace("x", ",").split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() and len(part) < 5 for part in parts):
        raise UsageError(f"--size {words.shorten(given)!r}: height and width, such as 28,28.")
    height, width = map(int, parts)
    if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
        raise UsageError(f"--size {given}: each is 1 to {LARGEST_SIDE}.")
    return height, width
