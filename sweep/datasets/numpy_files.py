"""Read arrays of a .npz file, of a .npy file, or of a folder of .npy files.

Nothing is unpickled, no file of an archive is written, and an array's memory is checked by its
header before it is allocated.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from sweep.datasets.arrays import Array, RawImages, source_of
from sweep.datasets.idx import LARGEST_BYTES
from sweep.errors import DataError
from sweep.files import open_regular

_IMAGES = ("x", "images", "image", "data")
_LABELS = ("y", "labels", "label", "targets", "target")
_TRAIN = ("train", "training", "tr")
_TEST = ("test", "testing", "te")


def _spellings(parts: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Spell names in all orders: ``x_train``, ``train_x``, ``xtrain`` and so on, in lower case."""
    return tuple(
        name
        for part in parts
        for kind in kinds
        for name in (f"{kind}_{part}", f"{part}_{kind}", f"{kind}{part}")
    )


#: Names of arrays, without regard to case: as in examples of numpy, Keras and scikit-learn.
NAMES: Mapping[str, tuple[str, ...]] = {
    "train": (*_TRAIN, *_spellings(_TRAIN, _IMAGES)),
    "test": (*_TEST, *_spellings(_TEST, _IMAGES)),
    "train_labels": _spellings(_TRAIN, _LABELS),
    "test_labels": _spellings(_TEST, _LABELS),
    "class_names": ("class_names", "label_names"),
}
#: Names of data that are not divided into training and test images.
UNDIVIDED: Mapping[str, tuple[str, ...]] = {
    "train": (*_IMAGES, "arr_0"),
    "train_labels": _LABELS,
}
_EXPECTED = "`train` and `test`, or `x_train` and `x_test`, or `images` alone"
_DIVISION = ("train", "test")


def read_npz(path: Path, name: str, size: tuple[int, int] | None = None) -> RawImages:
    """Read the arrays of a .npz file. Raises DataError if they are not a data set."""
    with (
        _convert_read_errors(path),
        open_regular(path, LARGEST_BYTES) as file,
        zipfile.ZipFile(file) as archive,
    ):
        members = {
            entry.filename.removesuffix(".npy"): entry
            for entry in archive.infolist()
            if entry.filename.endswith(".npy")
        }
        chosen, unused = choose(list(members), name)
        arrays, left = {}, LARGEST_BYTES
        for part, member in chosen.items():
            with archive.open(members[member]) as content:
                arrays[part] = read_array(content, f"{path}: {member}", left)
            left -= arrays[part].nbytes
    return source_of(name, arrays, size=size, unused=unused)


def read_npy(path: Path, name: str, size: tuple[int, int] | None = None) -> RawImages:
    """Read the images of one .npy file."""
    return source_of(name, {"train": _read_file(path)}, size=size)


def read_npy_folder(folder: Path, name: str, size: tuple[int, int] | None = None) -> RawImages:
    """Read the arrays of a folder's .npy files, which are named like those of a .npz file."""
    files = {path.stem: path for path in sorted(folder.glob("*.npy"))}
    chosen, unused = choose(list(files), name)
    arrays = {part: _read_file(files[stem]) for part, stem in chosen.items()}
    return source_of(name, arrays, size=size, unused=unused)


def choose(names: list[str], source: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Choose which array is which part; also return the unused ones.

    Raises DataError if that is ambiguous.
    """
    chosen = _matches(names, NAMES, source)
    if not chosen.keys() & set(_DIVISION):
        chosen |= _matches(names, UNDIVIDED, source)
    if "train" not in chosen:
        listed = ", ".join(sorted(names)[:20]) or "no arrays"
        raise DataError(
            f"{source}: none of its arrays has training images; expected {_EXPECTED}. "
            f"Found: {listed}."
        )
    left = sorted(set(names) - set(chosen.values()))
    return chosen, tuple(f"array {name}" for name in left)


def _matches(
    names: list[str], spellings: Mapping[str, tuple[str, ...]], source: str
) -> dict[str, str]:
    found = {}
    for part, known in spellings.items():
        called = [name for name in names if name.lower() in known]
        if len(called) > 1:
            raise DataError(
                f"{source}: which array is {part.replace('_', ' ')}? It has {', '.join(called)}. "
                "Keep one."
            )
        if called:
            found[part] = called[0]
    return found


def _read_file(path: Path) -> Array:
    with _convert_read_errors(path), open_regular(path, LARGEST_BYTES + (1 << 20)) as file:
        return read_array(file, str(path))


@contextmanager
def _convert_read_errors(path: Path) -> Iterator[None]:
    """Convert errors of numpy and zipfile for damaged files to DataError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: damaged, or not of the format in its name: {error}.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error


def read_array(file: IO[bytes], what: str, most: int = LARGEST_BYTES) -> Array:
    """Read one array of numbers or texts, of at most ``most`` bytes.

    Raises DataError for other types, and for a larger array.
    """
    try:
        version = npy.read_magic(file)
        read_header: Any = npy.read_array_header_1_0 if version == (1, 0) else _later_header
        shape, in_columns, dtype = read_header(file)
    except (ValueError, UnicodeDecodeError, SyntaxError, RecursionError, MemoryError) as error:
        raise DataError(f"{what}: not an array of numpy's: {_first_line(error)}.") from error
    if dtype.kind not in "biufUS":
        raise DataError(
            f"{what}: an array of type {dtype}, which is not numbers. "
            "`np.stack(list(x))` makes one array of images of one size."
        )
    n_bytes = math.prod(shape) * dtype.itemsize  # Python integers don't overflow
    if n_bytes > most or not all(0 <= n < 1 << 40 for n in shape):
        raise DataError(
            f"{what}: shape {shape} of {dtype} takes {n_bytes:,} bytes; a data set may take "
            f"{LARGEST_BYTES:,}. Save pixels as unsigned bytes, or fewer images."
        )
    content = bytearray()
    while len(content) < n_bytes and (chunk := file.read(min(1 << 24, n_bytes - len(content)))):
        content += chunk
    if len(content) < n_bytes:
        raise DataError(
            f"{what}: truncated: shape {shape} of {dtype} takes {n_bytes:,} bytes, found "
            f"{len(content):,}. Write it again."
        )
    array = np.frombuffer(content, dtype)
    return array.reshape(shape[::-1]).T if in_columns else array.reshape(shape)


def _later_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    return npy.read_array_header_2_0(file)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
