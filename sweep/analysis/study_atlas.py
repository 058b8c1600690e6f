"""Build the atlas of a study: the pictures of the best trial of each width."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from sweep.analysis.atlas import (
    Atlas,
    AtlasTrial,
    atlas_trial,
    class_stops,
    image_stops,
)
from sweep.analysis.strips import Pixels, images_of, picture_names
from sweep.analysis.study_diagnosis import best_of_widths
from sweep.store.handle import StudyHandle
from sweep.store.records import Reconstruction, TrialRow
from sweep.store.table import TrialTable


def atlas_by_width(study: StudyHandle, table: TrialTable) -> Atlas | None:
    """Measure the pictures of the best trial of each width.

    None before the first worker was ready, or if the test set has fewer than ten images.
    """
    return AtlasReader(study).look(table)


def pictured_widths(study: StudyHandle, table: TrialTable) -> list[int]:
    """List the best trial with pictures of each width, the narrowest first."""
    best = best_of_widths(table)
    kept = study.trials_with_pictures(best)
    return [number for number in best if number in kept]


class AtlasReader:
    """Reader that builds the atlas of a study's widths repeatedly and decodes only new pictures.

    Threads may share it.
    """

    def __init__(self, study: StudyHandle) -> None:
        self._study = study
        self._lock = Lock()
        #: Trials of the previous atlas, by the identity of their pictures.
        self._known: dict[_Key, AtlasTrial | None] = {}

    def look(self, table: TrialTable) -> Atlas | None:
        """Return what ``atlas_by_width`` does, without measuring a trial twice."""
        record = self._study.record()
        strip = record.originals_png
        originals = None if strip is None else images_of(strip)
        if originals is None:
            return None
        rows = self._study.trials(numbers=best_of_widths(table))
        rows.sort(key=lambda row: row.hidden_width or 0)
        with self._lock:
            found = self._pictures(rows, originals)
        trials = [of for of in found.values() if of is not None]
        classes = record.class_names
        image_names = picture_names(classes)
        by_class = [row for row in rows if row.per_class_mse]
        class_names = _class_names(classes, by_class)
        return Atlas(
            originals=originals,
            image_names=image_names,
            class_names=class_names,
            trials=trials,
            by_class=by_class,
            without_pictures=[row for row in rows if found[row.number] is None],
            image_stops=image_stops(trials, image_names),
            class_stops=class_stops(by_class, class_names),
        )

    def _pictures(
        self, rows: Sequence[TrialRow], originals: Pixels
    ) -> dict[int, AtlasTrial | None]:
        keys = {(row.number, row.attempt): row for row in rows}
        new = [row.number for key, row in keys.items() if self._known.get(key) is None]
        strips = self._study.reconstructions(new) if new else {}
        self._known = {
            key: replace(known, trial=row)
            if (known := self._known.get(key)) is not None
            else _pictures(strips.get(row.number), row, originals)
            for key, row in keys.items()
        }
        return {row.number: self._known[key] for key, row in keys.items()}


#: A trial and its attempt: another attempt has other pictures.
_Key = tuple[int, int]


def _class_names(known: tuple[str, ...], measured: list[TrialRow]) -> list[str]:
    """Return the class names; numbers if the data set has none."""
    n = len(measured[0].per_class_mse or ()) if measured else 0
    return list(known) if len(known) == n else [str(place) for place in range(n)]


def _pictures(strips: Reconstruction | None, row: TrialRow, originals: Pixels) -> AtlasTrial | None:
    if strips is None:
        return None
    copies, error_map = images_of(strips.reconstructions_png), images_of(strips.errors_png)
    if (
        copies is None
        or error_map is None
        or not (copies.shape == error_map.shape == originals.shape)
    ):
        return None
    return atlas_trial(row, originals, copies, error_map)
