"""Why a study's error stops where it stops: what was found of it, in sentences with numbers."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sweep.analysis.study_diagnosis import DiagnosedTrial
from sweep.analysis.study_explanation import StudyExplanation
from sweep.analysis.ties import TieSet
from sweep.analysis.usefulness import Usefulness
from sweep.analysis.width_law import WidthLaw
from sweep.findings.ablation import about_path
from sweep.findings.probes import about_codes
from sweep.findings.width import verdict_in_words


class Findings(NamedTuple):
    """What the parts of the answer say."""

    width: WidthLaw
    #: Of the best trial of each width, the narrowest first.
    limits: Sequence[DiagnosedTrial]
    #: None where too few seeds tell.
    ties: TieSet | None
    #: What the error comes from, change by change; None where that was not trained.
    explained: StudyExplanation | None = None
    #: Of those that are of another study, a sentence each.
    ignored: Sequence[str] = ()
    #: What the codes are worth; None where no network is analysed.
    useful: Usefulness | None = None


def in_words(found: Findings) -> list[str]:
    """The answer, as far as it is known."""
    if not found.limits:
        return []
    said = (
        verdict_in_words(found.width),
        _causes(found.explained),
        _best(found.limits),
        _widths(found.limits),
        "" if found.useful is None else about_codes(found.useful),
        _ties(found.ties),
    )
    return [sentence for sentence in said if sentence]


def _causes(explained: StudyExplanation | None) -> str:
    """Nothing until a first change was told."""
    if explained is None or not explained.found.forward.steps:
        return ""
    return about_path(explained)


def _best(limits: Sequence[DiagnosedTrial]) -> str:
    best = min(limits, key=lambda of: of.trial.value or 0.0)
    number, width, diagnosis = best.trial.number, best.trial.hidden_width, best.diagnosis
    who = f"the best trial ({number}, {width:,} units)"
    if diagnosis.limit is None:
        return f"What limits {who} is not known: {diagnosis.because}."
    return f"What limits {who} is {_named(diagnosis.limit)}: {diagnosis.because}."


def _widths(limits: Sequence[DiagnosedTrial]) -> str:
    """How often each label was given; nothing where that is said already."""
    if len(limits) < 2:
        return ""
    counts = Counter(str(of.diagnosis.limit or "not known") for of in limits)
    (first, n), *others = counts.most_common()
    rest = "".join(f", {of} for {m}" for of, m in others)
    return f"Of the best of each width it is {_named(first)} for {n}{rest}."


_NAMES = {"budget": "the budget of epochs", "loss floor": "the loss’s own floor"}


def _named(label: str) -> str:
    return _NAMES.get(label, label)


def _ties(ties: TieSet | None) -> str:
    if ties is None:
        return ""
    n_tied = sum(of.is_tied for of in ties.compared)
    if n_tied < 2:
        return "No other of the best configurations ties with the best over its seeds."
    smallest = "" if ties.smallest is None else f"; the smallest of them is trial {ties.smallest}"
    n = len(ties.compared)
    which = f"The {n}" if n_tied == n else f"{n_tied} of the {n}"
    return f"{which} best configurations cannot be told apart by their seeds{smallest}."
