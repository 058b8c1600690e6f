"""The floors of a study's own data, computed once and kept in its store."""

from contextlib import suppress

from sweep import datasets
from sweep.analysis.floors import Floors, compute_floors, data_key
from sweep.errors import SweepError
from sweep.store import annotate, read
from sweep.store.engine import Engine


def study_floors(engine: Engine, name: str) -> Floors | None:
    """The floors of the data that the study trained on; never downloads.

    None where they are neither kept nor can be computed: before the first worker was ready, or
    where the data are not on this machine, or are others by now.
    """
    sha256 = read.provenance(engine, name).get("data_sha256")
    data = read.settings(engine, name).get("data", {})
    if not sha256 or "name" not in data:
        return None
    split = (data["validation_fraction"], data["split_seed"], data.get("train_limit"))
    kept = read.floors(engine, data_key(sha256, *split))
    if kept is not None:
        return Floors.from_json(kept)
    return _compute(engine, data["name"], sha256, split)


def _compute(
    engine: Engine, dataset: str, sha256: str, split: tuple[float, int, int | None]
) -> Floors | None:
    try:
        if datasets.find(dataset) is None:
            return None
        images = datasets.load(dataset)
    except SweepError:  # a damaged copy: whoever trains will hear of it, a page does without
        return None
    if images.sha256 != sha256:
        return None
    floors = compute_floors(images, *split)
    with suppress(SweepError):  # a store that may only be read
        annotate.put_floors(engine, floors.data_key, floors.to_json())
    return floors
