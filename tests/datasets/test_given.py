"""Images that a script has in memory."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from sweep.datasets import Images, images_given
from sweep.errors import DataError
from sweep.messages import ImageShape

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 4, 5), np.uint8)
LABELS = np.arange(12) % 3
#: As torchvision's ToTensor gives them: (1, height, width), floats from 0 to 1.
TENSORS = torch.from_numpy(GREY).float().div(255)[:, None]


class Pictures(Dataset[Any]):
    """A data set of torch's that is no array, and never raises IndexError."""

    def __init__(self, *, labelled: bool) -> None:
        self.labelled = labelled

    def __len__(self) -> int:
        return len(GREY)

    def __getitem__(self, place: int) -> Any:
        image = Image.fromarray(GREY[place % len(GREY)])
        return (image, int(LABELS[place % len(GREY)])) if self.labelled else image


def train_of(images: Images) -> Any:
    return images.unflatten(images.train_images)


@pytest.mark.parametrize(
    "given",
    [
        GREY,
        torch.from_numpy(GREY),
        TENSORS,
        TensorDataset(TENSORS),
        Pictures(labelled=False),
        Pictures(labelled=True),
        (GREY, LABELS),
        TensorDataset(TENSORS, torch.from_numpy(LABELS)),
    ],
)
def test_train_and_test_are_taken_as_libraries_give_them(given: Any) -> None:
    images = images_given((given, given))
    assert images.shape == ImageShape(height=4, width=5)
    assert np.array_equal(train_of(images), GREY) and len(images.test_images) == 12
    if images.train_labels is not None:
        assert images.train_labels.tolist() == LABELS.tolist()


def test_undivided_images_are_divided() -> None:
    images = images_given(GREY)
    assert (len(images.train_images), len(images.test_images)) == (10, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((GREY, GREY, GREY), "a tuple of 3"),
        ((GREY, "test.npz"), "test: a str; expected images"),
        (7, "data: train: a int; expected images"),
        ((GREY, GREY / 300), "test images: floats that are not whole 255ths"),
        ((GREY, [GREY[0], GREY[0, :2]]), "test: items of 2 shapes"),
        ((TensorDataset(TENSORS, TENSORS, TENSORS), GREY), "item 0 has 3 parts"),
        ((TensorDataset(TENSORS * torch.nan), GREY), "item 0: .*not finite"),
        (((GREY, LABELS[:5]), (GREY, LABELS)), "labels of shape"),
        ((np.array([None, "x"]), GREY), "an array of objects"),
    ],
)
def test_what_is_no_data_set_is_refused(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        images_given(given)
