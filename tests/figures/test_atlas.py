"""The atlas as it is shown: pictures whose colours tell the kind of error, and lines by width."""

from dataclasses import replace

import numpy as np
import pytest

from sweep.analysis.atlas import Atlas, StoppingWidth, atlas_trial, class_stops
from sweep.config import TrialConfig
from sweep.figures.atlas import (
    PIXELS,
    atlas_note,
    draw_by_width,
    errors_apart,
    gather_class_errors,
    gather_kind_errors,
    gather_pictures,
    nearer,
    stops_in_words,
)
from tests.support.store_factories import trial_row

ORIGINALS = np.array([[[0, 100]], [[100, 255]]], dtype=np.uint8)
COPIES = np.array([[[0, 151]], [[100, 255]]], dtype=np.uint8)
MAPS = np.array([[[0, 102]], [[0, 0]]], dtype=np.uint8)
WIDTHS = (8, 16, 32)


def atlas() -> Atlas:
    """Of two images and two classes: the first class stops at 16 units, the second falls on."""
    per_class = [(0.4, 0.4), (0.2, 0.2), (0.2, 0.1)]
    rows = [
        trial_row(number=n, values=(0.1,), config=TrialConfig(hidden_width=width), per_class_mse=of)
        for n, (width, of) in enumerate(zip(WIDTHS, per_class, strict=True))
    ]
    trials = [atlas_trial(row, ORIGINALS, COPIES, MAPS) for row in rows]
    return Atlas(
        originals=ORIGINALS,
        image_names=["shoe", "bag"],
        class_names=["shoe", "bag"],
        trials=trials,
        by_class=rows,
        without_pictures=[],
        image_stops=[],
        class_stops=class_stops(rows, ["shoe", "bag"]),
    )


def test_an_error_at_a_saturated_pixel_has_another_colour() -> None:
    white = np.full_like(MAPS, 255)
    assert errors_apart(ORIGINALS, white)[0].tolist() == [[[230, 159, 0], [255, 255, 255]]]
    assert not errors_apart(ORIGINALS, np.zeros_like(MAPS)).any()


def test_images_in_colour_are_shown_with_the_errors_of_their_channels() -> None:
    coloured = [array[..., None].repeat(3, axis=3) for array in (ORIGINALS, COPIES, MAPS)]
    of = atlas_trial(atlas().by_class[0], *coloured)
    assert of.image_mse == pytest.approx(atlas().trials[0].image_mse)
    shown = replace(atlas(), originals=coloured[0], trials=[of])
    assert [len(row.pictures) for row in gather_pictures(shown)] == [2, 2, 2]
    assert errors_apart(coloured[0], coloured[2]) is coloured[2]
    assert "errors of these channels" in atlas_note(shown)


def test_the_nearer_of_two_trials_has_its_colour() -> None:
    found = nearer(MAPS, MAPS[::-1].copy())
    assert found[0, 0, 1].argmax() == 0  # orange: the second
    assert found[1, 0, 1].argmax() == 2  # blue: the first
    assert not found[:, 0, 0].any()


def test_each_trial_stands_under_the_originals_with_its_errors() -> None:
    labels = [line.label for line in gather_pictures(atlas())]
    each = [label for width in WIDTHS for label in (f"{width} units", "Its errors")]
    assert labels == ["Originals", *each]
    assert gather_pictures(atlas())[2].pictures[1].alt == "Error of trial 0: bag"


def test_lines_of_classes_have_a_ring_where_they_stop() -> None:
    found = gather_class_errors(atlas())
    assert (found.widths, found.stops) == ([8, 16, 32], {"shoe": 16})
    assert found.errors["bag"] == [0.4, 0.2, 0.1]
    *lines, rings = draw_by_width(found).data
    assert [line.name for line in lines] == ["shoe", "bag"]
    assert (list(rings.x), list(rings.y)) == ([16], [0.2])


def test_kinds_of_pixels_are_lines_too() -> None:
    found = gather_kind_errors(atlas())
    assert list(found.errors) == ["black (exactly 0)", "in between", "white (exactly 1)"]
    assert found.errors["in between"] == pytest.approx([0.02] * 3)
    assert "in between: 50 % of the pixels, 100 % of the squared error, 50 % exact" in found.about
    assert len(draw_by_width(found).data) == 3


def test_heading_and_note_are_about_the_trial_with_the_lowest_value() -> None:
    """A wider one has the lower mean over the kinds, and errs most at white pixels."""
    best, wider = (
        trial_row(number=n, values=(value,), config=TrialConfig(hidden_width=width))
        for n, value, width in ((0, 0.01, 8), (1, 0.02, 16))
    )
    between = np.where(MAPS > 0, 255, 0).astype(np.uint8)
    white = np.where(ORIGINALS == 255, 51, 0).astype(np.uint8)
    trials = [
        atlas_trial(best, ORIGINALS, COPIES, between),
        atlas_trial(wider, ORIGINALS, ORIGINALS, white),
    ]
    found = gather_kind_errors(replace(atlas(), trials=trials))
    assert PIXELS.finding(found) == "The best trial errs most at pixels that are in between"
    assert "by trial 0: " in found.about


def test_widths_without_pictures_are_named() -> None:
    missing = trial_row(number=3, config=TrialConfig(hidden_width=512))
    said = atlas_note(replace(atlas(), without_pictures=[missing]))
    assert said.endswith("No pictures were kept of the best of width 512.")


@pytest.mark.parametrize(
    ("stops", "said"),
    [
        ([], ""),
        (
            [StoppingWidth("shoe", 32, 0.1, 0)],
            "The error of each class still falls at the widest layer.",
        ),
        (
            [StoppingWidth("bag", 1024, 0.1, 2), StoppingWidth("shoe", 2048, 0.1, 0)],
            "From some width on, no wider layer lowers the error by a tenth: bag at 1,024. For 1 "
            "of 2 classes it still falls at the widest.",
        ),
    ],
)
def test_stops_are_told_in_words(stops: list[StoppingWidth], said: str) -> None:
    assert stops_in_words(stops, "class", "classes") == said
