"""Command floors: lower bounds of errors on a data set."""

from typing import Annotated, Any

import typer

from sweep import datasets
from sweep.analysis.floors import Floors, compute_floors
from sweep.cli import words
from sweep.cli.options import LARGEST, Json
from sweep.cli.output import show_json, show_pairs, show_titled_table
from sweep.errors import UsageError


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
    if as_json:
        show_json(_as_json(found, shown))
        return
    show_pairs(
        {
            "data": dataset,
            "entropy of the pixels": f"{found.test_entropy:.5f} nats on test, "
            f"{found.val_entropy:.5f} on validation, {found.train_entropy:.5f} on training images: "
            "the floor of bce",
            "error of the mean image": f"{found.test_mean_mse:.6f} on test, "
            f"{found.val_mean_mse:.6f} on validation, {found.train_pca_mse[0]:.6f} on training "
            "images",
        }
    )
    rows = [(str(row["hidden_width"]), *_cells(row)) for row in _pca(found, shown)]
    show_titled_table("PCA error; clipped: its copies clipped to [0, 1]", _HEADER, rows, left=0)


_ERRORS = ("test_mse", "val_mse", "train_mse")
_CLIPPED = tuple(f"clipped_{name}" for name in _ERRORS)
_HEADER = ("width", *_ERRORS, *(name.replace("_", " ", 1) for name in _CLIPPED))


def _cells(row: dict[str, Any]) -> list[str]:
    return [f"{row[name]:.6f}" for name in (*_ERRORS, *_CLIPPED)]


def _pca(found: Floors, shown: list[int]) -> list[dict[str, Any]]:
    """Return the errors by name at each shown width; width 0 is the mean image, never clipped."""
    clipped = found.clipped
    of_width = {
        width: (test, val, train)
        for width, test, val, train in zip(
            clipped.widths, clipped.test_mse, clipped.val_mse, clipped.train_mse, strict=True
        )
    }
    rows = []
    for width in shown:
        errors = (found.test_pca_mse[width], found.val_pca_mse[width], found.train_pca_mse[width])
        named = dict(zip(_ERRORS, errors, strict=True))
        cut = dict(zip(_CLIPPED, of_width.get(width, errors), strict=True))
        rows.append({"hidden_width": width, **named, **cut})
    return rows


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


def _as_json(found: Floors, shown: list[int]) -> dict[str, Any]:
    return {
        "data_key": found.data_key,
        "test_entropy": found.test_entropy,
        "val_entropy": found.val_entropy,
        "train_entropy": found.train_entropy,
        "test_mean_mse": found.test_mean_mse,
        "val_mean_mse": found.val_mean_mse,
        "train_mean_mse": found.train_pca_mse[0],
        "pca": _pca(found, shown),
    }
