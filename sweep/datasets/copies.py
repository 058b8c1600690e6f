"""Keep copies of users' images in the cache, which workers read instead of decoding them again.

A copy is named by the digest of its images, so it is found from any folder, and by what else
workers read from it, so it is never confused with other images.
"""

import hashlib
import io
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from sweep.datasets.images import Images
from sweep.datasets.places import cache_folder, convert_write_errors

_FOLDER = "copies"
_DIGITS, _MORE_DIGITS = 32, 8


def copies_of(sha256: str) -> list[Path]:
    """List the copies in the cache of the images with this digest, the newest last.

    They differ in the names of the labels, or in the images' shape.
    """
    found = (cache_folder() / _FOLDER).absolute().glob(f"{sha256[:_DIGITS]}-*.npz")
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _file_name(images: Images) -> str:
    # ``Images.sha256`` is the digest of pixels and labels alone, one after the other.
    details = (
        images.shape,
        (len(images.train_images), len(images.test_images), images.train_labels is None),
        sorted(images.label_names.items()),
    )
    more = hashlib.sha256(repr(details).encode()).hexdigest()
    return f"{images.sha256[:_DIGITS]}-{more[:_MORE_DIGITS]}.npz"


def write_copy(images: Images, folder: Path | None = None) -> Path:
    """Write the images to a folder (by default the cache) atomically.

    Returns the copy's path. Raises NoRoomError if it cannot be written.
    """
    path = (folder or cache_folder() / _FOLDER) / _file_name(images)
    if path.is_file():
        return path
    with convert_write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write(file, images)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    return path


def _write(file: io.BufferedWriter, images: Images) -> None:
    arrays = {
        "train": images.unflatten(images.train_images),
        "test": images.unflatten(images.test_images),
    }
    if images.train_labels is not None and images.test_labels is not None:
        arrays |= {"train_labels": images.train_labels, "test_labels": images.test_labels}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
        if images.label_names:
            names = [images.label_names.get(n, "") for n in range(1 + max(images.label_names))]
            with archive.open("class_names.npy", "w") as member:
                npy.write_array(member, np.array(names), allow_pickle=False)
