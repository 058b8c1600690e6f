"""Gather everything a study shows: numbers, verdicts, tables and sentences, once for all faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

from sweep.analysis.floors import Floors
from sweep.analysis.probe_summary import ProbeSummary
from sweep.analysis.spectrum import Spectrum
from sweep.analysis.study_diagnosis import DiagnosedTrial, best_of_widths, diagnose_trials
from sweep.analysis.study_explanation import StudyExplanation, list_ignored
from sweep.analysis.study_factorial import StudyFactorial
from sweep.analysis.study_reader import StudyReader
from sweep.analysis.study_ties import study_ties
from sweep.analysis.ties import TieSet
from sweep.analysis.verdict import Verdict
from sweep.analysis.width_law import WidthLaw, width_errors, width_law
from sweep.findings.ablation import about_path, no_ablation, path_table
from sweep.findings.advice import N_SHOWN, Advice, gather_advice
from sweep.findings.decision import Decision, gather_decision
from sweep.findings.diagnoses import (
    counts_sentence,
    diagnosis_table,
    limit_sentence,
    remedy_sentence,
)
from sweep.findings.factorial import any_effect, cause_table, cell_table
from sweep.findings.failures import failure_table, latest_failed
from sweep.findings.html import decision_html, sentence_html, table_html
from sweep.findings.probes import about_codes, probe_table
from sweep.findings.ranking import RankedTrial, gather_ranking, ranking_table
from sweep.findings.spectrum import spectrum_sentences
from sweep.findings.tables import FindingTable
from sweep.findings.ties import ties_sentence, ties_table
from sweep.findings.verdict import explanations, headline
from sweep.findings.width import verdict_in_words
from sweep.store.records import StudySummary, TrialRow


@dataclass(frozen=True, kw_only=True)
class StudyFindings:
    """All findings about a study, as far as they are known."""

    #: Heading of the advice.
    advice_title: ClassVar[str] = "What to do next"

    study: StudySummary
    #: None while no trial counts.
    verdict: Verdict | None
    #: None if the data set is unknown or not on this machine.
    floors: Floors | None
    width: WidthLaw
    #: For the best trial of each width, the narrowest first.
    diagnoses: Sequence[DiagnosedTrial]
    #: None with too few seeds.
    ties: TieSet | None
    #: The latest of the failed trials.
    failed: Sequence[TrialRow] = ()
    #: The latest ablation path; None without one.
    ablation: StudyExplanation | None = None
    #: The latest factorial analysis, or the one that the study's own trials make; None without one.
    factorial: StudyFactorial | None = None
    #: Analyses that belong to another study, a sentence each.
    ignored: Sequence[str] = ()
    #: None while no network is analysed.
    probes: ProbeSummary | None = None
    #: The best trials and the baseline.
    ranking: Sequence[RankedTrial] = ()
    #: Which trial to take; None while no trial counts.
    decision: Decision | None = None
    #: What the next study should change, the most valuable first.
    advice: Sequence[Advice] = ()
    #: Sentences about the error spectrum of the best trial.
    front: Sequence[str] = ()

    @property
    def headline(self) -> str:
        """The trial with the best copies, and its error."""
        return headline(self.study, self.verdict)

    @property
    def explanations(self) -> list[str]:
        """Compare the best with the baseline and with the floors, in sentences."""
        return explanations(self.study, self.verdict)

    @property
    def reasons(self) -> list[str]:
        """Sentences about why the error stops where it stops."""
        if not self.diagnoses:
            return []
        best = min(self.diagnoses, key=lambda of: of.trial.value_or_inf)
        said = (
            verdict_in_words(self.width),
            self._causes,
            self._limit_of_best,
            remedy_sentence(self.study.name, best),
            counts_sentence(self.diagnoses),
            *self.front,
            about_codes(self.probes) if self.probes else "",
            ties_sentence(self.ties),
        )
        return [sentence for sentence in said if sentence]

    @property
    def sentences(self) -> list[str]:
        """The complete answer: the headline, its explanation, and why the error stops."""
        return [self.headline, *self.explanations, *self.reasons]

    @property
    def advice_sentences(self) -> list[str]:
        """What to do next, each with the command that follows: the most valuable advice."""
        return [of.with_command for of in self.advice[:N_SHOWN]]

    @property
    def summary(self) -> list[str]:
        """The answer in at most four sentences, the headline first."""
        said = [self.headline, *self.explanations[:2], self._limit_of_best]
        return [sentence for sentence in said if sentence]

    @property
    def _causes(self) -> str:
        """What makes the difference to the baseline: by every combination, else along a path."""
        if self.factorial and any_effect(self.factorial.found):
            return cause_table(self.factorial).note
        steps = self.ablation.found.forward.steps if self.ablation else ()
        return about_path(self.ablation) if self.ablation and steps else ""

    @property
    def _limit_of_best(self) -> str:
        if not self.diagnoses:
            return ""
        best = min(self.diagnoses, key=lambda of: of.trial.value_or_inf)
        who = f"The best trial ({best.trial.number}, {best.trial.hidden_width:,} units)"
        return limit_sentence(who, best.diagnosis)

    # --- headings -------------------------------------------------------------------------------

    @property
    def ties_heading(self) -> str:
        """Name the best configurations that tie, or say that it is unknown."""
        unknown = "The best configurations; finding ties takes several seeds"
        return ties_sentence(self.ties).removesuffix(".") or unknown

    @property
    def diagnosis_heading(self) -> str:
        """Heading of what limits the best of each width."""
        return (counts_sentence(self.diagnoses) or self._limit_of_best).removesuffix(".")

    # --- tables ---------------------------------------------------------------------------------

    @property
    def ranking_table(self) -> FindingTable:
        """Tabulate the best trials and the baseline."""
        return ranking_table(self.ranking, self.floors, self.study.objectives)

    @property
    def diagnosis_table(self) -> FindingTable:
        """Tabulate what limits the best trial of each width."""
        table = diagnosis_table(self.study.name, self.diagnoses, self.floors)
        return table.without_empty()

    @property
    def ties_table(self) -> FindingTable:
        """Tabulate which of the best tie with the best."""
        return ties_table(self.study.name, self.ties)

    @property
    def probe_table(self) -> FindingTable:
        """Tabulate how many labels the codes of the best trial of each width tell."""
        return probe_table(self.study.name, self.probes.best if self.probes else ())

    @property
    def failure_table(self) -> FindingTable:
        """Tabulate why trials failed."""
        return failure_table(self.failed, self.study.counts["FAIL"])

    @property
    def tables(self) -> dict[str, FindingTable]:
        """Return the tables that have rows, by their keys in JSON."""
        every = {
            "ranking": self.ranking_table,
            "diagnosis": self.diagnosis_table,
            "ties": self.ties_table,
        }
        if self.factorial:
            every |= {"causes": cause_table(self.factorial), "cells": cell_table(self.factorial)}
        if self.ablation:
            every["path"] = path_table(self.ablation)
            every["path_back"] = path_table(self.ablation, reverse=True)
        every |= {"probes": self.probe_table, "failures": self.failure_table}
        return {name: table for name, table in every.items() if table}

    @property
    def cell_table(self) -> FindingTable | None:
        """Every combination of the causes with its errors."""
        return cell_table(self.factorial) if self.factorial else None

    @property
    def no_ablation(self) -> str:
        """Say how to get an ablation analysis, if the study has none."""
        return " ".join([no_ablation(self.study.name), *self.ignored])

    def _repr_html_(self) -> str:
        decided = decision_html(self.decision) if self.decision else ""
        said = "".join(f"<li>{sentence_html(of)}</li>" for of in self.sentences[1:])
        tables = (f"<h4>{escape(of.title)}</h4>{table_html(of)}" for of in self.tables.values())
        advice = "".join(f"<li>{sentence_html(of)}</li>" for of in self.advice_sentences)
        advised = f"<h4>{self.advice_title}</h4><ul>{advice}</ul>" if advice else ""
        head = f"{decided}<h3>{escape(self.headline)}</h3><ul>{said}</ul>"
        return f"{head}{advised}{''.join(tables)}"

    def to_json(self) -> dict[str, Any]:
        """Convert sentences and tables to plain values."""
        return {
            "study_name": self.study.name,
            "decision": self.decision and self.decision.to_json(),
            "sentences": self.sentences,
            "advice": [of.to_json() for of in self.advice],
            "tables": {name: table.records() for name, table in self.tables.items()},
        }


def gather_study(reader: StudyReader, *, n_best: int = 0, in_short: bool = False) -> StudyFindings:
    """Gather the findings about a study; nothing is trained or downloaded for it.

    With ``n_best``, that many of the best trials are read. ``in_short`` omits ablation analysis and
    probes.
    """
    study, table, floors = reader.study, reader.table, reader.floors
    summary, ties = study.summary(), study_ties(study)
    width = width_law(width_errors(table))
    return StudyFindings(
        study=summary,
        verdict=reader.verdict,
        floors=floors,
        width=width,
        diagnoses=diagnose_trials(study, table, best_of_widths(table), floors, width),
        ties=ties,
        failed=latest_failed(study) if table.states.is_("FAIL").any() else (),
        ablation=None if in_short else reader.explanation,
        factorial=None if in_short else reader.factorial,
        ignored=() if in_short else list_ignored(study),
        probes=None if in_short else reader.probes,
        ranking=gather_ranking(study, table, n_best) if n_best else (),
        decision=gather_decision(study, summary, table, ties, floors),
        advice=gather_advice(reader, width, ties),
        front=_front_of_best(reader),
    )


def _front_of_best(reader: StudyReader) -> list[str]:
    """Say what the best trial has learned; empty if no spectrum was measured."""
    best, bands = reader.compared.best if reader.compared else None, reader.record.spectrum_bands
    if best is None or bands is None:
        return []
    spectrum = Spectrum.of(bands, reader.study.spectra([best.number]).get(best.number, ()))
    found = reader.study.diagnostics([best.number]).get(best.number)
    return spectrum_sentences(spectrum, best.config, found)
