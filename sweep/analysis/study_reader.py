"""Compute what figures and reports need from a study, each part once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from sweep.analysis.atlas import Atlas
from sweep.analysis.filters import Filter
from sweep.analysis.floors import Floors
from sweep.analysis.importances import Importances, importances
from sweep.analysis.probe_summary import ProbeSummary
from sweep.analysis.study_atlas import atlas_by_width
from sweep.analysis.study_explanation import StudyExplanation, study_explanation
from sweep.analysis.study_factorial import StudyFactorial, study_factorial
from sweep.analysis.study_floors import study_floors
from sweep.analysis.study_probes import ProbeReader
from sweep.analysis.verdict import Verdict, best_number, study_verdict, verdict
from sweep.store.handle import StudyHandle, StudyRecord, open_study
from sweep.store.records import CurvePoint, Domain, TrialRow
from sweep.store.table import TrialTable

#: Trials that ``best`` reads initially.
N_BEST = 10


class StudyReader:
    """A study as of the first read of each part.

    A subclass may reuse parts that were read before, as pages do.
    """

    def __init__(
        self,
        study: StudyHandle,
        read_floors: Callable[[StudyHandle], Floors | None] = study_floors,
        where: Filter | None = None,
    ) -> None:
        self.study = study
        self.where = where or Filter()
        self._read_floors = read_floors
        self._trials: dict[int, TrialRow] = {}
        self._seed_curves: dict[int, Mapping[int, Sequence[CurvePoint]]] = {}

    @cached_property
    def whole(self) -> TrialTable:
        """All trials, as columns."""
        return self.study.table()

    @cached_property
    def table(self) -> TrialTable:
        """The trials that pass ``where``."""
        return self.where.apply(self.whole)

    def table_of(self, other: str) -> TrialTable:
        """Return all trials of another study of the database, to compare with."""
        return open_study(self.study.engine, other).table()

    @cached_property
    def record(self) -> StudyRecord:
        """The study's own row."""
        return self.study.record()

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """The distribution of each parameter."""
        return self.study.domains()

    @cached_property
    def floors(self) -> Floors | None:
        """Lower bounds of the study's data; may take minutes. None if they are unknown."""
        return self._read_floors(self.study)

    @cached_property
    def compared(self) -> Verdict | None:
        """The best trial compared with the baseline, without the floors.

        None while no trial counts.
        """
        return study_verdict(self.study, self.table)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The best trial compared with baseline and floors; None while no trial counts."""
        found = self.compared
        rows = [] if found is None else [found.best, *([found.baseline] if found.baseline else [])]
        of_floors = verdict(self.table, rows, self.floors)
        if found is None or of_floors is None:
            return None
        return replace(of_floors, untried=found.untried)

    def best(self, n: int) -> list[TrialRow]:
        """Return the ``n`` best trials; with several objectives, the Pareto set."""
        return self._first_best[:n] if n <= N_BEST else self.study.best(n)

    @cached_property
    def _first_best(self) -> list[TrialRow]:
        return self.study.best(N_BEST)

    def trials(self, numbers: Sequence[int]) -> list[TrialRow]:
        """Return trials in the order of these numbers."""
        return sorted(self.study.trials(numbers), key=lambda row: numbers.index(row.number))

    def trial(self, number: int) -> TrialRow:
        """Return a trial, read once. Raises NotFoundError without it."""
        if number not in self._trials:
            self._trials[number] = self.study.trial(number)
        return self._trials[number]

    def seed_curves(self, number: int) -> Mapping[int, Sequence[CurvePoint]]:
        """Return a trial's curves by the index of the seed, read once."""
        if number not in self._seed_curves:
            self._seed_curves[number] = self.study.seed_curves(number)
        return self._seed_curves[number]

    @cached_property
    def importances(self) -> Importances:
        """Share of each setting in what sets the best trials apart."""
        return importances(self.table, self.domains)

    @cached_property
    def explanation(self) -> StudyExplanation | None:
        """Ablation path to the best trial; None if none was begun."""
        return study_explanation(self.study, best_number(self.table))

    @cached_property
    def factorial(self) -> StudyFactorial | None:
        """Every combination of causes up to the best trial; None where that is not trained."""
        return study_factorial(self.study)

    @cached_property
    def atlas(self) -> Atlas | None:
        """Pictures of the best trial of each width; None if there are none."""
        return atlas_by_width(self.study, self.table)

    @cached_property
    def probes(self) -> ProbeSummary | None:
        """How well codes predict the labels; None while no network is analysed."""
        return ProbeReader(self.study).look(self.table)
