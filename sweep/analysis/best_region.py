"""Locate the best trials in each setting's range: at an end, in a part of it, or anywhere.

A statement about an end requires both that more of the best trials are near it than draws from the
range would be, and that the error, with all other settings held fixed, still falls towards it
(``effects.End``): a sampler that learns crowds values even if a setting has no effect.
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

#: Minimum share of the best trials that have to be in the zone at an end.
_CROWD = 0.7
#: Maximum share of the range in the zone, unless the zone is the last value only.
_MOST_OF_RANGE = 0.25
#: Probability that as many random draws from the range fall into the zone.
_CROWD_LEVEL = 0.01
#: A setting is without effect if it changes the error by less than this factor, with confidence.
NO_EFFECT = 1.25
#: The part of a range that the best trials need extends their span by this share on each side.
_MARGIN = 0.5
#: A part that is wider than this share of the range is not reported.
_PART = 0.5
#: A choice with at least this many trials is not missing among the best by chance of the draw.
_MIN_TRIED = 8


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """The best trials at an end of a range."""

    effect: SettingEffect
    is_high: bool
    #: Number of the ``n_best`` best trials with values in the zone.
    n_in_zone: int
    n_best: int
    #: The inner end of the zone.
    inner: Any
    #: Share of draws from the range that fall into the zone.
    share: float
    #: p value of the hypothesis that the error does not fall towards the end, corrected.
    p: float


@dataclass(frozen=True, kw_only=True)
class BestRegion:
    """The part of a setting's values that the best trials need."""

    effect: SettingEffect
    n_best: int
    #: The part of a range.
    low: float | None = None
    high: float | None = None
    #: The part of a list.
    choices: tuple[Any, ...] = ()


def crowded_ends(found: Effects, table: TrialTable) -> list[Crowd]:
    """Return the ends at which the best trials crowd, the most certain first."""
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
    """Return the parts of ranges and lists outside of which errors are higher and no best trial is.

    Only settings with an effect are considered, and none whose best trials crowd at an end.
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
    # Values that fewer of the best trials have belong to another setting's other choices.
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
    """Return the share of an even draw between a value and an end, both included."""
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
    """Return the values at positions of a range; positions may be outside of it."""
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
