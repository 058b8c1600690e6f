"""Read the store for pages, with a cache of what was read before."""

import logging
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock, Thread
from typing import NamedTuple

from flask import g, has_request_context

from sweep.analysis.atlas import Atlas
from sweep.analysis.filters import Filter
from sweep.analysis.floors import Floors
from sweep.analysis.probe_summary import ProbeSummary
from sweep.analysis.study_atlas import AtlasReader, pictured_widths
from sweep.analysis.study_floors import kept_floors, study_floors
from sweep.analysis.study_probes import ProbeReader
from sweep.analysis.study_reader import StudyReader
from sweep.dashboard import links
from sweep.errors import NotFoundError, SweepError
from sweep.findings.study import StudyFindings, gather_study
from sweep.store.engine import Engine
from sweep.store.handle import DatabaseHandle, StudyHandle
from sweep.store.lookup import StudyKey, find_key
from sweep.store.table import TrialTable

#: Studies whose trials are cached, about 300 bytes per trial, with the pictures of each width and
#: the probe summary.
_MAX_STUDIES = 8
#: How long floors are considered unavailable after a failure: a retry may read a data set.
_UNKNOWN_SECONDS = 60.0

_LOG = logging.getLogger(__name__)

#: Id and creation time of a study.
_Identity = tuple[int, float]


class _Readers(NamedTuple):
    """Readers of one study, each with its cache."""

    study: StudyHandle
    atlas: AtlasReader
    probes: ProbeReader


@dataclass(frozen=True, kw_only=True)
class View:
    """A store, as the dashboard sees it."""

    engine: Engine
    allow_edit: bool = False
    _readers: "OrderedDict[str, _Readers]" = field(default_factory=OrderedDict)
    _floors: dict[_Identity, Floors] = field(default_factory=dict)
    #: When computing floors last failed.
    _looked: dict[_Identity, float] = field(default_factory=dict)
    #: Studies whose floors are being computed.
    _computing: set[_Identity] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    #: One computation at a time: each holds a data set and several times its size.
    _one_at_a_time: Lock = field(default_factory=Lock)

    @property
    def database(self) -> DatabaseHandle:
        """Handle for everything that concerns all studies."""
        return DatabaseHandle(self.engine)

    def key(self, name: str) -> StudyKey:
        """Look a study up, once per request.

        Raises NotFoundError if there is no such study.
        """
        found: dict[str, StudyKey] = g.setdefault("studies", {}) if has_request_context() else {}
        if name not in found:
            found[name] = self._look_up(name)
        return found[name]

    def _look_up(self, name: str) -> StudyKey:
        """Look a study up by its id, if it is known, or else by its name."""
        known = self._readers.get(name)
        if known is not None:
            with suppress(NotFoundError):  # deleted; another may have the name by now
                return find_key(self.engine, known.study.key)
        return find_key(self.engine, name)

    def has(self, name: str) -> bool:
        """Tell whether there is such a study."""
        try:
            self.key(name)
        except SweepError:
            return False
        return True

    def study(self, name: str) -> StudyHandle:
        """Return a study's handle.

        Raises NotFoundError if there is no such study.
        """
        return self._reader(name).study

    def table(self, name: str) -> TrialTable:
        """Return the study's present trials; reads only what is new.

        Raises NotFoundError if there is no such study.
        """
        return self.study(name).table(self.key(name).revision)

    def pictured_widths(self, name: str) -> list[int]:
        """Return the best trial with pictures of each width, narrowest first."""
        return pictured_widths(self.study(name), self.table(name))

    def atlas(self, name: str) -> Atlas | None:
        """Return the test images at every width; decodes only pictures that are new."""
        return self._reader(name).atlas.look(self.table(name))

    def probes(self, name: str) -> ProbeSummary | None:
        """Return how well the study's codes predict the labels; reads only what is new."""
        return self._reader(name).probes.look(self.table(name))

    def findings(self, name: str, *, in_short: bool = False) -> StudyFindings:
        """Return the findings of a study; ``in_short`` omits ablation analysis and probes."""
        return gather_study(PageReader(self, name), in_short=in_short)

    def _reader(self, name: str) -> _Readers:
        key = self.key(name)
        with self._lock:
            readers = self._readers.get(name)
            if readers is None or readers.study.key.identity != key.identity:
                study = StudyHandle(self.engine, key)
                readers = _Readers(study, AtlasReader(study), ProbeReader(study))
                self._readers[name] = readers
            self._readers.move_to_end(name)
            if len(self._readers) > _MAX_STUDIES:
                self._readers.popitem(last=False)
            return readers

    def token(self, name: str, page: str) -> str:
        """Return a text that differs when that page of the study has something new to show.

        It takes one statement for most pages, once the study is known.
        """
        study, token = self._revision(name)
        if page in (links.WHY, links.OVERVIEW):  # they show what other studies train for this one
            token = f"{token} {study.trials_fingerprint()}"
        return f"{token} computing" if study.key.identity in self._computing else token

    def _revision(self, name: str) -> tuple[StudyHandle, str]:
        known = self._readers.get(name)
        if known is not None:
            with suppress(NotFoundError):  # deleted; another may have the name by now
                return known.study, known.study.revision()
        study = self.study(name)
        return study, study.revision()

    def floors(self, name: str) -> Floors | None:
        """Return the floors of the study's data set; None if they are not known (yet).

        Those of a large data set take minutes to compute. No page waits for that: it is done in the
        background, and the token changes at the end.
        """
        study = self.study(name)
        found = self._floors.get(study.key.identity)
        if found is None and (kept := kept_floors(study)) is not None:
            found = self._floors[study.key.identity] = kept
        if found is None and study.record().provenance.get("data_sha256"):
            self._begin(study)  # before, no worker has reported which data they are
        return found

    def computing_floors(self, name: str) -> bool:
        """Return whether they are being computed."""
        return bool(self._computing) and self.study(name).key.identity in self._computing

    def _begin(self, study: StudyHandle) -> None:
        made = study.key.identity
        with self._lock:
            looked = self._looked.get(made, -_UNKNOWN_SECONDS)
            if made in self._computing or time.monotonic() - looked < _UNKNOWN_SECONDS:
                return
            self._computing.add(made)
        Thread(target=self._compute, args=(study,), name="floors", daemon=True).start()

    def _compute(self, study: StudyHandle) -> None:
        made = study.key.identity
        try:
            with self._one_at_a_time:
                found = study_floors(study, keep=self.allow_edit)
            if found is not None:
                self._floors[made] = found
        except SweepError as error:  # the database is unavailable, or the study was deleted
            _LOG.warning("the floors of study '%s' could not be computed: %s", study.name, error)
        finally:
            self._looked[made] = time.monotonic()
            self._computing.discard(made)


class PageReader(StudyReader):
    """A study during one request, with the caches of earlier requests.

    ``where`` restricts ``table`` to the trials that pass.
    """

    def __init__(self, view: View, name: str, where: Filter | None = None) -> None:
        super().__init__(view.study(name), lambda study: view.floors(study.name), where)
        self._view = view

    @cached_property
    def whole(self) -> TrialTable:
        """Return the table of all trials, from the cache."""
        return self._view.table(self.study.name)

    def table_of(self, other: str) -> TrialTable:
        """Return another study's trials, from the cache."""
        return self._view.table(other)

    @cached_property
    def atlas(self) -> Atlas | None:
        """Return the study's atlas, from the cache."""
        return self._view.atlas(self.study.name)

    @cached_property
    def probes(self) -> ProbeSummary | None:
        """Return the study's summary of the probe, from the cache."""
        return self._view.probes(self.study.name)
