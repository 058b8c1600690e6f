"""Gather everything that is shown about one trial, as plain data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from sweep.analysis.diagnosis import Diagnosis
from sweep.analysis.floors import Floors
from sweep.analysis.probe_summary import ProbedTrial
from sweep.analysis.spectrum import Spectrum
from sweep.analysis.study_diagnosis import Diagnoser
from sweep.analysis.study_probes import probed_trial
from sweep.findings import trial_tables
from sweep.findings.activity import event_table
from sweep.findings.configurations import configuration
from sweep.findings.diagnoses import gains_sentence, limit_sentence, remedy_sentence
from sweep.findings.probes import trial_probe_table
from sweep.findings.spectrum import pixel_table, spectrum_sentences
from sweep.findings.tables import FindingTable
from sweep.findings.trial_sentences import training_sentences
from sweep.store.handle import StudyHandle
from sweep.store.records import (
    CurvePoint,
    TrialDetail,
    TrialRow,
    mean_diagnostics,
    mean_pixel_errors,
)


@dataclass(frozen=True, kw_only=True)
class Rank:
    """A trial's rank among those that count, by the first objective."""

    #: From 1; trials of the same value share a place.
    place: int
    n: int

    def __str__(self) -> str:
        if self.place == 1:
            return f"the best of {self.n:,}" if self.n > 1 else "the only one that counts so far"
        return f"{_ordinal(self.place)} best of {self.n:,}"


@dataclass(frozen=True, kw_only=True)
class TrialFindings:
    """One trial and its place in its study: numbers, tables and sentences."""

    study: str
    trial: TrialDetail
    #: The main settings and the searched ones.
    configuration: str
    #: None for a trial that does not count.
    rank: Rank | None
    #: The trials before and after, by number.
    previous: int | None
    next: int | None
    #: The study's best trial, which may be this one; None while no trial counts.
    best: TrialRow | None
    #: Number of the study's baseline; None if it was not tried.
    baseline: int | None
    diagnosis: Diagnosis
    #: What limits it and how its training went.
    sentences: Sequence[str]
    settings: FindingTable
    measured: FindingTable
    classes: FindingTable
    seeds: FindingTable
    network: FindingTable
    probe: FindingTable
    #: None if its network is not probed.
    probed: ProbedTrial | None
    #: Error by pixel value.
    pixels: FindingTable
    provenance: FindingTable
    #: When it was handed out, began and ended, and why.
    course: FindingTable
    events: FindingTable
    #: Mean over the seeds.
    curve: Sequence[CurvePoint]
    #: By the index of the seed.
    seed_curves: Mapping[int, Sequence[CurvePoint]]
    #: Mean over the seeds; None where none was measured.
    spectrum: Spectrum | None
    class_names: Sequence[str]
    has_pictures: bool
    floors: Floors | None


def gather_trial(
    study: StudyHandle, number: int, read_floors: Callable[[StudyHandle], Floors | None]
) -> TrialFindings:
    """Gather what is known about a trial. Raises NotFoundError if study or trial do not exist.

    Floors are read or computed only for a trial with a test error to compare with them.
    """
    trial, standing = study.trial(number), study.standing(number)
    floors = None if trial.test_mse is None else read_floors(study)
    curves = study.curves({number, *([] if standing.best is None else [standing.best])})
    curve = curves.get(number, [])
    best_curve = [] if standing.best is None else curves.get(standing.best, [])
    diagnosed = Diagnoser(study, study.table(), floors, [trial]).diagnose(
        trial, curve, mean_diagnostics(trial.results)
    )
    diagnosis = diagnosed.diagnosis
    record = study.record()
    spectrum = Spectrum.of(record.spectrum_bands, study.spectra([number]).get(number, ()))
    said = [
        limit_sentence("It", diagnosis) if diagnosis.limit else "",
        gains_sentence(diagnosis),
        remedy_sentence(study.name, diagnosed),
        *training_sentences(trial, curve, floors, best_curve, diagnosis),
        *spectrum_sentences(spectrum, trial.config, mean_diagnostics(trial.results)),
    ]
    class_names, probed = record.class_names, probed_trial(study, trial)
    return TrialFindings(
        study=study.name,
        trial=trial,
        configuration=configuration(trial),
        rank=None if standing.place is None else Rank(place=standing.place, n=standing.n),
        previous=standing.previous,
        next=standing.next,
        best=_best(study, standing.best, trial),
        baseline=standing.baseline,
        diagnosis=diagnosis,
        sentences=[sentence for sentence in said if sentence],
        settings=trial_tables.settings_table(trial),
        measured=trial_tables.measured_table(trial, floors),
        classes=trial_tables.classes_table(trial.per_class_mse, class_names),
        seeds=trial_tables.seeds_table(trial.results),
        network=trial_tables.network_table(trial),
        probe=trial_probe_table(probed, _not_probed(study, trial)),
        probed=probed,
        pixels=pixel_table(mean_pixel_errors(trial.results)),
        course=trial_tables.course_table(trial),
        events=event_table(trial.events).without("trial"),
        provenance=trial_tables.provenance_table(trial, record.dataset, record.provenance),
        curve=curve,
        seed_curves=study.seed_curves(number),
        spectrum=spectrum,
        class_names=class_names,
        has_pictures=number in study.trials_with_pictures([number]),
        floors=floors,
    )


def _not_probed(study: StudyHandle, trial: TrialDetail) -> str:
    """Say what would probe a trial that has not been, where something would."""
    if trial.probe is not None or trial.artifact_id is None:
        return ""
    return f"Not analysed yet: `sweep analyse {quote(study.name)} {trial.number}` does it."


def _best(study: StudyHandle, best: int | None, trial: TrialRow) -> TrialRow | None:
    if best is None or best == trial.number:
        return None if best is None else trial
    return next(iter(study.trials(numbers=[best])), None)


def _ordinal(n: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    teen = 10 < n % 100 < 20
    return f"{n:,}" + ("th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th"))
