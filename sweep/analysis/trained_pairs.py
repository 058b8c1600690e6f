"""Compute gains of a doubling from pairs of trained trials that differ in one setting only.

Notation: x a setting's value, E validation error, mean over the seeds. Two trials with x1 < x2 gain
1 - (E2 / E1)^(1 / log2(x2 / x1)) per doubling; the interval is Student's for the difference of two
means of log E, with the spread of E over the seeds, if both have two or more.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from sweep.analysis.gains import LEVEL, Doubling, Gain, Gains
from sweep.enums import Schedule
from sweep.errors import NotFoundError
from sweep.store.handle import DatabaseHandle, StudyHandle, open_study
from sweep.store.records import TrialRow
from sweep.store.table import Choices, Column, Mask, TrialTable

#: Trials that are farther apart, in doublings, say little about the next doubling.
_FARTHEST = 2.0
#: Maximum difference, in doublings, between trials with the same number of updates.
_AS_MANY = 0.1


class Partner(NamedTuple):
    """A trial that differs from another in one respect."""

    study: StudyHandle
    number: int
    #: log2 of its value divided by this trial's.
    doublings: float


def find_partners(
    study: StudyHandle, table: TrialTable, trial: TrialRow, larger_sets: Iterable["LargerSet"] = ()
) -> dict[Doubling, Partner]:
    """Find trials that, paired with this one, show what doubling a setting gains.

    A larger partner takes precedence: it shows the next doubling, not the last. The last doubling
    of epochs at a constant rate is also shown by the trial's own curve.
    """
    same = _find_differing(table, trial.number, {"epochs", "hidden_width"})
    found = {
        Doubling.EPOCHS: _nearest(study, table, trial, same["epochs"], "epochs"),
        Doubling.WIDTH: _nearest(study, table, trial, same["hidden_width"], "hidden_width"),
        Doubling.IMAGES: _of_more_images(trial, table, larger_sets),
    }
    last, schedule = found[Doubling.EPOCHS], trial.config.get("lr_schedule")
    if last and last.doublings < 0 and schedule != Schedule.COSINE:
        found[Doubling.EPOCHS] = None
    return {of: partner for of, partner in found.items() if partner}


def read_partners(partners: Iterable[Partner]) -> dict[tuple[str, int], TrialRow]:
    """Read the partners' records, by study and number; one query per study."""
    numbers: dict[str, set[int]] = {}
    studies = {}
    for partner in partners:
        studies[partner.study.name] = partner.study
        numbers.setdefault(partner.study.name, set()).add(partner.number)
    return {
        (name, row.number): row
        for name, study in studies.items()
        for row in study.trials(numbers[name])
    }


def trained_gains(
    study: StudyHandle,
    trial: TrialRow,
    partners: Mapping[Doubling, Partner],
    rows: Mapping[tuple[str, int], TrialRow],
) -> Gains:
    """Return the gains from a trial's pairs; ``rows`` are its partners' records."""
    gains = {}
    for of, other in partners.items():
        partner = rows.get((other.study.name, other.number))
        if partner and (gain := _gain(of, study, trial, other, partner)):
            gains[of] = gain
    return gains


def _find_differing(table: TrialTable, number: int, settings: set[str]) -> dict[str, Mask]:
    """Return by setting the trials that count and equal this one in all other settings."""
    row = table.row_of(number)
    assert row is not None
    unequal = {name: ~_equal(column, row) for name, column in table.settings.items()}
    n_unequal = np.sum([*unequal.values()], axis=0)
    return {
        name: table.counting & (n_unequal == 1) & unequal.get(name, np.zeros(len(table), bool))
        for name in settings
    }


def _equal(column: Column, row: int) -> Mask:
    values = column.codes if isinstance(column, Choices) else column
    equal: Mask = (values == values[row]) | ((values != values) & (values[row] != values[row]))
    return equal


def _nearest(
    study: StudyHandle, table: TrialTable, trial: TrialRow, rows: Mask, setting: str
) -> Partner | None:
    column = table.column(setting)
    if not rows.any() or isinstance(column, Choices):
        return None
    doublings = np.log2(column / float(trial.config[setting]))
    rows = rows & (np.abs(doublings) <= _FARTHEST)
    for side in (rows & (doublings > 0), rows & (doublings < 0)):
        places = np.flatnonzero(side)
        if places.size:
            place = places[np.argmin(np.abs(np.abs(doublings[places]) - 1))]
            return Partner(study, int(table.numbers[place]), float(doublings[place]))
    return None


def _gain(
    of: Doubling, study: StudyHandle, trial: TrialRow, other: Partner, partner: TrialRow
) -> Gain | None:
    if not trial.val_mse or not partner.val_mse:
        return None
    log, doublings = float(np.log(partner.val_mse / trial.val_mse)), other.doublings
    gain, ends = _share(log / doublings), None
    spreads = [(of.val_mse_std, len(of.seeds), of.val_mse) for of in (trial, partner)]
    if all(spread is not None and n > 1 for spread, n, _ in spreads):
        variance = sum((spread or 0.0) ** 2 / n / (mean or 1.0) ** 2 for spread, n, mean in spreads)
        n_free = sum(n - 1 for _, n, _ in spreads)
        wide = float(stdtrit(n_free, (1 + LEVEL) / 2) * np.sqrt(variance))
        ends = sorted(_share((log + of) / doublings) for of in (-wide, wide))
    same = other.study.name == study.name
    which = str(other.number) if same else f"{other.number} of study '{other.study.name}'"
    return Gain(
        of=of,
        estimate=gain,
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        source=f"trial {which}" if doublings > 0 else f"the last doubling (trial {which})",
    )


def _share(log_per_doubling: float) -> float:
    return float(-np.expm1(log_per_doubling))


class LargerSet(NamedTuple):
    """A study of more of the same images, validated on the same ones."""

    study: StudyHandle
    table: TrialTable
    #: log2 of its number of training images divided by this study's.
    doublings: float


def larger_sets(study: StudyHandle) -> list[LargerSet]:
    """Return the studies of the same database that trained on more images of the same split.

    Only those whose study file limits the number, because no other number is stored.
    """
    record, name = study.record(), study.name
    data, sha256 = record.settings.data, record.provenance.get("data_sha256")
    if data.train_limit is None or not sha256:
        return []
    found = []
    for other in DatabaseHandle(study.engine).studies():
        if other.name == name or other.dataset != data.name:
            continue
        try:
            handle = open_study(study.engine, other.name)
            theirs = handle.record()
        except NotFoundError:  # deleted meanwhile
            continue
        limit = theirs.settings.data.train_limit
        same = theirs.provenance.get("data_sha256") == sha256 and all(
            getattr(theirs.settings.data, of) == getattr(data, of)
            for of in ("size", "validation_fraction", "split_seed")
        )
        if same and limit is not None and limit > data.train_limit:
            doublings = float(np.log2(limit / data.train_limit))
            if doublings <= _FARTHEST:
                found.append(LargerSet(handle, handle.table(), doublings))
    return sorted(found, key=lambda of: abs(of.doublings - 1))


def _of_more_images(
    trial: TrialRow, table: TrialTable, sets: Iterable[LargerSet]
) -> Partner | None:
    """Find the same configuration with as many updates, trained on more images."""
    for of in sets:
        rows = of.table.counting
        for name, column in of.table.settings.items():
            if name != "epochs":
                rows = rows & _is(column, trial.config.get(name))
        epochs = of.table.column("epochs")
        assert not isinstance(epochs, Choices)
        updates = np.log2(epochs / float(trial.config["epochs"])) + of.doublings
        places = np.flatnonzero(rows & (np.abs(updates) < _AS_MANY))
        if places.size:
            return Partner(of.study, int(of.table.numbers[places[0]]), of.doublings)
    return None


def _is(column: Column, value: object) -> Mask:
    equal: Mask = column.is_(value) if isinstance(column, Choices) else column == value
    return equal
