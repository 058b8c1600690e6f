"""data check: what there is, and a contact sheet."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweep.datasets import load, summarise
from tests.support.cli_runner import Cli
from tests.support.picture_folders import fill

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(1, 255, (12, 4, 5, 3), np.uint8)


def save(path: Path = Path("mine.npz")) -> str:
    """Twelve and six images in colour; two of the tests are copies of training images."""
    test = np.concatenate(
        [COLOUR[:2], RNG.integers(1, 255, (3, 4, 5, 3), np.uint8), COLOUR[:1] * 0]
    )
    labels = {"y_train": np.arange(12) % 3, "y_test": np.arange(6) % 3}
    np.savez(path, train=COLOUR, test=test, more=np.zeros(3), **labels)
    return f"./{path}"


def test_it_says_what_there_is_and_draws_a_row_of_each_class(cli: Cli) -> None:
    answer = cli("data", "check", save())
    assert answer.code == 0
    for said in (
        "12 to train and validate on, 6 to test on",
        "4 x 5 x 3 (RGB), height x width: 60 numbers per image",
        "0 to 254 of 255",
        "2 of the test images are also among the training images",
        "1 images of a single colour",
        "array more",
    ):
        assert said in answer.out
    with Image.open("mine-sheet.png") as sheet:
        assert (sheet.mode, sheet.size) == ("RGB", (4 * 10 * 7, 4 * 3 * 6))


def test_json_has_the_same(cli: Cli) -> None:
    found = cli("data", "check", save(), "-o", "x.png", "--json").json
    assert found["shape"] == {"height": 4, "width": 5, "channels": 3}
    assert (found["n_test_in_train"], found["n_blank"]) == (2, 1)
    assert found["classes"][0] == {"name": "0", "n_train": 4, "n_test": 2}
    assert found["sheet"] == str(Path("x.png").absolute())


def test_images_without_labels_are_drawn_in_their_order(cli: Cli) -> None:
    fill(Path("pictures"), 25)
    answer = cli("data", "check", "./pictures", "--size", "8,6")
    assert "none: images without labels" in answer.out and "8 x 6" in answer.out
    with Image.open("pictures-sheet.png") as sheet:
        assert sheet.size == (4 * 10 * 8, 4 * 2 * 10)


@pytest.mark.parametrize("size", ["8", "a,b", "0,3", "600,3", "1,2,3"])
def test_a_size_that_is_none_is_a_usage_error(cli: Cli, size: str) -> None:
    answer = cli("data", "check", save(), "--size", size)
    assert answer.code == 2 and "--size" in answer.err


def test_what_is_refused_leaves_no_sheet(cli: Cli) -> None:
    np.savez("bad.npz", train=COLOUR / 300, test=COLOUR)
    answer = cli("data", "check", "./bad.npz")
    assert answer.code == 9
    assert answer.err.count("sweep: ") == 1 and "not whole 255ths" in answer.err
    assert not list(Path().glob("*.png"))


def test_doubts_are_said(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 2, (9, 4, 4, 1), np.uint8).repeat(3, axis=3)
    np.savez(tmp_path / "x.npz", train=pixels, test=pixels)
    remarks = summarise(load(str(tmp_path / "x.npz"))).remarks
    assert [remark.partition(":")[0] for remark in remarks] == [
        "no pixel is brighter than 1 of 255",
        "red, green and blue are equal everywhere",
    ]


def test_images_without_any_light_are_called_black(tmp_path: Path) -> None:
    pixels = np.zeros((9, 4, 4), np.uint8)
    np.savez(tmp_path / "x.npz", train=pixels, test=pixels)
    remarks = summarise(load(str(tmp_path / "x.npz"))).remarks
    assert remarks == ("every pixel is 0: all images are black",)
