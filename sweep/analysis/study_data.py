"""Read the images that a study trained on."""

from sweep import datasets
from sweep.datasets import Images
from sweep.store.artifacts import artifact_folder
from sweep.store.handle import StudyHandle


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
