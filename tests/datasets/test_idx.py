"""Reading IDX files, whole and broken."""

import gzip
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweep.datasets.idx import read_idx
from sweep.errors import DataError
from tests.support.idx_files import idx_bytes, write_idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
N_BYTES = 16 + 24


def message_of(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read_idx(path)
    return str(raised.value)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, IMAGES)
    assert np.array_equal(read_idx(tmp_path / name), IMAGES)


def test_the_content_not_the_name_says_whether_a_file_is_gzipped(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(gzip.compress(idx_bytes(IMAGES)))
    assert np.array_equal(read_idx(tmp_path / "images"), IMAGES)


def test_a_truncated_file_is_named_with_bytes_expected_and_found(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(IMAGES)[:-5])
    message = message_of(path)
    assert str(path) in message
    assert "truncated" in message
    assert f"{N_BYTES}" in message
    assert f"{N_BYTES - 5}" in message


def test_a_truncated_gzip_file_counts_what_could_be_unpacked(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 10, 10), np.uint8)
    path = tmp_path / "images.gz"
    packed = gzip.compress(idx_bytes(noise))
    path.write_bytes(packed[: len(packed) // 2])
    message = message_of(path)
    assert "truncated" in message
    assert "5,016 bytes" in message


def test_a_damaged_gzip_file_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 10, 10), np.uint8)
    packed = bytearray(gzip.compress(idx_bytes(noise)))
    packed[-6] ^= 0xFF  # its checksum
    path = tmp_path / "images.gz"
    path.write_bytes(packed)
    message = message_of(path)
    assert "damaged" in message
    assert "5,016 bytes expected" in message


def test_a_file_with_bytes_to_spare_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(idx_bytes(IMAGES) + b"more")
    assert "too long" in message_of(tmp_path / "images")


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"<html>", b"\0\0\x0d\x01\0\0\0\x01", b"\0\0\x08\x03\0\0"]
)
def test_what_is_no_idx_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "something"
    path.write_bytes(content)
    assert str(path) in message_of(path)


def test_a_file_that_cannot_be_read_is_a_data_error(tmp_path: Path) -> None:
    assert "cannot be read" in message_of(tmp_path)


def test_a_gzip_file_is_unpacked_no_further_than_its_header_says(tmp_path: Path) -> None:
    # 60 kB that would be 64 MB of zeros, behind a header of ten images.
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(struct.pack(">BBBBIII", 0, 0, 8, 3, 10, 28, 28))
    packed += packer.compress(bytes(1 << 26)) + packer.flush()
    (tmp_path / "bomb.gz").write_bytes(packed)
    tracemalloc.start()
    message = message_of(tmp_path / "bomb.gz")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "too long: 10 images of 28 x 28 take 7,856 bytes" in message
    assert most < 1 << 20


@pytest.mark.parametrize(
    "shape",
    [(2**32 - 1, 2**32 - 1, 0), (2**32 - 1, 2**32 - 1, 2**32 - 1), (10, 0, 28), (2**32 - 1,) * 4],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_no_file_can_keep_is_refused(
    tmp_path: Path, shape: tuple[int, ...], pack: Callable[[bytes], bytes]
) -> None:
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    (tmp_path / "images").write_bytes(pack(header))
    assert "the IDX header says" in message_of(tmp_path / "images")


def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "images")
    assert "not a regular file" in message_of(tmp_path / "images")


def test_a_device_without_an_end_is_refused() -> None:
    assert "not a regular file" in message_of(Path("/dev/zero"))
