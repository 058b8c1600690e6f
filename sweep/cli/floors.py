"""Command floors: lower bounds of errors on a data set."""

from typing import Annotated

import typer

from sweep import datasets
from sweep.analysis.floors import compute_floors
from sweep.cli import words
from sweep.cli.options import LARGEST, Json
from sweep.cli.output import show_finding, show_json, show_pairs
from sweep.errors import UsageError
from sweep.findings.floors import bounds_in_words, floors_json, pca_table


def floors(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="A name of `sweep data list`, or a folder's path."),
    ],
    widths: Annotated[
        str | None,
        typer.Option(metavar="8,64,784", show_default="powers of 2", help="Hidden widths to show."),
    ] = None,
    validation_fraction: Annotated[
        float, typer.Option(help="Share of the training images held out, as in study files.")
    ] = 0.1,
    split_seed: Annotated[
        int, typer.Option(min=0, max=LARGEST, help="Seed of that split, as in study files.")
    ] = 0,
    train_limit: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Maximum number of training images.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute the floors of a data set: PCA error at each width, the pixels' entropy.

    A linear autoencoder cannot beat PCA at its width; no binary cross-entropy is below the entropy.
    """
    chosen = None if widths is None else _widths(widths)
    if not 0 < validation_fraction < 1:
        raise UsageError(f"--validation-fraction {validation_fraction:g}: above 0 and below 1.")
    images = datasets.load(dataset)
    shown = _shown_widths(images.n_inputs, chosen)
    at = [width for width in shown if width > 0]
    found = compute_floors(images, validation_fraction, split_seed, train_limit, at)
    table = pca_table(found, shown)
    if as_json:
        show_json(floors_json(found, table))
        return
    show_pairs({"data": dataset, **bounds_in_words(found)})
    show_finding(table)


def _widths(given: str) -> list[int]:
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise UsageError(f"--widths {words.shorten(given)!r}: whole numbers, such as 8,64,784.")
    return [int(part) for part in parts]


def _shown_widths(n_inputs: int, chosen: list[int] | None) -> list[int]:
    if chosen is None:
        powers = [2**n for n in range(n_inputs.bit_length())]
        return sorted({*powers, n_inputs})
    for width in chosen:
        if width > n_inputs:
            raise UsageError(
                f"--widths {width}: PCA has {n_inputs} components at most, one per pixel, "
                "with an error of 0."
            )
    return chosen
