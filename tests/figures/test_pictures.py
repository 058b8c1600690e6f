import base64
import io

import pytest
from PIL import Image

from sweep.analysis import strips
from sweep.analysis.strips import picture_names
from sweep.figures.pictures import cut, see_through
from sweep.trainer import data, pixels
from tests.store_factories import strip_png

NAMES = picture_names(())


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def test_strips_are_cut_where_the_trainer_joins_them() -> None:
    assert (strips.GAP, strips.STRIP_LENGTH) == (pixels.GAP, data.STRIP_LENGTH)


@pytest.mark.parametrize("size", [(28, 28), (6, 9)])
def test_a_strip_becomes_ten_pictures(size: tuple[int, int]) -> None:
    height, width = size
    found = cut(strip_png(height=height, width=width), "Original", NAMES)
    assert [opened(picture.uri).size for picture in found] == [(width, height)] * 10
    # strip_png paints picture n in the grey 20 n, so that any white gap would show.
    assert [opened(picture.uri).getextrema() for picture in found] == [
        (20 * n, 20 * n) for n in range(10)
    ]
    assert found[3].alt == "Original: test image 4"


def test_a_strip_that_is_not_of_ten_stays_whole() -> None:
    (whole,) = cut(strip_png(n=3), "Original", NAMES)
    assert whole.alt == "Original"


def test_pictures_are_named_by_class_where_there_are_ten() -> None:
    assert picture_names(tuple("0123456789")) == list("0123456789")
    assert picture_names(("a", "b"))[0] == "test image 1"


def test_the_gaps_of_a_strip_let_the_page_through_and_its_pictures_do_not() -> None:
    strip = Image.open(io.BytesIO(see_through(strip_png(height=28, width=28))))
    alphas = [strip.getpixel((x, 14))[1] for x in range(strip.width)]  # type: ignore[index]
    assert alphas == ([255] * 28 + [0] * 2) * 9 + [255] * 28
    assert strip.getpixel((31, 5)) == (20, 255)


def test_a_strip_without_gaps_is_left_alone() -> None:
    assert see_through(strip_png(n=3)) == strip_png(n=3)
