"""One study of a store: looked up once, read as often as needed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from sweep.store import annotations, read
from sweep.store.lookup import StudyKey, find_key, is_study, no_such_study, snapshot
from sweep.store.records import (
    CommandRow,
    CurvePoint,
    Domain,
    EventRow,
    Reconstruction,
    StudySummary,
    TrialDetail,
    TrialRow,
    WorkerRow,
)
from sweep.store.schema import studies, sweep_studies
from sweep.store.table import TrialTable
from sweep.store.table_reader import TableReader


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """Constant columns of a study's row."""

    #: TOML, with the changes of ``--set``.
    study_file: str
    #: The study file as JSON, defaults filled in; ``read.settings`` checks every key of it.
    settings: Mapping[str, Any]
    #: Versions, git commit, checksum of the data, host.
    provenance: Mapping[str, Any]
    dataset: str
    #: PNG strip of the ten test images; None until a worker was ready.
    originals_png: bytes | None


class StudyHandle:
    """Reader of one study. It looks the name up once and reads each change of a trial once.

    Threads may share it. A read after the study was deleted gives nothing; ``check`` and ``table``
    raise NotFoundError then, also where another study has the name by now.
    """

    def __init__(self, engine: Engine, key: StudyKey) -> None:
        self.engine = engine
        #: The study's name, for functions that take an engine and a name: they need not look it up.
        self.key = key
        self._table = TableReader(engine, key)

    @property
    def name(self) -> str:
        return str(self.key)

    def check(self) -> None:
        """Raise NotFoundError where the study was deleted."""
        read.revision(self.engine, self.key)

    def revision(self) -> str:
        """Return a text that changes whenever anything that a page shows of the study changes."""
        return read.revision(self.engine, self.key)

    def summary(self) -> StudySummary:
        """Return its phase, counts of trials, best value and lease."""
        return read.study(self.engine, self.key)

    def record(self) -> StudyRecord:
        """Return the study's own row."""
        columns = (sweep_studies.c[name] for name in StudyRecord.__dataclass_fields__)
        ours = sweep_studies.c.study_id == studies.c.study_id
        query = select(*columns).join_from(sweep_studies, studies, ours).where(is_study(self.key))
        with snapshot(self.engine) as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                raise no_such_study(connection, self.key)
            return StudyRecord(**row._mapping)

    def table(self) -> TrialTable:
        """Return all trials as columns: the same object until a trial changes."""
        return self._table.look()

    def rows(self, numbers: Collection[int] | None = None, **options: Any) -> list[TrialRow]:
        """Return all trials, or those of some numbers; ``options`` as for ``read.trials``."""
        return read.trials(self.engine, self.key, numbers=numbers, **options)

    def best(self, n: int | None = None) -> list[TrialRow]:
        """Return the best trials, lowest value first; with several objectives, the Pareto set."""
        return read.best(self.engine, self.key, n)

    def trial(self, number: int) -> TrialDetail:
        """Return one trial with its seeds, events, notes and analysis. Raises NotFoundError."""
        return read.trial(self.engine, self.key, number)

    def curves(self, numbers: Collection[int] | None = None) -> dict[int, list[CurvePoint]]:
        """Return learning curves by trial number, each the mean over the trial's seeds."""
        return read.curves(self.engine, self.key, numbers)

    def diagnostics(self, numbers: Collection[int] | None = None) -> dict[int, dict[str, float]]:
        """Return unit and weight diagnostics by trial number, means over the seeds."""
        return annotations.diagnostics(self.engine, self.key, numbers)

    def domains(self) -> dict[str, Domain]:
        """Return the distribution of each parameter."""
        return read.domains(self.engine, self.key)

    def reconstruction(self, number: int) -> Reconstruction | None:
        """Return a trial's pictures; None where they were not kept."""
        return read.reconstruction(self.engine, self.key, number)

    def reconstructions(self, numbers: Collection[int]) -> dict[int, Reconstruction]:
        """Return pictures by trial number, for those of these trials that have any."""
        return annotations.reconstructions(self.engine, self.key, numbers)

    def workers(self) -> list[WorkerRow]:
        """Return its workers in the order in which they were started."""
        return read.workers(self.engine, self.key)

    def commands(self, *, pending_only: bool = False) -> list[CommandRow]:
        """Return its commands, oldest first."""
        return read.commands(self.engine, self.key, pending_only=pending_only)

    def events(self, *, after_id: int = 0, newest: int | None = None) -> Sequence[EventRow]:
        """Return its events, oldest first."""
        return read.events(self.engine, self.key, after_id=after_id, newest=newest)


def open_study(engine: Engine, name: str) -> StudyHandle:
    """Look a study up. Raises NotFoundError with the names that come near."""
    return StudyHandle(engine, find_key(engine, name))
