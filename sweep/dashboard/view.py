"""What pages read from: the store, with what was read before kept at hand."""

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import NamedTuple, Self

from sweep.analysis.atlas import Atlas
from sweep.analysis.floors import Floors
from sweep.analysis.study_atlas import AtlasReader, pictured_widths
from sweep.analysis.study_floors import kept_floors, study_floors
from sweep.analysis.study_usefulness import UsefulnessReader
from sweep.analysis.usefulness import Usefulness
from sweep.dashboard import links
from sweep.errors import SweepError
from sweep.store import read
from sweep.store.derived_studies import trained_so_far
from sweep.store.engine import Engine
from sweep.store.lookup import StudyKey, find_key
from sweep.store.table import TrialTable
from sweep.store.table_reader import TableReader

#: Studies whose trials are kept in memory, about 300 bytes a trial, with the pictures of each width
#: and what the codes tell.
_MAX_STUDIES = 8
#: For so long it is believed that floors cannot be known: looking may mean to read a data set.
_UNKNOWN_SECONDS = 60.0

_LOG = logging.getLogger(__name__)

#: A study's id and creation: one that was made anew under the same name is another.
_Made = tuple[int, float]


class _Readers(NamedTuple):
    """Of one study; each remembers what it has read."""

    table: TableReader
    atlas: AtlasReader
    usefulness: UsefulnessReader
    #: A key, or a name alone.
    study: str

    def read(self, study: str) -> bool:
        """Whether they read this study, and not an earlier one of its name."""
        if isinstance(study, StudyKey) and isinstance(self.study, StudyKey):
            return study.is_same(self.study)
        return type(study) is type(self.study)

    @classmethod
    def of(cls, engine: Engine, study: str) -> Self:
        return cls(
            TableReader(engine, study),
            AtlasReader(engine, study),
            UsefulnessReader(engine, study),
            study,
        )


@dataclass(frozen=True, kw_only=True)
class View:
    """A store, seen through the dashboard."""

    engine: Engine
    allow_edit: bool = False
    _readers: "OrderedDict[str, _Readers]" = field(default_factory=OrderedDict)
    _floors: dict[_Made, Floors] = field(default_factory=dict)
    #: When floors were last looked for in vain.
    _looked: dict[_Made, float] = field(default_factory=dict)
    #: Whose floors are being computed.
    _computing: set[_Made] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    #: One computation at a time: each holds a data set and several times its size.
    _one_at_a_time: Lock = field(default_factory=Lock)

    def find(self, place: links.Place) -> links.Place:
        """Return the place with its study's key as name, so that reads need not look it up again.

        Raises NotFoundError when there is no such study.
        """
        if place.study is None:
            return place
        return place._replace(study=find_key(self.engine, place.study))

    def table(self, study: str) -> TrialTable:
        """The study's trials as they are now; reads only what is new.

        Raises NotFoundError when there is no such study.
        """
        return self._look(study)[1]

    def pictured_widths(self, study: str) -> list[int]:
        """The best trial of each width of which pictures were kept, the narrowest first."""
        return pictured_widths(self.engine, study, self.table(study))

    def atlas(self, study: str) -> Atlas | None:
        """The test images at every width; decodes only pictures that are new."""
        readers, table = self._look(study)
        return readers.atlas.look(table)

    def usefulness(self, study: str) -> Usefulness | None:
        """What the study's codes tell of the labels; reads only what is new."""
        readers, table = self._look(study)
        return readers.usefulness.look(table)

    def _look(self, study: str) -> "tuple[_Readers, TrialTable]":
        with self._lock:
            readers = self._readers.get(study)
            if readers is None or not readers.read(study):
                readers = _Readers.of(self.engine, study)
        table = readers.table.look(study.revision if isinstance(study, StudyKey) else None)
        with self._lock:  # only what is there is kept
            self._readers[study] = readers
            self._readers.move_to_end(study)
            if len(self._readers) > _MAX_STUDIES:
                self._readers.popitem(last=False)
        return readers, table

    def token(self, study: str, page: str) -> str:
        """Differs when that page of the study has something new to show."""
        token = read.revision(self.engine, study)
        if page in (links.WHY, links.OVERVIEW):  # they show what other studies train for this one
            token = f"{token} {trained_so_far(self.engine, study)}"
        return f"{token} computing" if self.computing_floors(study) else token

    def floors(self, study: str) -> Floors | None:
        """The floors of the study's data set; None where they are not known, or not yet.

        Those of a large data set take minutes to compute. No page waits for that: it is done
        beside, and the token changes at the end.
        """
        made = read.made(self.engine, study)
        found = self._floors.get(made)
        if found is None and (kept := kept_floors(self.engine, study)) is not None:
            found = self._floors[made] = kept
        if found is None and read.provenance(self.engine, study).get("data_sha256"):
            self._begin(study, made)  # before, no worker has told yet which data they are
        return found

    def computing_floors(self, study: str) -> bool:
        """Whether they are on their way."""
        return bool(self._computing) and read.made(self.engine, study) in self._computing

    def _begin(self, study: str, made: _Made) -> None:
        with self._lock:
            looked = self._looked.get(made, -_UNKNOWN_SECONDS)
            if made in self._computing or time.monotonic() - looked < _UNKNOWN_SECONDS:
                return
            self._computing.add(made)
        Thread(target=self._compute, args=(study, made), name="floors", daemon=True).start()

    def _compute(self, study: str, made: _Made) -> None:
        try:
            with self._one_at_a_time:
                found = study_floors(self.engine, study, keep=self.allow_edit)
            if found is not None:
                self._floors[made] = found
        except SweepError as error:  # the database went away, or the study was deleted
            _LOG.warning("the floors of study '%s' could not be computed: %s", study, error)
        finally:
            self._looked[made] = time.monotonic()
            self._computing.discard(made)
