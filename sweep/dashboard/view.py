"""What pages read from: the store, with what was read before kept at hand."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from sweep.analysis.floors import Floors
from sweep.analysis.study_floors import study_floors
from sweep.store import read
from sweep.store.engine import Engine
from sweep.store.table import TrialTable
from sweep.store.table_reader import TableReader

#: Studies whose trials are kept in memory, about 300 bytes a trial.
_MAX_TABLES = 8
#: For so long it is believed that floors cannot be known: looking may mean to read a data set.
_UNKNOWN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class View:
    """A store, seen through the dashboard."""

    engine: Engine
    allow_edit: bool = False
    _readers: "OrderedDict[str, TableReader]" = field(default_factory=OrderedDict)
    #: By the study's id and creation, with when they were looked for.
    _floors: dict[tuple[int, float], tuple[Floors | None, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def table(self, study: str) -> TrialTable:
        """The study's trials as they are now; reads only what is new.

        Raises NotFoundError when there is no such study.
        """
        with self._lock:
            reader = self._readers.get(study) or TableReader(self.engine, study)
        table = reader.look()
        with self._lock:  # only what is there is kept
            self._readers[study] = reader
            self._readers.move_to_end(study)
            if len(self._readers) > _MAX_TABLES:
                self._readers.popitem(last=False)
        return table

    def floors(self, study: str) -> Floors | None:
        """The floors of the study's data set; None where they are not known."""
        made = read.made(self.engine, study)
        found, looked = self._floors.get(made, (None, -_UNKNOWN_SECONDS))
        if found is None and time.monotonic() - looked >= _UNKNOWN_SECONDS:
            if not read.provenance(self.engine, study).get("data_sha256"):
                return None  # no worker has told yet which data they are
            found = study_floors(self.engine, study)
            self._floors[made] = (found, time.monotonic())
        return found
