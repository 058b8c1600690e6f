"""List the formats of users' own images, and the function that reads each."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sweep.datasets.arrays import RawImages
from sweep.datasets.hugging_face import is_saved_dataset, read_hugging_face
from sweep.datasets.images import Images
from sweep.datasets.numpy_files import read_npy, read_npy_folder, read_npz
from sweep.errors import DataError

Size = tuple[int, int]

EXPECTED = (
    "a .npz or .npy file, or a folder of IDX files, of .npy files, of PNG and JPEG files, or saved "
    "by Hugging Face's datasets"
)


class ImageFormat(NamedTuple):
    """A format of images on disk."""

    title: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, str, Size | None], RawImages]
    #: Workers read it directly, as fast as a copy.
    is_fast: bool = False


def format_of(path: Path) -> ImageFormat | None:
    """Return the format of a file or folder; None if there is none."""
    return next((form for form in FORMATS if form.recognises(path)), None)


def read_own(path: Path, name: str, size: Size | None = None) -> Images:
    """Read a user's images. Raises DataError for a path without images."""
    form = format_of(path)
    if form is None:
        raise DataError(f"{path}: contains no images that sweep reads; expected {EXPECTED}.")
    return form.read(path, name, size).images()


def _is_file(suffix: str) -> Callable[[Path], bool]:
    # A pipe passes here, so that its error says what it is.
    return lambda path: path.suffix.lower() == suffix and path.exists() and not path.is_dir()


def _holds_npy(path: Path) -> bool:
    return path.is_dir() and next(path.glob("*.npy"), None) is not None


def _holds_pictures(path: Path) -> bool:
    from sweep.datasets.picture_folder import holds_pictures  # Pillow

    return path.is_dir() and holds_pictures(path)


def _read_pictures(path: Path, name: str, size: Size | None) -> RawImages:
    from sweep.datasets.picture_folder import read_picture_folder  # Pillow

    return read_picture_folder(path, name, size)


FORMATS = (
    ImageFormat("arrays of a .npz file", _is_file(".npz"), read_npz, is_fast=True),
    ImageFormat("an array of a .npy file", _is_file(".npy"), read_npy),
    ImageFormat("a data set of Hugging Face's", is_saved_dataset, read_hugging_face),
    ImageFormat("a folder of .npy files", _holds_npy, read_npy_folder),
    ImageFormat("a folder of PNG or JPEG files", _holds_pictures, _read_pictures),
)
