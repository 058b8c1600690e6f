"""Read IDX files: two zero bytes, a type code, the number of dimensions, sizes, values.

Source: "THE IDX FILE FORMAT", Y. LeCun, C. Cortes and C. Burges, The MNIST database. Only type 0x08
(unsigned byte) is read, raw or gzipped; the content shows which.
"""

import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.errors import DataError
from sweep.files import read_regular

#: Limit on a file, packed or not, and on an array in memory: four times the images of EMNIST.
LARGEST_BYTES = 4_000_000_000
_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 20
_CHUNK_BYTES = 1 << 23


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read the array of one file. Raises a DataError that names it."""
    return parse_idx(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Read a file's content, unpacked up to the length in its header plus one byte.

    The readable part of a truncated gzip file is kept, to be counted.
    """
    try:
        content = read_regular(path, LARGEST_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    return _gunzip(content, path) if content.startswith(_GZIP_MAGIC) else content


def parse_idx(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Parse the array in a file's unpacked content; ``path`` is for the message."""
    shape = _shape(content, path)
    expected, found = _expected_bytes(shape), len(content)
    if found != expected:
        raise DataError(
            f"{path}: {'truncated' if found < expected else 'too long'}: {_shape_words(shape)} take"
            f" {expected:,} bytes unpacked, found {found:,}. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def _gunzip(content: bytes, path: Path) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    unpacked = bytearray()
    try:
        # The header first: it says how much to unpack, whatever the size or state of the rest (2 MB
        # of gzip can be 2 GB of zeros).
        unpacked += unpacker.decompress(content, _HEADER_BYTES)
        expected = _expected_bytes(_shape(bytes(unpacked), path))
        left = expected + 1 - len(unpacked)
        while unpacker.unconsumed_tail and left > 0:
            unpacked += unpacker.decompress(unpacker.unconsumed_tail, min(left, _CHUNK_BYTES))
            left = expected + 1 - len(unpacked)
    except zlib.error as error:
        raise DataError(
            f"{path}: damaged: {_expected_words(bytes(unpacked), path)}the gzip data go wrong"
            f" within {_CHUNK_BYTES:,} bytes after {len(unpacked):,} ({error}). Fetch it again."
        ) from error
    return bytes(unpacked)


def _expected_words(content: bytes, path: Path) -> str:
    if not content:
        return ""
    return f"{_expected_bytes(_shape(content, path)):,} bytes expected unpacked, "


def _expected_bytes(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape) + math.prod(shape)  # Python integers don't overflow


def _shape(content: bytes, path: Path) -> tuple[int, ...]:
    if len(content) < 4:
        raise DataError(
            f"{path}: an IDX file has at least 4 bytes of header, found {len(content)}."
            " Fetch it again."
        )
    zero, type_code, n_dimensions = struct.unpack(">HBB", content[:4])
    if zero != 0 or type_code != _UNSIGNED_BYTE or not 1 <= n_dimensions <= 4:
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes: it begins with {content[:4].hex(' ')},"
            " expected 00 00 08 and 1 to 4 dimensions."
        )
    end = 4 + 4 * n_dimensions
    if len(content) < end:
        raise DataError(
            f"{path}: an IDX header of {n_dimensions} dimensions takes {end} bytes,"
            f" found {len(content)}. Fetch it again."
        )
    shape = struct.unpack(f">{n_dimensions}I", content[4:end])
    if 0 in shape[1:] or math.prod(shape) > LARGEST_BYTES:
        raise DataError(
            f"{path}: the IDX header says {' x '.join(f'{n:,}' for n in shape)} values; an image "
            f"has pixels, and a file at most {LARGEST_BYTES:,} values. Fetch it again."
        )
    return shape


def _shape_words(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]:,} labels"
    return f"{shape[0]:,} images of {' x '.join(map(str, shape[1:]))}"
