"""Advise how the next study should differ, each change with its evidence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from shlex import quote
from typing import Any

import numpy as np

from sweep.analysis.best_region import (
    NO_EFFECT,
    BestRegion,
    Crowd,
    crowded_ends,
    needed_parts,
    value_at,
    without_effect,
)
from sweep.analysis.convergence import Convergence, SearchState, convergence
from sweep.analysis.diagnosis import WORTHWHILE
from sweep.analysis.effects import Effects, SettingEffect, effects
from sweep.analysis.gains import Doubling
from sweep.analysis.study_diagnosis import diagnose_trials
from sweep.analysis.study_reader import StudyReader
from sweep.analysis.ties import MIN_SEEDS, TieSet
from sweep.analysis.width_law import MIN_SPAN, WidthLaw, WidthVerdict
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import change, count, percent, value
from sweep.catalogue.settings import EPOCHS, HIDDEN_WIDTH, SETTINGS, setting_of
from sweep.enums import Sampler
from sweep.findings.width import verdict_in_words
from sweep.store.records import ChoiceDomain, Domain, NumberDomain
from sweep.store.table import Choices, TrialTable

#: Maximum number of advices on pages and reports, the most valuable first.
N_SHOWN = 5
#: Number of best trials that are checked for a falling error, and the share that must show it.
_N_ASKED, _FALLING = 5, 0.8
#: Their epochs are at least this share of the most allowed.
_NEARLY_ALL = 0.8
#: Configurations this close to the best are indistinguishable from it by a single seed.
_CLOSE = 0.05
_MIN_FOR_SEEDS = 10
#: A range is widened by half of itself, but by no more than this factor.
_WIDER, _MOST_FLOAT, _MOST_INT = 0.5, 10.0, 4.0


class AdviceKind(StrEnum):
    """What to change, the most valuable first."""

    WIDEN = "widen"
    MORE_EPOCHS = "more epochs"
    MORE_TRIALS = "more trials"
    MORE_WIDTHS = "more widths"
    MORE_SEEDS = "more seeds"
    FIX = "fix"
    NARROW = "narrow"
    CONVERGED = "converged"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A parameter's new value in the next study's file."""

    #: Optuna's name, or a setting's name if the study does not search it.
    param: str
    #: As in ``[space]``: a value, or a table with ``low`` and ``high`` or ``choices``.
    to: Any
    #: The reason, for a comment.
    why: str


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to change, why, and how."""

    kind: AdviceKind
    #: Includes the remedy.
    sentence: str
    #: The numbers that support it.
    evidence: Mapping[str, Any]
    #: The changes of the next study.
    changes: tuple[Change, ...] = ()
    #: The command to run, to paste.
    command: str

    @property
    def with_command(self) -> str:
        """The sentence and the command."""
        return f"{self.sentence} `{self.command}`"

    def to_json(self) -> dict[str, Any]:
        """Convert to plain values."""
        changes = {change.param: change.to for change in self.changes}
        return {
            "kind": self.kind.value,
            "sentence": self.sentence,
            "evidence": dict(self.evidence),
            "changes": changes,
            "command": self.command,
        }


def gather_advice(reader: StudyReader, width: WidthLaw, ties: TieSet | None) -> list[Advice]:
    """Gather what the trials suggest for the next study, the most valuable first.

    Empty with several objectives, for which the lowest error is not the only aim, and for a study
    that was trained for another one.
    """
    study = reader.study
    if len(reader.table.objectives) > 1 or study.explains() or study.retrains():
        return []
    return sorted(_gather(reader, width, ties), key=lambda of: list(AdviceKind).index(of.kind))


def _gather(reader: StudyReader, width: WidthLaw, ties: TieSet | None) -> list[Advice]:
    name, table = reader.study.name, reader.table
    found = effects(table, reader.domains)
    crowds = crowded_ends(found, table) if found else []
    advice = [
        *_widen(name, [of for of in crowds if not _is_most_epochs(of)]),
        *_more_epochs(reader, next(filter(_is_most_epochs, crowds), None), width),
        *_search(reader, ties),
        *_more_widths(name, width, reader.domains),
        *_more_seeds(reader, ties),
    ]
    if found:
        # A parameter that needs other values is not to be fixed or narrowed as well.
        changed = {change.param for of in advice for change in of.changes}
        unneeded = [of for of in without_effect(found) if of.param not in changed]
        parts = [of for of in needed_parts(found, table) if of.effect.param not in changed]
        advice += [*_fix(name, found, unneeded, reader), *_narrow(name, parts)]
    return advice


def next_command(study: str) -> str:
    """Return the command that writes the next study."""
    return f"sweep next {quote(study)} -o next.toml"


# --- the best crowd at an end -------------------------------------------------------------------


def _is_most_epochs(crowd: Crowd) -> bool:
    return crowd.is_high and crowd.effect.searched.setting == EPOCHS.name


def _widen(study: str, crowds: Sequence[Crowd]) -> Iterator[Advice]:
    for crowd in crowds:
        searched = crowd.effect.searched
        wider = widen(searched.setting, searched.domain, crowd.is_high)
        if wider is None:
            continue
        said = _describe_crowding(crowd)
        yield Advice(
            kind=AdviceKind.WIDEN,
            sentence=f"{said}: widen it to {_describe(wider)}.",
            evidence={**_crowd_evidence(crowd), "to": wider},
            changes=(Change(param=searched.param, to=wider, why=f"{said}."),),
            command=next_command(study),
        )


def _describe_crowding(crowd: Crowd) -> str:
    searched = crowd.effect.searched
    called, domain = column_named(searched.setting).title, searched.domain
    if crowd.inner == _end(domain, crowd.is_high):
        extreme = "highest" if crowd.is_high else "lowest"
        where = f"have the {extreme} {called} tried, {value(crowd.inner)}"
    else:
        side = "top" if crowd.is_high else "bottom"
        where = f"have a {called} in the {side} {percent(crowd.share)} of its range"
    return (
        f"{_some(crowd.n_in_zone, crowd.n_best)} best {crowd.n_best} trials {where}, and the error "
        f"still falls towards that end{_of_choice(searched.param)} ({_p(crowd.p)})"
    )


def _some(n: int, of: int) -> str:
    return "All of the" if n == of else f"{n} of the"


def _of_choice(param: str) -> str:
    condition, dot, _ = param.rpartition(".")
    return f" with {condition}" if dot else ""


def _p(p: float) -> str:
    return f"p = {p:.1g}" if p >= 1e-4 else "p < 0.0001"


def _crowd_evidence(crowd: Crowd) -> dict[str, Any]:
    return {
        "param": crowd.effect.param,
        "end": "high" if crowd.is_high else "low",
        "n_in_zone": crowd.n_in_zone,
        "n_best": crowd.n_best,
        "share_of_range": crowd.share,
        "p": crowd.p,
    }


def _end(domain: Domain, is_high: bool) -> Any:
    if isinstance(domain, NumberDomain):
        return domain.high if is_high else domain.low
    choices: Any = domain.choices
    return max(choices) if is_high else min(choices)


def widen(setting: str, domain: Domain, is_high: bool) -> dict[str, Any] | None:
    """Return a range or list extended beyond an end; None if the setting cannot exceed it."""
    limits = SETTINGS[setting]
    if isinstance(domain, ChoiceDomain):
        numbers: list[Any] = sorted(domain.choices, reverse=not is_high)
        last, before = numbers[-1], numbers[-2]
        is_geometric = min(last, before) > 0 and _are_geometric(numbers)
        new = last * last / before if is_geometric else last + last - before
        new = round(new) if limits.kind is int else float(f"{new:.3g}")
        if not limits.allows(new) or new in domain.choices:
            return None
        return {"choices": sorted([*numbers, new])}
    beyond = float(value_at(domain, np.array([1.0 + _WIDER if is_high else -_WIDER]))[0])
    old = domain.high if is_high else domain.low
    if domain.log:
        most = _MOST_INT if domain.integer else _MOST_FLOAT
        beyond = min(beyond, old * most) if is_high else max(beyond, old / most)
    new = _within(setting, _on_scale(domain, beyond, is_high), domain, is_high)
    if (new <= old) if is_high else (new >= old):
        return None
    return range_table(domain, **{"high" if is_high else "low": new})


def _are_geometric(numbers: Sequence[float]) -> bool:
    steps = np.diff(np.log(numbers))
    return bool(np.ptp(steps) < 0.1 * abs(steps.mean()))


def _within(setting: str, new: float, domain: NumberDomain, is_high: bool) -> float:
    """Move a new end within the setting's limits, half way to one that the setting cannot reach."""
    limits = SETTINGS[setting]
    low, high = limits.low, limits.high
    if limits.open_low and not domain.log:
        low = (low + domain.low) / 2
    if limits.open_high:
        high = (high + domain.high) / 2
    within = float(min(max(new, low), high))
    if domain.step is None:
        return within
    steps = (within - _end(domain, is_high)) / domain.step
    return _by_steps(domain, int(round(steps, 6)), is_high)


def _by_steps(domain: NumberDomain, n: int, is_high: bool) -> float:
    """Move an end by steps, in decimals, so that the range's other end stays on them."""
    end, step = Decimal(str(_end(domain, is_high))), Decimal(str(domain.step))
    return float(end + n * step)


def _on_scale(domain: NumberDomain, new: float, is_high: bool) -> float:
    """Round to a human-friendly number: on the range's steps, or to two digits."""
    if domain.step is not None:
        return _by_steps(domain, round((new - _end(domain, is_high)) / domain.step), is_high)
    if domain.integer and new.is_integer():  # such as a multiple of a power of two
        return new
    rounded = float(f"{new:.1e}")
    return float(round(rounded)) if domain.integer else rounded


def range_table(
    domain: NumberDomain, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    """Return a range as in a study file, with other ends."""
    kind = int if domain.integer else float
    table: dict[str, Any] = {
        "low": kind(domain.low if low is None else low),
        "high": kind(domain.high if high is None else high),
    }
    if domain.log:
        table["log"] = True
    if domain.step is not None and not (domain.integer and domain.step == 1):
        table["step"] = kind(domain.step)
    return table


def _describe(to: Any) -> str:
    """Describe a study file's value in words."""
    if not isinstance(to, dict):
        return value(to)
    if "choices" in to:
        return ", ".join(map(value, to["choices"]))
    return f"{value(to['low'])} to {value(to['high'])}"


# --- epochs -------------------------------------------------------------------------------------


def _more_epochs(reader: StudyReader, crowd: Crowd | None, width: WidthLaw) -> Iterator[Advice]:
    """Advise more epochs if the best use all that are allowed and would benefit from more."""
    epochs, most = _most_epochs(reader)
    if crowd is not None:
        said, evidence = _describe_crowding(crowd), _crowd_evidence(crowd)
        low = int(crowd.inner)
    elif (falls := _still_falling(reader, most, width)) is not None:
        n_falling, n_asked, low = falls
        which = (
            "the only finished trial"
            if n_asked == 1
            else f"{_some(n_falling, n_asked).lower()} best {n_asked} trials"
        )
        said = (
            f"Twice the epochs would lower the error of {which} by {percent(WORTHWHILE)} or more, "
            f"after {low} epochs" + (" or more" if low < most else "")
        )
        evidence = {"n_falling": n_falling, "n_asked": n_asked, "most_epochs": most}
    else:
        return
    if not SETTINGS[EPOCHS.name].allows(2 * most):
        return
    is_grid = reader.record.settings.sampler.name is Sampler.GRID
    is_list = any(isinstance(reader.domains.get(param), ChoiceDomain) for param in epochs)
    listed, span = {"choices": [most, 2 * most]}, {"low": low, "high": 2 * most}
    to: dict[str, Any] = listed if is_grid or is_list else span
    yield Advice(
        kind=AdviceKind.MORE_EPOCHS,
        sentence=f"{said}: train for up to {2 * most} epochs.",
        evidence={**evidence, "to": to},
        changes=tuple(Change(param=param, to=to, why=f"{said}.") for param in epochs),
        command=next_command(reader.study.name),
    )


def _most_epochs(reader: StudyReader) -> tuple[tuple[str, ...], int]:
    """Return the parameters of the epochs, or the setting's own name, and the most allowed."""
    of = {name: of for name, of in reader.domains.items() if setting_of(name) == EPOCHS.name}
    column = reader.table.settings.get(EPOCHS.name)
    assert not isinstance(column, Choices)
    tried: list[float] = [] if column is None else column[np.isfinite(column)].tolist()
    most = max([*map(int, tried), *(int(_end(domain, True)) for domain in of.values())], default=0)
    return tuple(of) or (EPOCHS.name,), most


def _still_falling(reader: StudyReader, most: int, width: WidthLaw) -> tuple[int, int, int] | None:
    """Count the best trials with a falling error.

    Also return how many there are, and their fewest epochs.
    """
    best = [row.number for row in reader.best(_N_ASKED)]
    if not best or not most:
        return None
    diagnosed = diagnose_trials(reader.study, reader.table, best, reader.floors, width)
    falling = [
        int(of.trial.config.get(EPOCHS.name, 0))
        for of in diagnosed
        if (gain := of.diagnosis.gains.get(Doubling.EPOCHS)) and gain.estimate >= WORTHWHILE
    ]
    falling = [epochs for epochs in falling if epochs >= _NEARLY_ALL * most]
    if len(falling) < _FALLING * len(best):
        return None
    return len(falling), len(best), min(falling)


# --- how far the search is ----------------------------------------------------------------------


def _search(reader: StudyReader, ties: TieSet | None) -> Iterator[Advice]:
    study, settings = reader.study.name, reader.record.settings
    found = convergence(reader.table)
    if found is None or settings.sampler.name is Sampler.GRID:  # it learns nothing from trials
        return
    evidence = {
        "n_trials": found.n_trials,
        "last_improvement": found.last_number,
        "trials_since": found.n_trials - found.last_place,
        "gain_of_last_third": found.gain,
        "spread_of_best": found.spread,
    }
    if found.state is SearchState.IMPROVING:
        more = 2 * max(found.n_trials, reader.study.summary().n_trials or 0)
        yield Advice(
            kind=AdviceKind.MORE_TRIALS,
            sentence=(
                f"The search has not converged: the last third of its {found.n_trials:,} trials "
                f"lowered the error by {change(found.gain)}. Run more of them."
            ),
            evidence=evidence,
            command=f"sweep resume {quote(study)} --trials {more}",
        )
        return
    yield _advise_converged(study, found, evidence, ties)


def _advise_converged(
    study: str, found: Convergence, evidence: Mapping[str, Any], ties: TieSet | None
) -> Advice:
    since = percent(1 - found.last_place / found.n_trials)
    return Advice(
        kind=AdviceKind.CONVERGED,
        sentence=(
            f"The search has converged in its space: no trial after {found.last_number} lowered "
            f"the error noticeably ({since} of the trials), and the best ten are within "
            f"{change(found.spread)}. More trials in the same space would gain little."
        ),
        evidence=evidence,
        command=next_command(study) if ties else f"sweep ties {quote(study)} --run",
    )


# --- widths and seeds ---------------------------------------------------------------------------


def _more_widths(study: str, width: WidthLaw, domains: Mapping[str, Domain]) -> Iterator[Advice]:
    """Advise widths that allow a law to be fitted; the width has to be searched."""
    domain = domains.get(HIDDEN_WIDTH.name)
    if width.verdict is not WidthVerdict.TOO_FEW or domain is None:
        return
    to = _enough_widths(domain)
    if isinstance(domain, NumberDomain) and to == range_table(domain):
        return  # wide enough; where the trials are was the sampler's choice
    yield Advice(
        kind=AdviceKind.MORE_WIDTHS,
        sentence=f"{verdict_in_words(width)} Search widths of {_describe(to)}.",
        evidence={"because": width.because, "to": to},
        changes=(Change(param=HIDDEN_WIDTH.name, to=to, why=verdict_in_words(width)),),
        command=next_command(study),
    )


def _enough_widths(domain: Domain) -> dict[str, Any]:
    """Return widths whose widest is MIN_SPAN times the narrowest, by octaves if listed."""
    low, high = (int(_end(domain, is_high)) for is_high in (False, True))
    wanted = min(max(high, int(MIN_SPAN * low)), int(HIDDEN_WIDTH.high))
    if isinstance(domain, NumberDomain):
        if domain.step not in (None, 1):
            steps = -(-(wanted - low) // int(domain.step or 1))
            wanted = low + steps * int(domain.step or 1)
        return range_table(domain, high=wanted)
    octaves = [low * 2**power for power in range(20) if low * 2**power <= wanted]
    octaves += [octaves[-1] * 2] if len(octaves) < 5 else []
    return {"choices": sorted({*domain.choices, *octaves})}


def _more_seeds(reader: StudyReader, ties: TieSet | None) -> Iterator[Advice]:
    """Advise more seeds if the best are close and have too few seeds to distinguish them."""
    repeat, table = reader.record.settings.study.repeat, reader.table
    errors = np.unique(table.value[table.counting & (table.value > 0)])
    if ties is not None or repeat >= MIN_SEEDS or len(errors) < _MIN_FOR_SEEDS:
        return
    n_close = int((errors[:_MIN_FOR_SEEDS] <= (1 + _CLOSE) * errors[0]).sum())
    if n_close < 2:
        return
    most = errors[n_close - 1] / errors[0] - 1
    yield Advice(
        kind=AdviceKind.MORE_SEEDS,
        sentence=(
            f"The best {n_close} trials are within {change(most)} of each other with "
            f"{count(repeat, 'seed')} each, so the best is not known: train them with more seeds."
        ),
        evidence={"n_close": n_close, "spread": float(most), "seeds": repeat},
        command=f"sweep ties {quote(reader.study.name)} --run",
    )


# --- settings that need not be searched as widely -----------------------------------------------


def _fix(
    study: str, found: Effects, unneeded: Sequence[SettingEffect], reader: StudyReader
) -> Iterator[Advice]:
    effects_ = [of for of in unneeded if not _decides(of, reader.domains)]
    best = _settings_of_best(reader.table, found)
    changes = [
        Change(
            param=of.param,
            to=best[of.searched.setting],
            why=f"No effect on the error is detectable: it is at most {change(of.at_most - 1)} "
            "(95 % bound). Fixed at the best trial's value.",
        )
        for of in effects_
        if best.get(of.searched.setting) is not None
    ]
    if not changes:
        return
    which = ", ".join(
        f"{column_named(of.searched.setting).title}{_of_choice(of.param)} (at most "
        f"{change(of.at_most - 1)})"
        for of in effects_
    )
    yield Advice(
        kind=AdviceKind.FIX,
        sentence=f"No effect on the error is detectable for {which}: fix {_it(len(changes))}.",
        evidence={
            "limit": NO_EFFECT - 1,
            "effects": {of.param: {"at_most": of.at_most - 1, "p": of.p} for of in effects_},
        },
        changes=tuple(changes),
        command=next_command(study),
    )


def _it(n: int) -> str:
    return "it" if n == 1 else "them"


def _decides(effect: SettingEffect, domains: Mapping[str, Domain]) -> bool:
    """Return whether other settings depend on a choice."""
    domain = effect.searched.domain
    if not isinstance(domain, ChoiceDomain):
        return False
    return any(name.startswith(f"{choice}.") for choice in domain.choices for name in domains)


def _settings_of_best(table: TrialTable, found: Effects) -> dict[str, Any]:
    row = table.row_of(int(found.best[0]))
    assert row is not None
    return {name: _value_of(name, column, row) for name, column in table.settings.items()}


def _value_of(name: str, column: Any, row: int) -> Any:
    if isinstance(column, Choices):
        return column.value(row)
    number = float(column[row])
    if not np.isfinite(number):
        return None
    return int(number) if name in SETTINGS and SETTINGS[name].kind is int else _short(number)


def _short(number: float) -> float:
    """Round to three digits: more are irrelevant without an effect."""
    return float(f"{number:.3g}")


def _narrow(study: str, parts: Sequence[BestRegion]) -> Iterator[Advice]:
    changes = [Change(param=of.effect.param, to=_part(of), why=_all_best(of)) for of in parts]
    if not changes:
        return
    which = "; ".join(
        f"{column_named(of.effect.searched.setting).title}{_of_choice(of.effect.param)} "
        f"{_describe(to.to)}"
        for of, to in zip(parts, changes, strict=True)
    )
    yield Advice(
        kind=AdviceKind.NARROW,
        sentence=(
            f"The best {parts[0].n_best} trials need a part of the space: {which}. Search there."
        ),
        evidence={"parts": {of.param: of.to for of in changes}},
        changes=tuple(changes),
        command=next_command(study),
    )


def _all_best(part: BestRegion) -> str:
    if part.choices:
        return f"The others are worse, and the best {part.n_best} trials have none of them."
    return f"The best {part.n_best} trials are well inside, and the error rises outside."


def _part(part: BestRegion) -> dict[str, Any]:
    domain = part.effect.searched.domain
    if isinstance(domain, ChoiceDomain):
        return {"choices": list(part.choices)}
    assert part.low is not None and part.high is not None
    ends = {"low": _on_scale(domain, part.low, False), "high": _on_scale(domain, part.high, True)}
    kept = {"low": max(ends["low"], domain.low), "high": min(ends["high"], domain.high)}
    return range_table(domain, **kept)
