"""Compute the floors of a study's own data once, and keep them in its store."""

from contextlib import suppress

from sweep import datasets
from sweep.analysis.floors import Floors, compute_floors
from sweep.analysis.sigmoid_bound import with_sigmoid_bound
from sweep.analysis.study_data import StudyData, study_data, study_images
from sweep.errors import DataError, SweepError
from sweep.store import annotate
from sweep.store.handle import DatabaseHandle, StudyHandle


def add_sigmoid_bound(study: StudyHandle) -> Floors | None:
    """Return the floors with the bound of sigmoid outputs, which is stored; takes minutes.

    None if the floors are unknown. Raises DataError if the data are missing or have changed.
    """
    floors, data = study_floors(study), study_data(study)
    if floors is None or data is None or floors.sigmoid is not None:
        return floors
    images = study_images(study)
    if images.sha256 != data.sha256:
        raise DataError(f"{data.name}: these are not the images that '{study.name}' trained on.")
    found = with_sigmoid_bound(floors, images, *data.split)
    annotate.put_floors(study.engine, found.data_key, found.to_json())
    return found


def study_floors(study: StudyHandle, *, keep: bool = True) -> Floors | None:
    """Return the floors of the data that the study trained on; never downloads. May take minutes.

    Computed floors are written to the store, unless ``keep`` is false. None if they are neither
    stored nor can be computed: before the first worker was ready, or if the data are not on this
    machine or have changed.
    """
    kept = kept_floors(study)
    if kept is not None:
        return kept
    data = study_data(study)
    return None if data is None else _compute(study, data, keep=keep)


def kept_floors(study: StudyHandle) -> Floors | None:
    """Return the stored floors; None if the data are unknown or nothing is stored yet."""
    data = study_data(study)
    if data is None:
        return None
    kept = DatabaseHandle(study.engine).floors(data.key)
    return None if kept is None else Floors.from_json(kept)


def _compute(study: StudyHandle, data: StudyData, *, keep: bool) -> Floors | None:
    try:
        if not datasets.is_here(data.name, data.sha256):
            return None
        images = study_images(study)
    except SweepError:  # a damaged copy: training will report it, a page does without
        return None
    if images.sha256 != data.sha256:
        return None
    try:
        floors = compute_floors(images, *data.split)
    except DataError:  # too many and too large for PCA; `sweep floors` says so
        return None
    if keep:
        with suppress(SweepError):  # a read-only store
            annotate.put_floors(study.engine, floors.data_key, floors.to_json())
    return floors
