import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from sweep.analysis import strips
from sweep.analysis.strips import LARGEST_IMAGE, images_of, picture_names
from sweep.errors import StoreError
from sweep.figures.atlas import apart_png, nearer_png
from sweep.figures.pictures import cut_strip, see_through
from sweep.messages import ImageShape
from sweep.trainer import data, pixels
from tests.support.store_factories import strip_png

NAMES = picture_names(())


def open_image(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def test_strips_are_cut_where_the_trainer_joins_them() -> None:
    assert (strips.GAP, strips.STRIP_LENGTH) == (pixels.GAP, data.STRIP_LENGTH)


@pytest.mark.parametrize("size", [(28, 28), (6, 9)])
def test_a_strip_becomes_ten_pictures(size: tuple[int, int]) -> None:
    height, width = size
    found = cut_strip(strip_png(height=height, width=width), "Original", NAMES)
    assert [open_image(picture.uri).size for picture in found] == [(width, height)] * 10
    # strip_png paints picture n in the grey 20 n, so that any white gap would show.
    assert [open_image(picture.uri).getextrema() for picture in found] == [
        (20 * n, 20 * n) for n in range(10)
    ]
    assert found[3].alt == "Original: test image 4"


def in_colour() -> bytes:
    """A strip of ten images of a colour each."""
    colours = np.array([[n, 100, 255 - n] for n in range(10)], np.uint8)
    images = colours[:, None].repeat(12, 1)
    return pixels.strip_png(images.reshape(10, -1), ImageShape(height=3, width=4, channels=3))


def test_a_strip_in_colour_becomes_ten_pictures_in_colour() -> None:
    found = images_of(in_colour())
    assert found is not None and found.shape == (10, 3, 4, 3)
    assert found[7, 2, 1].tolist() == [7, 100, 248]
    picture = open_image(cut_strip(in_colour(), "Original", NAMES)[7].uri)
    assert picture.mode == "RGB" and picture.getpixel((3, 2)) == (7, 100, 248)
    strip = Image.open(io.BytesIO(see_through(in_colour())))
    assert strip.getpixel((6, 0)) == (1, 100, 254, 255)
    assert strip.getpixel((5, 0))[3] == 0  # type: ignore[index]


def test_errors_in_colour_stay_in_colour_and_the_nearer_trial_is_told_by_their_mean() -> None:
    apart = Image.open(io.BytesIO(apart_png(in_colour(), in_colour()) or b""))
    assert apart.getpixel((6, 0)) == (1, 100, 254, 255)
    assert nearer_png(in_colour(), in_colour()) is not None
    assert nearer_png(in_colour(), strip_png(height=3, width=4)) is None, "grey beside colour"


def test_a_strip_that_is_not_of_ten_stays_whole() -> None:
    (whole,) = cut_strip(strip_png(n=3), "Original", NAMES)
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


def png_of(width: int, height: int, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), 255).save(buffer, format, compress_level=1)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (bytes, "cannot identify image file"),
        (lambda: b"junk", "cannot identify image file"),
        (lambda: strip_png()[:60], "."),
        (lambda: strip_png()[:20] + bytes(4) + strip_png()[24:], "."),
        (lambda: png_of(10, 10, "GIF"), "cannot identify image file"),
        (lambda: png_of(4008, 4000), "it has 4,008 x 4,000 pixels"),
        (lambda: png_of(20_000, 10_000), "."),  # where Pillow itself complains
    ],
    ids=["nothing", "junk", "cut", "flipped", "GIF", "large", "bomb"],
)
def test_what_is_no_strip_of_a_sweep_is_refused(make: Callable[[], bytes], said: str) -> None:
    content = make()
    for decode in (images_of, see_through, lambda png: cut_strip(png, "Original", NAMES)):
        with pytest.raises(StoreError, match=r"a picture in the database cannot be shown") as found:
            decode(content)
        assert said in str(found.value) and "BytesIO" not in str(found.value)


def test_the_largest_images_are_decoded() -> None:
    found = images_of(strip_png(height=LARGEST_IMAGE, width=LARGEST_IMAGE))
    assert found is not None and found.shape == (10, LARGEST_IMAGE, LARGEST_IMAGE)
