"""Load trained networks from files."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import NotFoundError
from sweep.extras import require_torch
from sweep.files import LARGEST_WEIGHTS, read_regular

if TYPE_CHECKING:
    from sweep.trainer.model import TrainedAutoencoder


def load_model(path: str | PathLike[str]) -> "TrainedAutoencoder":
    """Return the network of a weights file, as `sweep model` writes it, on the CPU.

    ``Study.load_model`` loads it from a database. Raises NotFoundError if the file does not exist,
    and SweepError for another kind of file, or without PyTorch.
    """
    require_torch("a network")
    try:
        content = read_regular(Path(path), LARGEST_WEIGHTS)
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}.") from error
    from sweep.trainer import trained_model

    return trained_model(content)
