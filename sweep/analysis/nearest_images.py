"""The training images that are nearest to some test images, in a code and in the pixels."""

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sweep import datasets
from sweep.analysis.probe_summary import FeatureKind, ProbedTrial
from sweep.analysis.strips import Pixels
from sweep.analysis.study_data import StudyData, study_data, study_images
from sweep.errors import DataError, SweepError
from sweep.store.handle import StudyHandle

#: Features in which nearest images are shown.
KINDS = (FeatureKind.CODE, FeatureKind.PIXELS)


class NearestImage(NamedTuple):
    """A training image near a test image."""

    #: Among the training images of the data set.
    place: int
    label: str
    #: (height, width) grey, or (height, width, 3).
    pixels: Pixels


class Query(NamedTuple):
    """A test image and what is nearest to it, the nearest first."""

    #: Among the test images.
    place: int
    label: str
    pixels: Pixels
    nearest: Mapping[FeatureKind, tuple[NearestImage, ...]]

    def n_alike(self, kind: FeatureKind) -> int:
        """Count the nearest images that have its label."""
        return sum(of.label == self.label for of in self.nearest[kind])


def nearest_images(study: StudyHandle, probed: ProbedTrial) -> tuple[Query, ...] | None:
    """Look the nearest images of a trial up; never downloads.

    None where the data set is not on this machine, or is another one by now.
    """
    data = study_data(study)
    if data is None or not datasets.is_here(data.name, data.sha256):
        return None
    with suppress(SweepError):  # a damaged copy: training will report it, a page does without
        return _read(study, data, probed)
    return None


@lru_cache(maxsize=16)
def _read(study: StudyHandle, data: StudyData, probed: ProbedTrial) -> tuple[Query, ...]:
    """Read the images; raises DataError where they are others by now."""
    images = study_images(study)
    if images.sha256 != data.sha256 or images.train_labels is None or images.test_labels is None:
        raise DataError(f"{data.name}: these are not the images that '{study.name}' trained on.")
    train_rows, _ = images.split(*data.split)
    train, test = (images.unflatten(of) for of in (images.train_images, images.test_images))
    train_labels, test_labels = images.train_labels, images.test_labels

    def near(row: int) -> NearestImage:
        return NearestImage(row, _name(images, train_labels[row]), np.array(train[row]))

    return tuple(
        Query(
            place=place,
            label=_name(images, test_labels[place]),
            pixels=np.array(test[place]),
            nearest={
                kind: tuple(near(int(row)) for row in train_rows[list(rows)])
                for kind in KINDS
                for rows in [probed.features(kind).nearest[query]]
            },
        )
        for query, place in enumerate(probed.shown)
    )


def _name(images: datasets.Images, label: int) -> str:
    return images.label_names.get(int(label), str(label))
