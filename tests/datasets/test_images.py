"""A data set in memory and its split."""

from pathlib import Path

import numpy as np
import pytest

from sweep.datasets import load
from sweep.errors import DataError
from tests.support.factories import make_images, write_dataset
from tests.support.idx_files import write_idx


def test_a_split_uses_every_training_image_once() -> None:
    train, validation = make_images(n_train=120).split(0.25, seed=3)
    assert len(validation) == 30
    assert sorted([*train, *validation]) == list(range(120))


def test_a_split_is_fixed_by_its_seed_for_ever() -> None:
    # Pinned: another permutation would change every result ever stored.
    train, validation = make_images(n_train=10).split(0.2, seed=0)
    assert validation.tolist() == [4, 6]
    assert train.tolist() == [2, 7, 3, 5, 9, 0, 8, 1]


def test_another_seed_is_another_split() -> None:
    images = make_images()
    assert not np.array_equal(images.split(0.2, seed=0)[1], images.split(0.2, seed=1)[1])


def test_a_limit_cuts_training_images_and_leaves_validation_alone() -> None:
    images = make_images(n_train=120)
    train, validation = images.split(0.25, seed=3)
    limited, same_validation = images.split(0.25, seed=3, train_limit=7)
    assert limited.tolist() == train[:7].tolist()
    assert same_validation.tolist() == validation.tolist()


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_a_split_that_leaves_a_side_empty_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match="both must be at least 1"):
        make_images(n_train=120).split(fraction, seed=0)


def test_the_checksum_covers_pixels_and_labels() -> None:
    assert make_images().sha256 == make_images().sha256
    assert make_images(seed=1).sha256 != make_images().sha256
    assert make_images(n_classes=9).sha256 != make_images().sha256


def test_labels_that_do_not_match_the_images_are_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.zeros(3, np.uint8))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte.gz: expected 40 labels"):
        load(str(folder))


def test_test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", np.zeros((40, 5, 6), np.uint8))
    with pytest.raises(DataError, match="test images are 5 x 6 pixels"):
        load(str(folder))


def test_a_file_without_images_is_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path)
    write_idx(folder / "train-images-idx3-ubyte.gz", np.zeros((0, 6, 6), np.uint8))
    with pytest.raises(DataError, match="expected images"):
        load(str(folder))
