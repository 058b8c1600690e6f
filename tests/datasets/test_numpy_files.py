"""Data sets of numpy's arrays: what is taken, and what is refused with a hint."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.datasets import load
from sweep.errors import DataError
from sweep.messages import ImageShape

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 4, 5), np.uint8)
TEST = RNG.integers(0, 256, (8, 4, 5), np.uint8)
COLOUR = RNG.integers(0, 256, (20, 4, 5, 3), np.uint8)


def save(tmp_path: Path, **arrays: Any) -> str:
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays)
    return str(path)


def message_of(path: str, **options: Any) -> str:
    with pytest.raises(DataError) as raised:
        load(path, **options)
    return str(raised.value)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("x_train", "x_test"),
        ("X_train", "X_test"),
        ("train_images", "test_images"),
        ("images_train", "images_test"),
        ("train_x", "test_x"),
        ("train_data", "test_data"),
    ],
)
def test_arrays_go_by_the_names_that_libraries_give_them(
    tmp_path: Path, train: str, test: str
) -> None:
    images = load(save(tmp_path, **{train: GREY, test: TEST}))
    assert images.shape == ImageShape(height=4, width=5)
    assert np.array_equal(images.train_images, GREY.reshape(20, 20))
    assert np.array_equal(images.test_images, TEST.reshape(8, 20))
    assert images.train_labels is None and images.test_labels is None


@pytest.mark.parametrize(
    ("train", "test"), [("y_train", "y_test"), ("train_labels", "test_labels")]
)
def test_labels_come_along(tmp_path: Path, train: str, test: str) -> None:
    labels = {train: np.arange(20) % 3, test: np.arange(8)[:, None] % 3}
    images = load(save(tmp_path, x_train=GREY, x_test=TEST, **labels))
    assert images.train_labels is not None and images.test_labels is not None
    assert images.train_labels.tolist() == [n % 3 for n in range(20)]
    assert images.test_labels.tolist() == [n % 3 for n in range(8)]
    assert images.train_labels.dtype == np.uint8


def test_labels_that_are_words_name_the_classes(tmp_path: Path) -> None:
    words = np.array(["cat", "dog"])
    images = load(
        save(
            tmp_path, train=GREY, test=TEST, y_train=words[np.arange(20) % 2], y_test=words[[1] * 8]
        )
    )
    assert images.class_names == ("dog",), "of the classes that occur among the test images"
    assert images.train_labels is not None and images.train_labels[:3].tolist() == [0, 1, 0]


def test_names_of_classes_go_by_the_labels(tmp_path: Path) -> None:
    labels = {"y_train": np.arange(20) % 2, "y_test": np.arange(8) % 2}
    names = np.array(["left", "right"])
    images = load(save(tmp_path, train=GREY, test=TEST, class_names=names, **labels))
    assert images.class_names == ("left", "right")


def test_more_classes_than_bytes_are_said_and_not_used(tmp_path: Path) -> None:
    pixels = np.zeros((300, 2, 2), np.uint8)
    images = load(save(tmp_path, x=pixels, y=np.arange(300)))
    assert images.train_labels is None
    assert images.unused == ("labels: 300 classes, more than 256",)


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (COLOUR, ImageShape(height=4, width=5, channels=3)),
        (COLOUR.transpose(0, 3, 1, 2), ImageShape(height=4, width=5, channels=3)),
        (np.asfortranarray(COLOUR), ImageShape(height=4, width=5, channels=3)),
    ],
)
def test_colour_is_taken_with_its_channels_last_or_first(
    tmp_path: Path, array: Any, shape: ImageShape
) -> None:
    images = load(save(tmp_path, train=array, test=array[:4]))
    assert images.shape == shape
    assert images.n_inputs == 60
    assert np.array_equal(images.unflatten(images.train_images), COLOUR)


@pytest.mark.parametrize("axis", [1, 3])
def test_one_channel_is_grey(tmp_path: Path, axis: int) -> None:
    images = load(save(tmp_path, train=np.expand_dims(GREY, axis), test=np.expand_dims(TEST, axis)))
    assert images.shape == ImageShape(height=4, width=5)


def test_rows_of_a_square_number_are_square_images(tmp_path: Path) -> None:
    assert load(save(tmp_path, data=np.zeros((9, 64), np.uint8))).shape == ImageShape(
        height=8, width=8
    )


def test_a_fifth_of_undivided_images_is_kept_for_tests_always_the_same(tmp_path: Path) -> None:
    pixels = np.arange(20, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    images = load(save(tmp_path, images=pixels, target=np.arange(20)))
    # Pinned: another division would change every result ever stored.
    assert images.test_images[:, 0].tolist() == [2, 4, 6, 19]
    assert images.test_labels is not None and images.test_labels.tolist() == [2, 4, 6, 19]
    assert sorted([*images.train_images[:, 0], *images.test_images[:, 0]]) == list(range(20))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_taken_where_they_are_whole_255ths(tmp_path: Path, dtype: Any) -> None:
    images = load(save(tmp_path, train=(GREY / 255).astype(dtype), test=TEST))
    assert np.array_equal(images.train_images, GREY.reshape(20, 20))


def test_whole_numbers_of_other_types_are_bytes_and_booleans_black_and_white(
    tmp_path: Path,
) -> None:
    images = load(save(tmp_path, train=GREY.astype(np.int64), test=TEST > 100))
    assert np.array_equal(images.train_images, GREY.reshape(20, 20))
    assert set(images.test_images.ravel()) == {0, 255}


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (GREY / 300, "not whole 255ths.*round"),
        (GREY.astype(np.float32), "floats from 0 to 255.*If 255 is white, `x.astype"),
        (GREY / 127.5 - 1.0, "floats from -1 to 1; expected 0 to 1"),
        (GREY.astype(np.int16) * 3, "whole numbers from 0 to 765"),
        (GREY.astype(np.int16) - 9, "whole numbers from -9 to"),
        (np.where(GREY[0, 0, 0] == GREY, np.nan, 0.0), "not finite"),
        (np.where(GREY[0, 0, 0] == GREY, np.inf, 0.0), "not finite"),
        (GREY.astype(complex), "complex128, which is not numbers"),
        (np.zeros((20, 4, 5, 4), np.uint8), "the transparency"),
        (np.zeros((20, 7), np.uint8), "reshape"),
        (np.zeros((20, 0, 5), np.uint8), "not an array of images"),
        (np.zeros(20, np.uint8), "not an array of images"),
        (np.array(["a", "b"]), "shape"),
    ],
)
def test_pixels_that_are_none_are_refused_with_what_would_do(
    tmp_path: Path, train: Any, said: str
) -> None:
    path = save(tmp_path, train=train, test=TEST)
    with pytest.raises(DataError, match=f"(?s){said}"):
        load(path)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.arange(19), r"labels of shape \(19,\) for 20 images"),
        (np.eye(20), "argmax"),
        (np.arange(20) / 3, "labels of type float64"),
        (np.array(["x" * 300] * 20), "a label of 300 letters"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: Any, said: str) -> None:
    path = save(tmp_path, train=GREY, test=TEST, y_train=labels, y_test=np.arange(8))
    with pytest.raises(DataError, match=said):
        load(path)


def test_labels_of_undivided_images_are_counted_before_they_are_divided(tmp_path: Path) -> None:
    said = message_of(save(tmp_path, images=GREY, labels=np.arange(21)))
    assert "labels of shape (21,) for 20 images" in said


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_images_are_refused(tmp_path: Path, n: int) -> None:
    assert "at least 3 are needed" in message_of(save(tmp_path, images=GREY[:n]))


def test_no_test_images_are_refused(tmp_path: Path) -> None:
    assert "0 images for tests" in message_of(save(tmp_path, train=GREY, test=TEST[:0]))


def test_test_images_of_another_size_are_refused_or_resized(tmp_path: Path) -> None:
    path = save(tmp_path, train=GREY, test=TEST.transpose(0, 2, 1))
    assert "test images are 5 x 4, but training images are 4 x 5" in message_of(path)
    assert load(path, size=(3, 3)).shape == ImageShape(height=3, width=3)


def test_colour_beside_grey_is_refused(tmp_path: Path) -> None:
    assert "convert both to grey or both to RGB" in message_of(
        save(tmp_path, train=GREY, test=COLOUR)
    )


def test_a_known_data_set_is_resized_too() -> None:
    images = load("fashion-mnist-mini", size=(7, 9))
    assert images.shape == ImageShape(height=7, width=9)
    assert images.train_images.shape == (6000, 63)


def test_arrays_that_are_not_used_are_named(tmp_path: Path) -> None:
    assert load(save(tmp_path, train=GREY, test=TEST, val_images=TEST)).unused == (
        "array val_images",
    )


def test_an_unknown_name_is_answered_with_those_expected(tmp_path: Path) -> None:
    said = message_of(save(tmp_path, pictures=GREY))
    assert "expected `train` and `test`" in said and "Found: pictures" in said


def test_two_names_for_one_part_are_refused(tmp_path: Path) -> None:
    said = message_of(save(tmp_path, x_train=GREY, train_images=GREY))
    assert "which array is train? It has x_train, train_images" in said


def test_a_folder_of_arrays_is_read_like_a_file_of_them(tmp_path: Path) -> None:
    for name, array in {"x_train": GREY, "x_test": TEST, "y_train": np.arange(20)}.items():
        np.save(tmp_path / f"{name}.npy", array)
    images = load(str(tmp_path))
    assert len(images.train_images) == 20 and len(images.test_images) == 8
    assert images.unused == ("labels: only the training images have some",)


@pytest.mark.parametrize("name", ["y_train", "y_test"])
def test_labels_of_one_part_are_as_many_as_its_images(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, x_train=GREY, x_test=TEST, **{name: np.arange(7)})
    assert "labels of shape (7,) for" in message_of(path)


def test_one_array_is_divided(tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", GREY)
    assert len(load(str(tmp_path / "all.npy")).test_images) == 4


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harmed"),)

    path = tmp_path / "x.npz"
    np.savez(path, train=np.array([Harmful()], dtype=object), test=TEST)
    assert "an array of type object" in message_of(str(path))
    np.save(tmp_path / "x.npy", np.array([Harmful()], dtype=object))
    assert "an array of type object" in message_of(str(tmp_path / "x.npy"))
    assert not (tmp_path / "harmed").exists()


def _npy(shape: str, content: bytes = b"") -> bytes:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "shape", ["(100000, 512, 512)", "(9223372036854775807, 2, 2)", "(-1, 2, 2)", f"({10**60},)"]
)
def test_a_header_that_takes_more_memory_than_there_may_be_is_refused(
    tmp_path: Path, shape: str
) -> None:
    (tmp_path / "x.npz").write_bytes(_zip(train=_npy(shape)))
    assert "x.npz: train" in message_of(str(tmp_path / "x.npz"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"no archive",
        _zip(train=b""),
        _zip(train=b"\x93NUMPY\x01\x00\xff\xff{"),
        _zip(train=_npy("(3, 2, 2)", b"1234")),
        _zip(train=_npy("((3,), 2)")),
        _zip(train=_npy("__import__('os')")),
        _zip(x=_npy("(4, 2, 2)", bytes(16)))[:-30],
        _zip(x=_npy("(4, 2, 2)", bytes(16))).replace(b"\x08\x00", b"\x63\x00"),
    ],
)
def test_a_damaged_archive_is_one_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    assert message_of(str(tmp_path / "x.npz")).startswith(f"{tmp_path / 'x.npz'}")


def test_a_bomb_unpacks_no_more_than_its_header_says(tmp_path: Path) -> None:
    bomb = _zip(train=_npy("(10, 4, 5)", bytes(300_000_000)), test=_npy("(4, 4, 5)", bytes(80)))
    (tmp_path / "x.npz").write_bytes(bomb)
    assert load(str(tmp_path / "x.npz")).train_images.shape == (10, 20)


def test_members_that_lead_out_of_the_archive_are_written_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "x.npz").write_bytes(
        _zip(**{"../escaped": b"x", "train": _npy("(9, 2, 2)", bytes(36))})
    )
    images = load(str(folder / "x.npz"))
    assert len(images.test_images) == 2, "undivided"
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "x.npz"]


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    assert "not a regular file" in message_of(str(tmp_path / "x.npz"))


def test_a_missing_path_and_one_without_images_are_told_apart(tmp_path: Path) -> None:
    assert "no such file or folder" in message_of(str(tmp_path / "no.npz"))
    assert "no such file or folder" in message_of("no.npz"), "no name of a data set"
    assert "no data set of that name" in message_of("no")
    assert "expected a .npz or .npy file, or a folder of IDX files" in message_of(str(tmp_path))
    (tmp_path / "x.txt").write_text("x")
    assert "contains no images that sweep reads" in message_of(str(tmp_path / "x.txt"))
