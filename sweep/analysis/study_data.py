"""The images that a study trained on."""

from sweep import datasets
from sweep.datasets import Images
from sweep.store.artifacts import artifact_folder
from sweep.store.handle import StudyHandle


def study_images(study: StudyHandle) -> Images:
    """Read a study's images: the copy that its workers read, or what its study file names.

    Those that were moved are found beside the database, too. These may be others by now: compare
    ``Images.sha256``. Raises DataError where they are gone.
    """
    record = study.record()
    data = record.settings.data
    beside = artifact_folder(study.engine.url).parent
    digest = record.provenance.get("data_sha256")
    return datasets.load_again(data.name, data.size, digest, [beside])
