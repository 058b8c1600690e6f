"""Command reconstruct: apply a trial's model to images and show its copies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from sweep import datasets
from sweep.analysis.study_data import study_images
from sweep.cli import words
from sweep.cli.options import (
    Json,
    NumberOrBestKept,
    Storage,
    StudyName,
    output_option,
    stored_study,
)
from sweep.cli.output import deliver, show_json, write_file
from sweep.datasets.formats import format_of
from sweep.datasets.idx import read_idx
from sweep.errors import DataError
from sweep.extras import require_torch
from sweep.files import file_name
from sweep.findings.weights import number_or_best_kept, read_weights
from sweep.store.handle import StudyHandle

if TYPE_CHECKING:
    from sweep.cli.picture import Pixels

#: Images per row; more go below.
COLUMNS = 10


def reconstruct(
    name: StudyName,
    number: NumberOrBestKept = None,
    output: Annotated[
        Path | None,
        output_option("FILE.png", "NAME-NUMBER.png"),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="IDX-FILE|DATASET",
            show_default="the study's data set",
            help="Images to reconstruct; for a data set, its test images.",
        ),
    ] = None,
    first: Annotated[int, typer.Option(min=1, max=10_000, help="Number of images.")] = COLUMNS,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Apply a trial's model to images; write originals, copies and errors as one PNG.

    A study keeps the weights of the best trial of each width. An error of half the scale is white.
    """
    study = stored_study(name, storage)
    number = number_or_best_kept(study, number)
    weights = read_weights(study, number)
    require_torch("reconstruct")
    originals = (_images(images) if images else _study_images(study))[:first]
    from sweep import trainer  # torch: seconds
    from sweep.cli.picture import picture

    copies = trainer.reconstruct(weights, originals.reshape(len(originals), -1))
    pixels = copies.pixels.reshape(originals.shape)
    path, png = output or Path(f"{file_name(name)}-{number}.png"), picture(originals, pixels)
    result = _measure(originals, copies.pixels, copies.image_mse)
    if as_json:
        show_json({"number": number, "path": write_file(path, png), **result})
        return
    mse, exact = words.number(result["mse"]), words.percent(result["exact_pixel_share"])
    about = f"{words.count(len(originals), 'image')}: mse {mse}, exact pixels {exact}"
    deliver(path, png, about)


def _study_images(study: "StudyHandle") -> "Pixels":
    data = study_images(study)
    return data.unflatten(data.test_images)


def _images(source: str) -> "Pixels":
    """Load test images of a data set, or the images of one IDX file.

    (N, height, width) if they are grey, (N, height, width, 3) in colour.
    """
    path = Path(source).expanduser()
    if not path.is_file() or format_of(path) is not None:
        data = datasets.load(source)
        return data.unflatten(data.test_images)
    images = read_idx(path)
    if images.ndim != 3 or images.size == 0:
        raise DataError(f"{path}: expected images (count, height, width), found {images.shape}.")
    return images


def _measure(
    originals: "Pixels", copies: "Pixels", image_mse: "NDArray[np.float64]"
) -> dict[str, Any]:
    exact = originals.reshape(copies.shape) == copies
    return {
        "mse": float(image_mse.mean()),
        "exact_pixel_share": float(exact.mean()),
        "image_mse": image_mse.tolist(),
    }
