"""Where the best trials lie in each setting's range: at its end, in a part of it, anywhere.

What is said of an end needs both that the best trials crowd there, by more than a draw from the
range would, and that the error, all other settings held, still falls towards it
(``effects.End``): a sampler that learns crowds also where a setting has no effect.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtrc

from sweep.analysis.effects import LEVEL, Effects, SettingEffect, places
from sweep.store.records import ChoiceDomain, NumberDomain
from sweep.store.table import Numbers, TrialTable

#: Of the best trials, those that the zone at an end has to hold.
_CROWD = 0.7
#: The zone's share of the range at most, unless it is the last value alone.
_MOST_OF_RANGE = 0.25
#: Chance that so many draws from the range alone fall into the zone.
_CROWD_LEVEL = 0.01
#: A setting without effect changes the error by less than this factor, with confidence.
NO_EFFECT = 1.25
#: The part of a range that the best trials need is wider than their span by this, on each side.
_MARGIN = 0.5
#: A part that is wider than this is not worth narrowing to.
_PART = 0.5
#: A name that so many trials tried is not missing among the best by chance of the draw alone.
_MIN_TRIED = 8


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """The best trials at an end of a range."""

    effect: SettingEffect
    is_high: bool
    #: Of the best ``n_best`` trials, so many have values in the zone.
    n_in_zone: int
    n_best: int
    #: The zone's end that is farthest inside.
    inner: Any
    #: Share of a draw from the range that falls into the zone.
    share: float
    #: Of no fall of the error towards the end, corrected.
    p: float


@dataclass(frozen=True, kw_only=True)
class BestRegion:
    """The part of a setting's values that the best trials need."""

    effect: SettingEffect
    n_best: int
    #: Of a range.
    low: float | None = None
    high: float | None = None
    #: Of a list.
    choices: tuple[Any, ...] = ()


def crowded_ends(found: Effects, table: TrialTable) -> list[Crowd]:
    """Return the ends at which the best trials crowd, the surest first."""
    crowds = []
    for effect in found.by_param.values():
        values = _best_values(effect, found, table)
        for end in effect.ends:
            if end.p > LEVEL:
                continue
            crowd = _crowd(effect, values, len(found.best), end.is_high, end.p)
            crowds += [crowd] if crowd else []
    return sorted(crowds, key=lambda of: of.p)


def without_effect(found: Effects) -> list[SettingEffect]:
    """Return the settings that change the error by less than NO_EFFECT, with confidence."""
    return [
        of
        for of in found.by_param.values()
        if of.p > LEVEL and of.p_interactions > LEVEL and of.at_most < NO_EFFECT
    ]


def needed_parts(found: Effects, table: TrialTable) -> list[BestRegion]:
    """Return the parts of ranges and lists outside of which the error is higher, and no best trial.

    Of settings with an effect alone, and of none whose best crowd at an end.
    """
    crowded = {of.effect.param for of in crowded_ends(found, table)}
    parts = []
    for effect in found.by_param.values():
        values = _best_values(effect, found, table)
        if effect.p > LEVEL or effect.param in crowded or len(values) < len(found.best):
            continue
        domain = effect.searched.domain
        part = (
            _list_part(effect, domain, values)
            if isinstance(domain, ChoiceDomain)
            else _range_part(effect, domain, values)
        )
        parts += [part] if part else []
    return parts


def _best_values(effect: SettingEffect, found: Effects, table: TrialTable) -> list[Any]:
    """Return the setting's values in the best trials that searched it."""
    searched = effect.searched
    of_number = dict(zip(found.numbers.tolist(), range(len(found.numbers)), strict=True))
    rows = [of_number[number] for number in found.best.tolist() if number in of_number]
    return [searched.values[row] for row in rows if searched.trials[row]]


def _crowd(
    effect: SettingEffect, values: Sequence[Any], n_best: int, is_high: bool, p: float
) -> Crowd | None:
    # What too few of the best have, another setting's choice brings along for the others alone.
    wanted = math.ceil(_CROWD * n_best)
    if len(values) < wanted:
        return None
    u = places(effect.searched.domain, values)
    assert u is not None
    distance = 1.0 - u if is_high else u
    order = np.argsort(distance, kind="stable")
    inner = values[int(order[wanted - 1])]
    n_in_zone = int((distance <= distance[order[wanted - 1]]).sum())
    share = zone_share(effect.searched.domain, inner, is_high)
    is_last = distance[order[wanted - 1]] == 0
    if share > _MOST_OF_RANGE and not is_last:
        return None
    if bdtrc(n_in_zone - 1, len(values), share) > _CROWD_LEVEL:
        return None
    return Crowd(
        effect=effect,
        is_high=is_high,
        n_in_zone=n_in_zone,
        n_best=n_best,
        inner=inner,
        share=share,
        p=p,
    )


def zone_share(domain: ChoiceDomain | NumberDomain, inner: Any, is_high: bool) -> float:
    """Return the share of an even draw that lies between a value and an end, both included."""
    if isinstance(domain, ChoiceDomain):
        zone = [of for of in domain.choices if (of >= inner if is_high else of <= inner)]
        return len(zone) / len(domain.choices)
    half = (domain.step or 1.0) / 2 if domain.integer else (domain.step or 0.0) / 2
    ends = np.array([domain.low - half, domain.high + half, inner + (-half if is_high else half)])
    if domain.log:
        ends = np.log(ends)
    low, high, at = ends
    return float((high - at if is_high else at - low) / (high - low))


def _range_part(
    effect: SettingEffect, domain: NumberDomain, values: Sequence[Any]
) -> BestRegion | None:
    u = places(domain, values)
    assert u is not None
    margin = _MARGIN * (u.max() - u.min())
    low, high = max(0.0, u.min() - margin), min(1.0, u.max() + margin)
    if not 0 < high - low <= _PART:
        return None
    ends = value_at(domain, np.array([low, high]))
    return BestRegion(effect=effect, n_best=len(values), low=float(ends[0]), high=float(ends[1]))


def value_at(domain: NumberDomain, u: Numbers) -> Numbers:
    """Return the values at places of a range; places may lie outside of it."""
    ends = np.array([domain.low, domain.high])
    if domain.log:
        ends = np.log(ends)
    found: Numbers = ends[0] + u * (ends[1] - ends[0])
    return np.exp(found) if domain.log else found


def _list_part(
    effect: SettingEffect, domain: ChoiceDomain, values: Sequence[Any]
) -> BestRegion | None:
    searched = effect.searched
    tried = {
        name: sum(
            of == name and has for of, has in zip(searched.values, searched.trials, strict=True)
        )
        for name in domain.choices
    }
    missing = [
        name
        for name in domain.choices
        if name not in values and tried[name] >= _MIN_TRIED and name in effect.worse
    ]
    kept = tuple(name for name in domain.choices if name not in missing)
    if not missing:
        return None
    return BestRegion(effect=effect, n_best=len(values), choices=kept)
