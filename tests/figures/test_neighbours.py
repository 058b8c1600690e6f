"""The nearest images of a trial: the right ones, by their classes, where the images are at hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweep.analysis.nearest_images import KINDS, Query, nearest_images
from sweep.analysis.probe_summary import FeatureKind, ProbedTrial
from sweep.analysis.study_reader import StudyReader
from sweep.config import TrialConfig
from sweep.dashboard.parts import cards
from sweep.datasets import Images
from sweep.datasets.images import data_key
from sweep.figures.registry import gather_figure
from sweep.store.handle import StudyHandle, open_study
from tests.support.factories import make_images, write_dataset
from tests.support.store_factories import (
    PROBE,
    add_probe,
    add_study,
    add_trial,
    features,
    make_probed,
    sqlite_store,
)

IMAGES = make_images(60, 20, n_classes=3)
NEAR = ((5, 6), (7, 8))
IN_PIXELS = ((5, 9), (7, 2))


@pytest.fixture
def study(tmp_path: Path) -> StudyHandle:
    """A study of two trials on images of its own; the second is probed."""
    path = write_dataset(tmp_path / "images", IMAGES)
    engine = sqlite_store(tmp_path)
    data = {"name": str(path), "validation_fraction": 0.1, "split_seed": 0}
    provenance = {"data_sha256": IMAGES.sha256}
    study_id = add_study(engine, settings={"data": data}, provenance=provenance)
    for number, width in enumerate((8, 16)):
        config = TrialConfig(hidden_width=width)
        trial_id = add_trial(engine, study_id, number, 0.1, config=config)
    code = features(0.75, 0.7, 0.8, nearest=NEAR)
    probe = PROBE | {"code": code, "shown": [3, 1]}
    add_probe(engine, trial_id, probe, width=16, key=data_key(IMAGES.sha256, 0.1, 0))
    return open_study(engine, "study")


def trial(shown: tuple[int, ...] = (3, 1)) -> ProbedTrial:
    found = make_probed(1, 16, 0.1, PROBE | {"code": features(0.75, 0.7, 0.8, nearest=NEAR)})
    return replace(found, shown=shown)


def test_places_in_the_training_part_are_looked_up_in_the_data_set(study: StudyHandle) -> None:
    found = nearest_images(study, trial())
    assert found is not None and [of.place for of in found] == [3, 1]
    rows, _ = IMAGES.split(0.1, 0)
    assert IMAGES.train_labels is not None and IMAGES.test_labels is not None
    for query, near, in_pixels in zip(found, NEAR, IN_PIXELS, strict=True):
        assert query.label == str(IMAGES.test_labels[query.place])
        np.testing.assert_array_equal(query.pixels.ravel(), IMAGES.test_images[query.place])
        for kind, places in zip(KINDS, (near, in_pixels), strict=True):
            shown = query.nearest[kind]
            assert [of.place for of in shown] == rows[list(places)].tolist()
            for of in shown:
                assert of.label == str(IMAGES.train_labels[of.place])
                np.testing.assert_array_equal(of.pixels.ravel(), IMAGES.train_images[of.place])


def test_other_images_than_the_study_trained_on_are_not_shown(
    study: StudyHandle, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "images", make_images(60, 20, n_classes=3, seed=1))
    assert nearest_images(study, trial(shown=(2, 4))) is None
    for file in (tmp_path / "images").iterdir():
        file.unlink()
    assert nearest_images(study, trial(shown=(2, 4))) is None


def test_the_trial_of_the_verdict_is_shown_unless_another_is_asked_for(study: StudyHandle) -> None:
    found = gather_figure(StudyReader(study), "neighbours")
    assert found is not None and found.data.trial == 1
    assert found.title == "Nearest training images in the code of 16 units"
    asked = gather_figure(StudyReader(study), "neighbours", {"trial": "1"})
    assert asked is not None and asked.data.queries == found.data.queries
    assert gather_figure(StudyReader(study), "neighbours", {"trial": 0}) is None  # not probed


def n_alike(images: Images, queries: tuple[Query, ...], kind: FeatureKind) -> int:
    assert images.train_labels is not None
    return sum(
        images.train_labels[of.place] == int(query.label)
        for query in queries
        for of in query.nearest[kind]
    )


def test_those_of_another_class_are_counted_and_outlined(study: StudyHandle) -> None:
    found = gather_figure(StudyReader(study), "neighbours")
    assert found is not None
    alike = {kind: n_alike(IMAGES, found.data.queries, kind) for kind in KINDS}
    assert f"{100 * alike[FeatureKind.CODE] / 4:.0f} % are of the same class" in found.note
    drawn = found.draw()
    assert len(drawn.layout.shapes) == 8 - sum(alike.values()) > 0
    # A strip for each group of each row, and a mark to hover over for each picture.
    assert len(drawn.layout.images) == 3 * 2
    assert [len(trace.x) for trace in drawn.data] == [2, 4, 4]
    assert drawn.data[1].text[0].startswith("training image ")
    assert drawn.layout.yaxis.ticktext == tuple(of.label for of in found.data.queries)
    assert {*found.rows()["features"]} == {"code", "pixels"}


def test_pictures_fill_what_a_page_gives_them_from_the_top(study: StudyHandle) -> None:
    found = gather_figure(StudyReader(study), "neighbours")
    assert found is not None
    # On a page, too: Plotly would compute another range, which cuts rows off.
    drawn = cards.loosen(found.draw()).layout
    assert (drawn.yaxis.constrain, drawn.yaxis.constraintoward) == ("domain", "top")
    assert tuple(drawn.yaxis.range) == (2, -0.6)
    # A finger scrolls the page instead of zooming.
    assert drawn.dragmode is False
