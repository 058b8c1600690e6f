"""Handles for a database and its studies, through which everything outside the store reads.

``DatabaseHandle`` reads what concerns all studies. ``StudyHandle`` looks its study up once, then
reads it as often as needed. Methods without further explanation are described at the function of
the same name.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, select

from sweep import datasets
from sweep.errors import NotFoundError
from sweep.messages import ProbeBaseline, SpectrumBands
from sweep.store import (
    activity,
    derived_studies,
    measurements,
    remarks,
    revisions,
    summaries,
    trial_rows,
    usage,
)
from sweep.store.column_types import checked_sections
from sweep.store.derived_studies import (
    Derived,
    DerivedKind,
    Explained,
    MismatchedStudy,
    Retrained,
)
from sweep.store.lookup import StudyKey, find_key, is_study, no_such_study, snapshot
from sweep.store.records import (
    CommandRow,
    CurvePoint,
    Domain,
    EventRow,
    NoteRow,
    Reconstruction,
    SeedResult,
    SpectrumPoint,
    StudyList,
    StudySummary,
    TrialDetail,
    TrialRow,
    WorkerRow,
)
from sweep.store.remarks import Remarks
from sweep.store.schema import studies, sweep_floors, sweep_studies
from sweep.store.standing import Standing, standing
from sweep.store.table import TrialTable
from sweep.store.table_reader import TableReader
from sweep.store.training_record import Trained, training_record
from sweep.store.usage import Usage

if TYPE_CHECKING:
    from sweep.studyfile.file import Sections

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """Constant columns of a study's row."""

    #: TOML, with the changes of ``--set``.
    study_file: str
    #: Its sections, with defaults filled in.
    settings: "Sections"
    #: Versions, git commit, checksum of the data, host.
    provenance: Mapping[str, Any]
    #: PNG strip of the ten test images, grey or RGB; None until a worker was ready.
    originals_png: bytes | None
    #: Bands of the error spectra; None if none are measured.
    spectrum_bands: SpectrumBands | None

    @property
    def dataset(self) -> str:
        """Name of the data set, or the path of a user's own images."""
        return self.settings.data.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the test images' classes in the order of their labels; empty if not known."""
        known = self.provenance.get("images", {}).get("class_names", ())
        return tuple(known) or datasets.class_names(self.dataset)


class DatabaseHandle:
    """Reader of all studies of a database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def study(self, name: str) -> "StudyHandle":
        """Look a study up. Raises NotFoundError that suggests similar names."""
        return open_study(self.engine, name)

    def names(self) -> list[str]:
        """Return the names of all studies in order, including unreadable ones."""
        of_ours = studies.c.study_id == sweep_studies.c.study_id
        query = select(studies.c.study_name).join(sweep_studies, of_ours)
        with snapshot(self.engine) as connection:
            return list(connection.scalars(query.order_by(studies.c.study_name)))

    def studies(self) -> list[StudySummary]:
        """Return every readable study, by name."""
        return list(self.study_list().studies)

    def study_list(self) -> StudyList:
        """Return all studies, with unreadable ones listed separately."""
        with snapshot(self.engine) as connection:
            return summaries.study_list(connection)

    def best_so_far(self) -> dict[str, list[tuple[int, float]]]:
        """Return for each study the trials that improved on all previous ones: number and value."""
        with snapshot(self.engine) as connection:
            return summaries.best_so_far(connection)

    def revisions(self) -> str:
        """Return a text that changes whenever anything that a page shows of any study changes."""
        with snapshot(self.engine) as connection:
            return revisions.revisions(connection)

    def floors(self, data_key: str) -> dict[str, Any] | None:
        """Return the stored floors of a data set and split; None if never computed."""
        query = select(sweep_floors.c.floors).where(sweep_floors.c.data_key == data_key)
        with snapshot(self.engine) as connection:
            found: dict[str, Any] | None = connection.execute(query).scalar_one_or_none()
            return found

    def probe_baselines(self, data_key: str | None = None) -> list[ProbeBaseline]:
        """Return what codes of networks are compared with, of all data sets or of one."""
        with snapshot(self.engine) as connection:
            return measurements.probe_baselines(connection, data_key)


class StudyHandle:
    """Reader of one study. It looks the name up once and reads each change of a trial once.

    Threads may share it. After the study was deleted, reads return nothing, even if another study
    has taken over the name or the id; reads of the study itself or of one trial raise
    NotFoundError, as ``check`` and ``table`` do.
    """

    def __init__(self, engine: Engine, key: StudyKey) -> None:
        self.engine = engine
        self.key = key
        self._table = TableReader(engine, key)

    @property
    def name(self) -> str:
        """Return the study's name."""
        return str(self.key)

    def _read(
        self,
        query: Callable[Concatenate[Connection, StudyKey, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with snapshot(self.engine) as connection:
            return query(connection, self.key, *args, **kwargs)

    # --- the study --------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise NotFoundError if the study was deleted."""
        self.revision()

    def revision(self) -> str:
        """Return a text that changes whenever anything that a page shows of the study changes."""
        return self._read(revisions.revision)

    def summary(self) -> StudySummary:
        """Return its phase, trial counts, best value and lease."""
        return self._read(summaries.summary)

    def record(self) -> StudyRecord:
        """Return the study's own row."""
        return self._read(_record)

    # --- its trials -------------------------------------------------------------------------------

    def table(self, at: int | None = None) -> TrialTable:
        """Return all trials as columns: the same object until a trial changes.

        With ``at``, a revision of the study, the table is at least as new as that revision; no
        statement is executed if it is known already.
        """
        return self._table.look(at)

    def trials(
        self,
        numbers: Collection[int] | None = None,
        *,
        states: Collection[str] | None = None,
        limit: int | None = None,
        descending: bool = False,
        include_invalid: bool = True,
    ) -> list[TrialRow]:
        """Return its trials by number, or those of some numbers or states."""
        return self._read(
            trial_rows.trials,
            numbers,
            states=states,
            limit=limit,
            descending=descending,
            include_invalid=include_invalid,
        )

    def best(self, n: int | None = None) -> list[TrialRow]:
        """Return the best trials, lowest value first; with several objectives, the Pareto set."""
        return self._read(trial_rows.best, n)

    def trial(self, number: int) -> TrialDetail:
        """Return one trial with its seeds, events, notes and analysis. Raises NotFoundError."""
        return self._read(trial_rows.trial, number)

    def standing(self, number: int) -> Standing:
        """Return a trial's rank, its neighbours, and the trials that it is compared with."""
        return self._read(standing, number)

    def training_record(self, number: int) -> Trained:
        """Return how a trial's last attempt was trained. Raises NotFoundError."""
        return self._read(training_record, number)

    def trials_with_weights(self) -> list[int]:
        """Return the numbers of the trials whose weights were kept."""
        return self._read(trial_rows.trials_with_weights)

    def values_in_order(self) -> list[tuple[int, float | None]]:
        """Return number and first value of every finished trial, in the order of their ends."""
        return self._read(trial_rows.values_in_order)

    def domains(self) -> dict[str, Domain]:
        """Return the distribution of each parameter."""
        return self._read(trial_rows.domains)

    # --- what was measured, by trial number -------------------------------------------------------

    def curves(self, numbers: Collection[int] | None = None) -> dict[int, list[CurvePoint]]:
        """Return learning curves, each the mean over the trial's seeds."""
        return self._read(measurements.curves, numbers)

    def seed_curves(self, number: int) -> dict[int, list[CurvePoint]]:
        """Return one trial's learning curves by the index of the seed. Raises NotFoundError."""
        return self._read(measurements.seed_curves, number)

    def spectra(self, numbers: Collection[int] | None = None) -> dict[int, list[SpectrumPoint]]:
        """Return error spectra by epoch, each the mean over the trial's seeds."""
        return self._read(measurements.spectra, numbers)

    def seed_spectra(self, number: int) -> dict[int, list[SpectrumPoint]]:
        """Return one trial's error spectra by the index of the seed. Raises NotFoundError."""
        return self._read(measurements.seed_spectra, number)

    def seed_results(self, numbers: Collection[int]) -> dict[int, tuple[SeedResult, ...]]:
        """Return the results of each seed, in the order of the seeds."""
        return self._read(measurements.seed_results, numbers)

    def seed_errors(
        self, numbers: Collection[int] | None = None
    ) -> dict[int, tuple[float | None, ...]]:
        """Return the validation error of each seed, of the trials that were trained."""
        return self._read(measurements.seed_errors, numbers)

    def diagnostics(self, numbers: Collection[int] | None = None) -> dict[int, dict[str, float]]:
        """Return diagnostics of units and weights, means over the seeds."""
        return self._read(measurements.diagnostics, numbers)

    def decompositions(self, numbers: Collection[int] | None = None) -> dict[int, dict[str, Any]]:
        """Return decompositions of the first seed, of the trials that have one."""
        return self._read(measurements.decompositions, numbers)

    def probes(
        self, numbers: Collection[int] | None = None, *, after: int = -1
    ) -> dict[int, dict[str, Any]]:
        """Return probes of the first seed, of trials that changed after a revision."""
        return self._read(measurements.probes, numbers, after=after)

    def trials_with_pictures(self, numbers: Collection[int]) -> set[int]:
        """Return which of these trials have pictures."""
        return self._read(measurements.trials_with_pictures, numbers)

    def reconstruction(self, number: int) -> Reconstruction | None:
        """Return a trial's pictures; None where they were not kept. Raises NotFoundError."""
        return self._read(measurements.reconstruction, number)

    def reconstructions(self, numbers: Collection[int]) -> dict[int, Reconstruction]:
        """Return the pictures of those of these trials that have any."""
        return self._read(measurements.reconstructions, numbers)

    def remarks(self, numbers: Collection[int] | None = None) -> dict[int, Remarks]:
        """Return tags, newest note and reason, of the trials that have any."""
        return self._read(remarks.remarks, numbers)

    def notes(self, number: int | None = None) -> list[NoteRow]:
        """Return every note of the study, or of one trial, oldest first."""
        return self._read(remarks.notes, number)

    # --- how it runs ------------------------------------------------------------------------------

    def workers(self) -> list[WorkerRow]:
        """Return its workers in the order in which they were started."""
        return self._read(activity.workers)

    def commands(self, *, pending_only: bool = False) -> list[CommandRow]:
        """Return its commands, oldest first."""
        return self._read(activity.commands, pending_only=pending_only)

    def events(self, *, after_id: int = 0, newest: int | None = None) -> list[EventRow]:
        """Return its events, oldest first; with ``newest``, only the last ``newest``."""
        return self._read(activity.events, after_id=after_id, newest=newest)

    def usage(self) -> Usage:
        """Return the wall time and the GPU time that it has used so far."""
        return self._read(usage.usage)

    # --- studies that were trained for another one ------------------------------------------------

    def explains(self) -> Explained | None:
        """Return what it was trained to explain; None if it explains no study."""
        found = self._read(derived_studies.attribute_of, DerivedKind.EXPLAINS)
        return found if isinstance(found, Explained) else None

    def explanations(self) -> dict[str, Explained]:
        """Return the studies that explain this one, by name; the latest run comes last."""
        children = self._children(DerivedKind.EXPLAINS)
        return {name: of for name, of in children if isinstance(of, Explained)}

    def retrains(self) -> Retrained | None:
        """Return the trials whose configurations it trains again; None if it does not retrain."""
        found = self._read(derived_studies.attribute_of, DerivedKind.RETRAINS)
        return found if isinstance(found, Retrained) else None

    def retrainings(self) -> dict[str, Retrained]:
        """Return the studies that train its best trials again, by name.

        The latest run comes last.
        """
        children = self._children(DerivedKind.RETRAINS)
        return {name: of for name, of in children if isinstance(of, Retrained)}

    def _children(self, kind: DerivedKind) -> list[tuple[str, Derived]]:
        children = self._read(derived_studies.children, kind)
        return [(child.name, child.attribute) for child in children if child.why_not is None]

    def mismatched_studies(self, kind: DerivedKind) -> list[MismatchedStudy]:
        """Return the studies that were trained for another study of the same name."""
        return [
            MismatchedStudy(child.name, child.why_not)
            for child in self._read(derived_studies.children, kind)
            if child.why_not is not None
        ]

    def trials_fingerprint(self) -> str:
        """Return a text that changes with the trials of studies derived from this name."""
        return self._read(derived_studies.trials_fingerprint)


def _record(connection: Connection, key: StudyKey) -> StudyRecord:
    stored = sweep_studies.c
    columns = (
        *(stored.study_file, stored.provenance, stored.originals_png),
        stored.spectrum_bands,
    )
    row = connection.execute(select(*columns).where(is_study(key))).one_or_none()
    if row is None:
        raise no_such_study(connection, key)
    return StudyRecord(
        **{**row._mapping, "spectrum_bands": _bands(row.spectrum_bands)},
        settings=checked_sections(row.study_file),
    )


def _bands(stored: Mapping[str, Any] | None) -> SpectrumBands | None:
    if stored is None:
        return None
    lists = {name: tuple(of) for name, of in stored.items() if isinstance(of, list)}
    return SpectrumBands(**{**stored, **lists})


def open_study(engine: Engine, name: str) -> StudyHandle:
    """Look a study up. Raises NotFoundError that suggests similar names."""
    return StudyHandle(engine, find_key(engine, name))


def open_study_or_none(engine: Engine, name: str) -> StudyHandle | None:
    """Look a study up; None if there is none of ours."""
    try:
        return open_study(engine, name)
    except NotFoundError:
        return None
