"""What pages read from: the store, with what was read before kept at hand."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from sweep.analysis.floors import Floors
from sweep.analysis.study_floors import study_floors
from sweep.store.engine import Engine
from sweep.store.table import TrialTable
from sweep.store.table_reader import TableReader

#: Studies whose trials are kept in memory, about 300 bytes a trial.
_MAX_TABLES = 8


@dataclass(frozen=True, kw_only=True)
class View:
    """A store, seen through the dashboard."""

    engine: Engine
    allow_edit: bool = False
    _readers: "OrderedDict[str, TableReader]" = field(default_factory=OrderedDict)
    _floors: dict[str, Floors] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def table(self, study: str) -> TrialTable:
        """The study's trials as they are now; reads only what is new.

        Raises NotFoundError when there is no such study.
        """
        with self._lock:
            reader = self._readers.pop(study, None) or TableReader(self.engine, study)
            self._readers[study] = reader
            if len(self._readers) > _MAX_TABLES:
                self._readers.popitem(last=False)
        return reader.look()

    def floors(self, study: str) -> Floors | None:
        """The floors of the study's data set; None where they are not known."""
        found = self._floors.get(study) or study_floors(self.engine, study)
        if found is not None:
            self._floors[study] = found
        return found
