"""model and encode: take a trained network away, or apply its encoder."""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

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
from sweep.cli.output import deliver, make_folder, say, show, show_json, write_file
from sweep.coordinator.verify import train_weights
from sweep.errors import NotFoundError
from sweep.extras import require_torch
from sweep.files import file_name
from sweep.findings.weights import (
    command_to_train,
    model_files,
    no_weights,
    number_or_best_kept,
    read_weights,
)
from sweep.store.handle import StudyHandle


def model(
    name: StudyName,
    number: NumberOrBestKept = None,
    folder: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="Folder to write to; it is created."),
    ] = Path(),
    keras: Annotated[bool, typer.Option("--keras", help="Also write code for Keras.")] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also write an ONNX file (extra 'onnx').")
    ] = False,
    train: Annotated[
        bool,
        typer.Option("--train", help="Train the trial again if its weights were not kept."),
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Write a trial's weights, and a program that loads them and needs nothing of sweep.

    The weights are safetensors, with the trial's settings in the metadata. A study keeps those of
    the best trial of each width; any other can be trained again with its settings and seeds, and
    is written if it comes out as it is on record.
    """
    study = stored_study(name, storage)
    number = number_or_best_kept(study, number)
    contents = model_files(study, number, _weights(study, number, train=train))
    weights = next(iter(contents.values()))
    if not keras:
        contents.popitem()
    if onnx:
        from sweep.trainer.onnx_export import onnx_model

        file = f"{file_name(name)}-{number}.onnx"
        contents[file] = onnx_model(weights)
    make_folder(folder, "the weights")
    paths = [write_file(folder / file, content) for file, content in contents.items()]
    if as_json:
        show_json({"number": number, "files": paths})
        return
    for path in paths:
        show(str(path))


def _weights(study: StudyHandle, number: int, *, train: bool) -> bytes:
    if study.trial(number).artifact_id is not None:
        return read_weights(study, number)
    if not train:
        command = command_to_train(study.name, number)
        raise NotFoundError(f"{no_weights(study, number)} `{command}` trains it again.")
    require_torch("model --train")
    return train_weights(study, number, say=say)


def encode(
    name: StudyName,
    number: NumberOrBestKept = None,
    images: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="Images as in `data.name`: a name, a file or a folder.",
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

    A study keeps the weights of the best trial of each width. The file holds `train` and `test`,
    float32 arrays (images, hidden width), and the labels.
    """
    study = stored_study(name, storage)
    number = number_or_best_kept(study, number)
    weights = read_weights(study, number)
    require_torch("encode")
    from sweep import datasets, trainer

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
