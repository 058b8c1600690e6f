"""Compare a study's best trial with its baseline and with the floors, in sentences."""

from shlex import quote

import numpy as np

from sweep.analysis.floors import ROUNDING
from sweep.analysis.untried_baseline import UntriedBaseline
from sweep.analysis.verdict import Verdict
from sweep.catalogue.formats import count, number, percent
from sweep.findings.commands import enqueue_command
from sweep.findings.configurations import network, short_name
from sweep.findings.progress import tally, trial_counts
from sweep.store.records import StudySummary, TrialRow
from sweep.store.table import TrialTable

#: An error this many times the floor is not due to the width: the floor is less than a tenth.
_FAR = 10.0
#: Ratios below this are written in percent.
_FEW_PERCENT = 1.5


def headline(study: StudySummary, verdict: Verdict | None) -> str:
    """Name the trial with the best copies, and its error."""
    if verdict is not None:
        return _best(study, verdict.best)
    if study.n_finished == 0:
        return f"No trial has finished yet ({_tally(study)})."
    return f"No trial can be judged yet: of {count(study.n_finished, 'trial')}, {_tally(study)}."


def _tally(study: StudySummary) -> str:
    return tally(trial_counts(study)) or "none yet"


def _best(study: StudySummary, best: TrialRow) -> str:
    config = best.config
    what = f"{network(config)} trained on {config['loss']}" if config else short_name(best)
    lead = "Trial" if len(study.objectives) == 1 else "By error alone, trial"
    if best.test_mse is None:
        error = f"a validation error of {number(best.value)} per pixel"
    else:
        error = f"a test error of {number(best.test_mse)} per pixel"
    psnr = "" if best.psnr is None else f" ({number(best.psnr)} dB)"
    return f"{lead} {best.number} has the best copies: {what} have {error}{psnr}."


def explanations(study: StudySummary, verdict: Verdict | None) -> list[str]:
    """Compare the best trial with the baseline and with the floors."""
    if verdict is None:
        return []
    said = (_beside_baseline(study, verdict), _beside_floor(verdict), _beside_entropy(verdict))
    return [sentence for sentence in said if sentence]


def _beside_baseline(study: StudySummary, verdict: Verdict) -> str:
    baseline, times = verdict.baseline, verdict.times_better
    if baseline is None:
        return untried_sentence(study.name, verdict.untried or UntriedBaseline())
    if baseline.number == verdict.best.number:
        others = study.counts["COMPLETE"] - 1
        beaten = f"; none of {count(others, 'other trial')} beats it" if others else ""
        return f"That is the baseline{beaten}."
    if times is None:
        return ""
    asked = f"the baseline (trial {baseline.number}, {_error(baseline)})"
    if times >= 1:
        return f"That is {_less(times)} less than {asked}."
    return f"On the test images {asked} is even {_less(1 / times)} better."


def untried_sentence(study: str, untried: UntriedBaseline) -> str:
    """Say why nothing is compared with the baseline, and how to change that."""
    number, state = untried.number, untried.state
    if not untried.is_file_readable:
        return (
            "The baseline was not tried; this version cannot read the study file, which says "
            "whether the search space has it."
        )
    if number is None and untried.to_enqueue is None:
        return (
            "The baseline is not in this study’s search space; "
            f"`sweep resume {quote(study)} --set study.baseline=NUMBER` names another."
        )
    if number is None:
        command = enqueue_command(study, untried.to_enqueue or {})
        return f"The baseline was not tried; `{command}` queues it."
    if state is None:
        return f"The baseline is trial {number}, which this study does not have yet."
    why = "is marked invalid" if untried.is_invalid else f"is {state}"
    return f"The baseline (trial {number}) {why}, so nothing is compared with it."


def _beside_floor(verdict: Verdict) -> str:
    floor, components = verdict.floor, verdict.pca_components
    if floor is None:
        return ""
    as_good = f"PCA is as good with {count(components or 0, 'component')}"
    times = verdict.times_floor
    if floor < ROUNDING or (times or 0) > _FAR:
        small = f"has a tenth of trial {verdict.best.number}’s error or less"
        is_exact = floor < ROUNDING
        could = "could copy every image exactly" if is_exact else f"(PCA, {number(floor)}) {small}"
        return (
            f"A linear code of that width {could}, so the limit is training, not the width: "
            f"{as_good}."
        )
    if times is None:
        return ""
    best_linear = f"The best linear code of the same width (PCA, {number(floor)})"
    if times <= 1:
        return f"{best_linear} is {_more(1 / times)} worse: the nonlinear code pays off."
    return f"{best_linear} is {_less(times)} better; {as_good}."


def _beside_entropy(verdict: Verdict) -> str:
    baseline, entropy = verdict.baseline, verdict.entropy
    if baseline is None or not verdict.is_about_question:
        return ""
    if entropy is None or not baseline.test_bce or baseline.test_bce < entropy:
        return ""
    return (
        "The baseline’s cross-entropy says little about this: of its "
        f"{number(baseline.test_bce)} nats per pixel, {number(entropy)} are the "
        "pixels’ entropy, the lower bound of any copy."
    )


def _error(row: TrialRow) -> str:
    return number(row.test_mse if row.test_mse is not None else row.value)


def _less(ratio: float) -> str:
    """Say how much less one error is than another that is ``ratio`` times as high."""
    return percent(1 - 1 / ratio) if ratio < _FEW_PERCENT else _times(ratio)


def _more(ratio: float) -> str:
    """Say how much more an error is that is ``ratio`` times as high as another."""
    return percent(ratio - 1) if ratio < _FEW_PERCENT else _times(ratio)


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 100 else f"{number(ratio)} times"


def beaten_by(table: TrialTable, baseline: TrialRow | None) -> str:
    """Say how many trials are better than the baseline."""
    finished = table.value[table.counting]
    if baseline is None or baseline.value is None or len(finished) < 2:
        return ""
    better = float(np.mean(finished < baseline.value))
    return (
        f"{percent(better)} of {len(finished):,} finished trials have a lower validation "
        "error than the baseline."
    )
