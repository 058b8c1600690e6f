"""model and encode: take a trained network away, or apply its encoder."""

import io
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.options import LARGEST, Json, Number, Storage, StudyName, output_option, stored_study
from sweep.cli.output import deliver, show, show_json, write_file
from sweep.errors import UsageError
from sweep.extras import require_torch
from sweep.files import file_name


def model(
    name: StudyName,
    number: Annotated[
        int | None,
        typer.Argument(
            metavar="[NUMBER]",
            min=0,
            max=LARGEST,
            help="The trial.",
            show_default="the best whose weights are kept",
        ),
    ] = None,
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where to.")
    ] = Path(),
    keras: Annotated[bool, typer.Option("--keras", help="Write code for Keras, too.")] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write an ONNX file, too (extra 'onnx').")
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Write a trial's weights, and a program that loads them and needs nothing of sweep.

    The weights are safetensors, with the trial's settings in the metadata.
    """
    from sweep.findings.weights import best_with_weights, model_files, read_weights

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder. Make it first.")
    study = stored_study(name, storage)
    number = best_with_weights(study) if number is None else number
    contents = model_files(study, number)
    if not keras:
        contents.popitem()
    if onnx:
        from sweep.trainer.onnx_export import onnx_model

        file = f"{file_name(name)}-{number}.onnx"
        contents[file] = onnx_model(read_weights(study, number))
    paths = [write_file(folder / file, content) for file, content in contents.items()]
    if as_json:
        show_json({"number": number, "files": paths})
        return
    for path in paths:
        show(str(path))


def encode(
    name: StudyName,
    number: Number,
    images: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="Images as `data.name` takes them: a name, a file or a folder.",
            show_default="the study's data set",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option("FILE.npz", "NAME-NUMBER-codes.npz"),
    ] = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Apply a trial's encoder to images; write their codes as NumPy arrays.

    The file holds `train` and `test`, float32 arrays (images, hidden width), and the labels.
    """
    study = stored_study(name, storage)
    from sweep.findings.weights import read_weights

    weights = read_weights(study, number)
    require_torch("encode")
    import numpy as np

    from sweep import datasets, trainer
    from sweep.analysis.study_data import study_images

    data = datasets.load(images) if images else study_images(study)
    found = {
        "train": trainer.encode(weights, data.train_images),
        "test": trainer.encode(weights, data.test_images),
        "train_labels": data.train_labels,
        "test_labels": data.test_labels,
    }
    arrays: dict[str, Any] = {key: array for key, array in found.items() if array is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path, content = output or Path(f"{file_name(name)}-{number}-codes.npz"), buffer.getvalue()
    shapes = {key: list(array.shape) for key, array in arrays.items()}
    if as_json:
        show_json({"number": number, "path": write_file(path, content), "shapes": shapes})
        return
    n_images, width = shapes["train"][0] + shapes["test"][0], shapes["train"][1]
    deliver(path, content, f"{words.count(n_images, 'code')} of {words.count(width, 'number')}")
