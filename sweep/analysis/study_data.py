"""Read the images that a study trained on."""

from typing import NamedTuple

from sweep import datasets
from sweep.datasets import Images
from sweep.datasets.images import data_key
from sweep.store.artifacts import artifact_folder
from sweep.store.handle import StudyHandle


class StudyData(NamedTuple):
    """What a study trained on."""

    name: str
    sha256: str
    #: Validation fraction, seed of the split, limit of the training images.
    split: tuple[float, int, int | None]

    @property
    def key(self) -> str:
        """What floors and baselines of the data are stored under."""
        return data_key(self.sha256, *self.split)


def study_data(study: StudyHandle) -> StudyData | None:
    """Return what a study trains on; None before its first worker was ready."""
    record = study.record()
    sha256, data = record.provenance.get("data_sha256"), record.settings.data
    if not sha256:
        return None
    return StudyData(
        data.name, sha256, (data.validation_fraction, data.split_seed, data.train_limit)
    )


def study_images(study: StudyHandle) -> Images:
    """Read a study's images: the copy that its workers read, or what its study file names.

    Images that were moved are also searched next to the database. They may have changed: compare
    ``Images.sha256``. Raises DataError if they are missing.
    """
    record = study.record()
    data = record.settings.data
    beside = artifact_folder(study.engine.url).parent
    digest = record.provenance.get("data_sha256")
    return datasets.load_again(data.name, data.size, digest, [beside])
