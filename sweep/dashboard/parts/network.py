"""What was found in a trial's networks, in words: beside `sweep show`, for the page of a trial."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sweep.figures import words
from sweep.store.records import TrialDetail, mean_diagnostics


class FoundRow(NamedTuple):
    """One thing that was found."""

    label: str
    value: str
    #: What it means.
    meaning: str


def found_rows(trial: TrialDetail) -> list[FoundRow]:
    """Of the diagnostics the mean over seeds, of the rest the first seed's; empty before that."""
    return [
        *_health(mean_diagnostics(trial.results)),
        *_ranks(trial.decomposition, trial.hidden_width),
    ]


def _health(of: Mapping[str, float] | None) -> list[FoundRow]:
    if of is None:
        return []
    norms = f"{words.number(of.get('encoder_norm'), 4)}, {words.number(of.get('decoder_norm'), 4)}"
    return [
        _share("dead units", of.get("dead_share"), "no image makes them positive"),
        _share("saturated", of.get("saturated_share"), "units so far out that they hardly move"),
        _share(
            "stuck outputs", of.get("stuck_share"), "share of the error that saturated outputs make"
        ),
        FoundRow("norms of the weights", norms, "encoder, decoder"),
    ]


def _share(label: str, share: float | None, meaning: str) -> FoundRow:
    return FoundRow(label, "–" if share is None else words.percent(share, 1), meaning)


def _ranks(of: Mapping[str, Any] | None, width: int | None) -> list[FoundRow]:
    if of is None:
        return []
    units = "" if width is None else f", of {width:,} units"
    rank = words.number(of["code_rank"], 4)
    weights = f"{words.number(of['encoder_rank'], 4)}, {words.number(of['decoder_rank'], 4)}"
    rows = [
        FoundRow("effective rank of the code", rank, f"directions in use{units}"),
        FoundRow("effective rank of the weights", weights, "encoder, decoder"),
    ]
    if values := of["end_to_end"]:
        ends = f"{words.number(values[0])} … {words.number(values[-1])}"
        rows.append(FoundRow("singular values end to end", ends, "1 copies a direction as it is"))
    return rows


class ToldRow(NamedTuple):
    """Labels that two simple classifiers tell from one kind of code."""

    code: str
    linear: str
    neighbours: str


_CODES = {"code": "this code", "pca": "PCA code of that size", "pixels": "all pixels"}


def told_rows(trial: TrialDetail) -> list[ToldRow]:
    """Probe accuracies on the test images; empty while the trial is not analysed."""
    probe = trial.probe
    if probe is None:
        return []
    return [
        ToldRow(label, *(words.percent(probe[kind][by], 1) for by in ToldRow._fields[1:]))
        for kind, label in _CODES.items()
    ]
