"""What the page of a trial says: gathered in one place, before it is laid out."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sweep import datasets
from sweep.analysis.diagnosis import diagnose
from sweep.analysis.floors import Floors, pca_equivalent
from sweep.analysis.verdict import baseline_number, best_number, floor_at
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import quantity
from sweep.catalogue.metrics import METRICS, Metric
from sweep.catalogue.settings import by_setting, in_use
from sweep.dashboard.view import View
from sweep.figures import words
from sweep.findings.trial_sentences import limit_sentence, training_sentences
from sweep.store.records import CurvePoint, TrialDetail, TrialRow, mean_diagnostics
from sweep.store.table import TrialTable


class Rank(NamedTuple):
    """A trial's place among those that count."""

    place: int
    n: int

    def __str__(self) -> str:
        if self.place == 1:
            return f"the best of {self.n:,}" if self.n > 1 else "the only one that counts so far"
        return f"{ordinal(self.place)} best of {self.n:,}"


class TrialFacts(NamedTuple):
    """One trial, and where it stands in its study."""

    study: str
    trial: TrialDetail
    #: By the index of the seed.
    seed_curves: Mapping[int, Sequence[CurvePoint]]
    #: None for one that does not count.
    rank: Rank | None
    previous: int | None
    next: int | None
    #: None while no trial counts; may be the trial itself.
    best: TrialRow | None
    #: Number of the study's baseline; None where it was not tried.
    baseline: int | None
    diagnosis: list[str]
    provenance: Mapping[str, Any]
    dataset: str
    class_names: tuple[str, ...]
    has_pictures: bool
    floors: Floors | None

    @property
    def mark(self) -> str:
        """Differs when the page has anything new to show."""
        told = repr(self._replace(floors=None)) + str(self.floors is not None)
        return hashlib.blake2b(told.encode(), digest_size=12).hexdigest()


def gather_trial(view: View, name: str, number: int) -> TrialFacts:
    """Raises NotFoundError without the study or the trial."""
    table = view.table(name)
    trial = view.study(name).trial(number)
    best = best_number(table)
    floors = view.floors(name)
    curves = view.study(name).curves({number, best} - {None})  # type: ignore[arg-type]
    curve = curves.get(number, ())
    diagnosis = diagnose(trial, curve, mean_diagnostics(trial.results), floors)
    before, after = neighbours(table, number)
    record = view.study(name).record()
    return TrialFacts(
        study=name,
        trial=trial,
        seed_curves=view.study(name).seed_curves(number),
        rank=rank(table, number),
        previous=before,
        next=after,
        best=_best(view, name, best, trial),
        baseline=baseline_number(table),
        diagnosis=[
            *filter(None, [limit_sentence(diagnosis)]),
            *training_sentences(
                trial,
                curve,
                floors,
                curves.get(best, ()) if best is not None else (),
                diagnosis.limit,
            ),
        ],
        provenance=record.provenance,
        dataset=record.dataset,
        class_names=datasets.class_names(record.dataset),
        has_pictures=number in view.study(name).pictured([number]),
        floors=floors,
    )


def _best(view: View, name: str, best: int | None, trial: TrialRow) -> TrialRow | None:
    if best is None or best == trial.number:
        return None if best is None else trial
    return next(iter(view.study(name).trials(numbers=[best])), None)


def neighbours(table: TrialTable, number: int) -> tuple[int | None, int | None]:
    """The trials before and after, by number."""
    place = int(np.searchsorted(table.numbers, number))
    after = int(np.searchsorted(table.numbers, number, side="right"))
    return (
        int(table.numbers[place - 1]) if place > 0 else None,
        int(table.numbers[after]) if after < len(table) else None,
    )


def rank(table: TrialTable, number: int) -> Rank | None:
    """By the first objective; trials of the same value share a place."""
    row = table.row_of(number)
    counting = table.counting
    if row is None or not counting[row]:
        return None
    values = table.value[counting]
    return Rank(int(np.count_nonzero(values < table.value[row])) + 1, len(values))


def ordinal(n: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    teen = 10 < n % 100 < 20
    return f"{n:,}" + ("th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th"))


class SettingRow(NamedTuple):
    """A setting in words."""

    name: str
    value: str
    #: By the sampler, or as enqueued; the others are fixed by the study file.
    is_searched: bool


def settings(trial: TrialRow) -> list[SettingRow]:
    """What made the trial, without what means nothing beside the rest; searched ones first."""
    searched = by_setting(trial.params)
    rows = [
        SettingRow(column_named(name).title, words.value(value), name in searched)
        for name, value in in_use({**searched, **trial.config}).items()
    ]
    return sorted(rows, key=lambda row: not row.is_searched)


class MeasuredRow(NamedTuple):
    """A number of the trial beside what no model of its kind can beat."""

    label: str
    value: str
    unit: str = ""
    floor: str = ""
    #: How far above that it is.
    beside: str = ""


def measured(trial: TrialRow, floors: Floors | None) -> list[MeasuredRow]:
    """What was measured at the trial's end, as far as it got."""
    rows = [
        _error(
            "validation error (MSE)", trial.val_mse, trial.val_mse_std, _val_floor(trial, floors)
        ),
        _error(
            "test error (MSE)",
            trial.test_mse,
            trial.test_mse_std,
            floor_at(floors, trial.hidden_width) if floors else None,
        ),
        _entropy(trial, floors),
        _pca(trial, floors),
        *(_plain(trial, METRICS[name]) for name in ("psnr", "exact_pixel_share")),
        *(_plain(trial, METRICS[name]) for name in ("n_parameters", "train_seconds")),
    ]
    return [row for row in rows if row is not None]


def _val_floor(trial: TrialRow, floors: Floors | None) -> float | None:
    if floors is None or trial.hidden_width is None:
        return None
    return floors.val_pca_mse[min(trial.hidden_width, floors.n_inputs)]


def _error(
    label: str, error: float | None, spread: float | None, floor: float | None
) -> MeasuredRow | None:
    if error is None:
        return None
    said = words.number(error, 4) + ("" if spread is None else f" ± {words.number(spread, 2)}")
    if floor is None:
        return MeasuredRow(label, said)
    # Of a floor that is only rounding, no multiple says anything.
    times = f"{words.number(error / floor)} times PCA" if floor > 1e-9 else "PCA copies exactly"
    return MeasuredRow(label, said, floor=words.number(floor, 4), beside=times)


def _entropy(trial: TrialRow, floors: Floors | None) -> MeasuredRow | None:
    if trial.test_bce is None:
        return None
    row = MeasuredRow("test cross-entropy (BCE)", words.number(trial.test_bce, 4), "nats")
    if floors is None:
        return row
    above = f"{words.number(trial.test_bce - floors.test_entropy)} above the pixels’ entropy"
    return row._replace(floor=words.number(floors.test_entropy, 4), beside=above)


def _pca(trial: TrialRow, floors: Floors | None) -> MeasuredRow | None:
    if floors is None or trial.test_mse is None:
        return None
    components = pca_equivalent(floors, trial.test_mse)
    width = "" if trial.hidden_width is None else f"by {trial.hidden_width:,} hidden units"
    unit = "component" if components == 1 else "components"
    return MeasuredRow("as good as PCA with", f"{components:,}", unit, beside=width)


def _plain(trial: TrialRow, metric: Metric) -> MeasuredRow | None:
    value = getattr(trial, metric.name)
    return None if value is None else MeasuredRow(metric.title, quantity(metric, value))


def provenance(facts: TrialFacts) -> list[tuple[str, str]]:
    """What is needed to train the trial again, besides its settings."""
    trial, known = facts.trial, facts.provenance
    packages = known.get("packages") or {}
    pairs = {
        "data set": facts.dataset,
        "data SHA-256": known.get("data_sha256"),
        "seeds" if len(trial.seeds) > 1 else "seed": ", ".join(map(str, trial.seeds)),
        "worker": trial.worker,
        "attempt": trial.attempt or None,
        "weights": "kept" if trial.artifact_id else "not kept",
        "sweep": known.get("sweep"),
        "git commit": known.get("git_commit"),
        "Python": known.get("python"),
        "platform": known.get("platform"),
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items() if version),
    }
    return [(label, str(said)) for label, said in pairs.items() if said]
