"""Folders of PNG and JPEG files."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweep.datasets import load
from sweep.errors import DataError
from sweep.messages import ImageShape
from tests.support.picture_folders import fill, paint


def message_of(folder: Path, size: tuple[int, int] | None = None) -> str:
    with pytest.raises(DataError) as raised:
        load(str(folder), size)
    return str(raised.value)


def test_pictures_of_a_folder_are_divided_by_a_fixed_seed(tmp_path: Path) -> None:
    images = load(str(fill(tmp_path)))
    assert images.shape == ImageShape(height=3, width=4)
    # Pinned: another division would change every result ever stored.
    assert images.test_images[:, 0].tolist() == [4, 6]
    assert images.train_images[:, 0].tolist() == [0, 1, 2, 3, 5, 7, 8, 9]
    assert images.train_labels is None and images.class_names == ()


def test_sub_folders_are_classes_and_train_and_test_divide(tmp_path: Path) -> None:
    for part, n in (("train", 3), ("test", 2)):
        for place, name in enumerate(("cats", "dogs")):
            fill(tmp_path / part / name / "deeper", n + place)
    images = load(str(tmp_path))
    assert (len(images.train_images), len(images.test_images)) == (7, 5)
    assert images.class_names == ("cats", "dogs")
    assert images.test_labels is not None and images.test_labels.tolist() == [0, 0, 1, 1, 1]


def test_a_folder_for_validation_stands_for_test_where_there_is_none(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "val", 2)
    assert len(load(str(tmp_path)).test_images) == 2
    fill(tmp_path / "test", 3)
    images = load(str(tmp_path))
    assert len(images.test_images) == 3 and images.unused == ("folder val/",)


def test_colour_is_flattened_pixel_by_pixel_and_grey_joins_it(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    Image.new("RGB", (4, 3), (10, 20, 30)).save(tmp_path / "colour.png")
    images = load(str(tmp_path))
    assert images.shape == ImageShape(height=3, width=4, channels=3)
    rows = np.concatenate([images.train_images, images.test_images])
    assert [10, 20, 30, 10, 20, 30] in rows[:, :6].tolist()
    assert [3, 3, 3, 3, 3, 3] in rows[:, :6].tolist()


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK"])
def test_other_modes_are_taken_where_they_lose_nothing(tmp_path: Path, mode: str) -> None:
    fill(tmp_path, 4)
    image = Image.new("RGBA", (4, 3), (7, 7, 7, 255)).convert("RGB" if mode == "P" else "RGBA")
    image.convert(mode).save(tmp_path / ("x.jpg" if mode == "CMYK" else "x.png"))
    assert load(str(tmp_path)).shape.height == 3


def test_a_photograph_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    for place in range(4):
        paint(tmp_path / f"{place}.png", size=(4, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    Image.new("L", (3, 4)).save(tmp_path / "held.jpg", exif=exif)
    assert load(str(tmp_path)).shape == ImageShape(height=3, width=4)


def test_sizes_that_differ_are_listed_and_resized_when_asked(tmp_path: Path) -> None:
    (
        fill(tmp_path, 5),
        paint(tmp_path / "odd.png", size=(9, 2)),
        paint(tmp_path / "x.png", size=(1, 1)),
    )
    said = message_of(tmp_path)
    assert "pictures of 3 sizes; 5 are 3 x 4" in said
    assert "odd.png: 2 x 9" in said and "x.png: 1 x 1" in said and "data.size" in said
    images = load(str(tmp_path), (5, 6))
    assert images.shape == ImageShape(height=5, width=6)
    assert len(images.train_images) + len(images.test_images) == 7


def test_only_the_first_of_many_offenders_are_listed(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    for place in range(30):
        (tmp_path / f"bad{place:02}.png").write_bytes(b"no picture")
    said = message_of(tmp_path)
    assert said.count("not a PNG or JPEG") == 5 and "and 25 more" in said


@pytest.mark.parametrize("cut", [8, 30, 60])
def test_a_truncated_picture_is_named(tmp_path: Path, cut: int) -> None:
    fill(tmp_path)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8))
    noise.save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:cut])
    assert "cut.png: " in message_of(tmp_path)


def _png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("side", [60_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    fill(tmp_path)
    (tmp_path / "bomb.png").write_bytes(_png_header(side, side) + b"\0" * 40)
    assert "bomb.png: " in message_of(tmp_path, (3, 4))


def test_a_large_picture_needs_a_size(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    paint(tmp_path / "large.png", size=(600, 20))
    assert "large.png: 20 x 600 pixels; the limit for training is 512 per side" in message_of(
        tmp_path
    )
    assert load(str(tmp_path), (3, 4)).shape.width == 4


@pytest.mark.parametrize(("mode", "said"), [("I;16", "more than 8 bits"), ("RGBA", "transparent")])
def test_pixels_that_bytes_cannot_hold_are_refused(tmp_path: Path, mode: str, said: str) -> None:
    fill(tmp_path)
    paint(tmp_path / "x.png", 9, mode=mode)
    assert said in message_of(tmp_path)


def test_another_format_under_the_name_of_a_png_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (4, 3)).save(buffer, "GIF")
    (fill(tmp_path) / "x.png").write_bytes(buffer.getvalue())
    assert "x.png: not a PNG or JPEG file" in message_of(tmp_path)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside = paint(tmp_path / "outside.png")
    (fill(tmp_path / "inside") / "link.png").symlink_to(outside)
    assert "link.png: a link out of" in message_of(tmp_path / "inside")


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    (fill(tmp_path) / "link.png").symlink_to(tmp_path / "000.png")
    images = load(str(tmp_path))
    assert len(images.train_images) + len(images.test_images) == 11


def test_pictures_beside_classes_are_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path / "cats")
    assert "pictures beside sub-folders of pictures (000.png, cats/)" in message_of(tmp_path)


def test_train_without_test_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    assert "but no test/" in message_of(tmp_path)


def test_one_picture_is_refused(tmp_path: Path) -> None:
    assert "1 image; at least 3 are needed" in message_of(fill(tmp_path, 1))


def test_an_empty_folder_of_tests_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    (tmp_path / "test").mkdir()
    assert "no PNG or JPEG file" in message_of(tmp_path)


def test_hidden_files_are_passed_over_and_others_counted(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    (tmp_path / ".DS_Store").write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._x.png").write_text("x")
    (tmp_path / "README.txt").write_text("x")
    assert load(str(tmp_path)).unused == ("1 files that are neither PNG nor JPEG",)
