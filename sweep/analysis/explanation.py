"""Explain the difference between two configurations' errors: one change at a time, trained.

An ablation analysis (Fawcett and Hoos, 2016, J. Heuristics 22) with trained instead of predicted
steps.

Notation: n parameter groups differ, the baseline has none of the target's and the target all; S
seeds, the same for every configuration; e_s(A) the validation error with the groups A, by seed s. A
change from A to B has effect_s = e_s(A) / e_s(B): how many times smaller the error is with it. Its
estimate is the geometric mean over the seeds, its interval Student's t of the log effects, paired
by seed. Along a path the log effects add up to the total, whatever the order.

The forward path begins at the baseline and takes the remaining change with the lowest error
(geometric mean). The reverse path begins at the target and undoes the change whose removal gives
the highest. Each step compares all remaining changes, so a path trains n (n + 1) / 2 configurations
and its start. A step that hurts was the best available; if the next one helps, it does so because
of that step, and the two are merged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any, NamedTuple

from scipy.special import stdtrit

from sweep.catalogue.choices import OPTIMIZERS
from sweep.catalogue.rules import conflicts
from sweep.catalogue.settings import (
    ABLATION_GROUPS,
    LEARNING_RATE,
    SETTINGS,
    AblationGroup,
)
from sweep.catalogue.settings import in_use as settings_in_use
from sweep.config import TrialConfig
from sweep.errors import UsageError

#: Errors by seed; infinite if training diverged.
Errors = Mapping[TrialConfig, Sequence[float]]

#: Coverage of the intervals.
COVERAGE = 0.9
#: Smaller errors are rounding of 32-bit pixels, whose logarithm is meaningless.
LEAST_ERROR = 1e-15


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Settings in which two configurations differ, and which change together."""

    #: An ablation group or, in a factorial analysis, a cause.
    name: str
    #: The settings that differ, with the values of the baseline and of the target.
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Return the change in words, such as ``epochs 5 → 100``."""
        changes = (
            f"{setting.replace('_', ' ')} {_format(self.before[setting])} → {_format(value)}"
            for setting, value in self.after.items()
        )
        return ", ".join(changes)

    @property
    def before_text(self) -> str:
        """Such as ``epochs 5``."""
        return _join_settings(self.before)

    @property
    def after_text(self) -> str:
        """Such as ``epochs 100``."""
        return _join_settings(self.after)

    @property
    def settings_text(self) -> str:
        """Return the settings' titles, such as ``output activation, loss``."""
        return ", ".join(name.replace("_", " ") for name in self.after)

    def values_text(self, values: Mapping[str, Any]) -> str:
        """Return values in the order of ``settings_text``, such as ``linear, mse``."""
        return ", ".join(_format(values[name]) for name in self.after)

    @property
    def undone(self) -> "ParameterGroup":
        """Return the reverse change."""
        return replace(self, before=self.after, after=self.before)


def _join_settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_format(of)}" for name, of in settings.items())


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class ChangeEffect(NamedTuple):
    """How many times smaller the error is with a change than without it."""

    estimate: float
    #: Ends of the 90 % interval; None with one seed.
    low: float | None
    high: float | None

    @property
    def may_be_chance(self) -> bool:
        """Whether its interval includes no difference."""
        return self.low is not None and self.high is not None and self.low <= 1 <= self.high

    @property
    def is_harm(self) -> bool:
        """Whether the error is higher with the change, significantly if that is known."""
        return self.estimate < 1 and not self.may_be_chance


@dataclass(frozen=True, kw_only=True)
class Step:
    """A single step of a path: a change, or its removal."""

    #: Several if none of the remaining groups could be trained separately, and if the last one
    #: undoes the harm of the previous one.
    groups: tuple[str, ...]
    #: The configuration after the step, and its errors by seed.
    config: TrialConfig
    errors: tuple[float, ...]
    effect: ChangeEffect
    #: The alternatives: the geometric mean error with each; infinite if it diverged.
    options: Mapping[str, float]
    #: Indices of the seeds whose own errors would have chosen the same.
    agreeing: frozenset[int]
    #: Effect of all groups except the last, which undoes its harm; None for other steps.
    harm: ChangeEffect | None = None

    @property
    def n_agree(self) -> int:
        """Number of seeds that would have chosen the same."""
        return len(self.agreeing)

    @property
    def error(self) -> float:
        """Geometric mean over the seeds."""
        return geometric_mean(self.errors)


@dataclass(frozen=True, kw_only=True)
class AblationPath:
    """A path, as far as the results so far determine it."""

    steps: tuple[Step, ...]
    #: Seeds whose own errors would have chosen every step.
    n_agree: int
    #: Configurations that the next step needs; empty for a complete path.
    missing: tuple[TrialConfig, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Both paths between two configurations, as far as they are known."""

    baseline: TrialConfig
    target: TrialConfig
    groups: tuple[ParameterGroup, ...]
    #: By seed; None if it has not been trained, infinite if it diverged.
    baseline_errors: tuple[float, ...] | None
    target_errors: tuple[float, ...] | None
    #: Effect of all groups together; None until both ends have errors to compare.
    whole: ChangeEffect | None
    forward: AblationPath
    reverse: AblationPath

    @property
    def missing(self) -> tuple[TrialConfig, ...]:
        """What to train next, on which the following steps depend.

        Empty if both paths are complete.
        """
        return tuple(dict.fromkeys([*self.forward.missing, *self.reverse.missing]))

    @property
    def is_whole(self) -> bool:
        """Whether both paths lead from one end to the other."""
        return self.whole is not None and not self.missing

    @property
    def n_left_at_most(self) -> int:
        """Return the maximum number of configurations still to be trained, with ``missing``."""
        left = [self._n_left(path) for path in (self.forward, self.reverse)]
        n_later = sum(n * (n - 1) // 2 for n in left)
        return min(len(self.missing) + n_later, most_configurations(len(self.groups)))

    def _n_left(self, path: AblationPath) -> int:
        """Count the groups that are not on a path yet."""
        return (
            len(self.groups) - sum(len(step.groups) for step in path.steps) if path.missing else 0
        )

    def share(self, effect: ChangeEffect) -> float | None:
        """Return an effect's share of the total; a path's shares add up to 1."""
        return share(effect, self.whole)

    @property
    def diverged(self) -> tuple[str, ...]:
        """The ends without an error, between which there is nothing to explain."""
        ends = {"baseline": self.baseline_errors, "target": self.target_errors}
        return tuple(name for name, errors in ends.items() if errors and not is_finite(errors))


def parameter_groups(baseline: TrialConfig, target: TrialConfig) -> tuple[ParameterGroup, ...]:
    """List the parameter groups in which two configurations differ.

    Settings that neither optimizer, loss nor schedule uses are ignored.
    """
    one, other = vars(in_use(baseline)), vars(in_use(target))
    found = []
    for name, settings in _groups(baseline, target).items():
        differ = [setting for setting in settings if one[setting] != other[setting]]
        if differ:
            before, after = ({of: values[of] for of in differ} for values in (one, other))
            found.append(ParameterGroup(name=name, before=before, after=after))
    return tuple(found)


def in_use(config: TrialConfig) -> TrialConfig:
    """Reset each setting that is not in use to its default."""
    unused = vars(config).keys() - settings_in_use(vars(config)).keys()
    return replace(config, **{name: SETTINGS[name].default for name in unused})


def _groups(baseline: TrialConfig, target: TrialConfig) -> Mapping[AblationGroup, tuple[str, ...]]:
    rules = {baseline.optimizer, target.optimizer}
    if len(rules) == 1 or all(OPTIMIZERS[rule].normalises_steps for rule in rules):
        return ABLATION_GROUPS
    # Adam's learning rate under sgd would train nothing, sgd's under adam would diverge.
    with_rule = LEARNING_RATE.name
    apart = tuple(of for of in ABLATION_GROUPS[AblationGroup.LEARNING_RATE] if of != with_rule)
    together = (with_rule, *ABLATION_GROUPS[AblationGroup.OPTIMIZER])
    changed = {AblationGroup.LEARNING_RATE: apart, AblationGroup.OPTIMIZER: together}
    return {**ABLATION_GROUPS, **changed}


def explain(baseline: TrialConfig, target: TrialConfig, errors: Errors) -> Explanation:
    """Build both paths, as far as these errors determine them. UsageError if nothing differs."""
    baseline, target = in_use(baseline), in_use(target)
    groups = parameter_groups(baseline, target)
    if not groups:
        raise UsageError(
            "both configurations have the same settings in use: there is nothing to explain. "
            "Give another trial with --from or --to."
        )
    known = {config: tuple(max(e, LEAST_ERROR) for e in of) for config, of in errors.items()}
    first, last = known.get(baseline), known.get(target)
    measured = all(of is None or is_finite(of) for of in (first, last))
    undone = [group.undone for group in groups]
    return Explanation(
        baseline=baseline,
        target=target,
        groups=groups,
        baseline_errors=first,
        target_errors=last,
        whole=effect(first, last) if measured and first and last else None,
        forward=_path(baseline, groups, known, helps=True) if measured else _NOWHERE,
        reverse=_path(target, undone, known, helps=False) if measured else _NOWHERE,
    )


_NOWHERE = AblationPath(steps=(), n_agree=0, missing=())


def most_configurations(n_causes: int) -> int:
    """Return the maximum number of configurations that both paths need, including their ends."""
    return int(min(2**n_causes, n_causes * (n_causes + 1)))


def effect(without: Sequence[float], with_it: Sequence[float]) -> ChangeEffect:
    """Estimate a change's effect from the errors without and with it, seed by seed."""
    return effect_of_logs(
        [math.log(one / other) for one, other in zip(without, with_it, strict=True)]
    )


def effect_of_logs(logs: Sequence[float], coverage: float = COVERAGE) -> ChangeEffect:
    """Estimate an effect from its natural logarithm by each seed: mean and Student's t."""
    mean = fmean(logs)
    if len(logs) == 1:
        return ChangeEffect(math.exp(mean), None, None)
    t = float(stdtrit(len(logs) - 1, (1 + coverage) / 2))
    reach = t * stdev(logs) / math.sqrt(len(logs))
    return ChangeEffect(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


def share(effect: ChangeEffect, whole: ChangeEffect | None) -> float | None:
    """Return an effect's share of the total on a logarithmic scale.

    None if the total does not differ significantly from none: shares of it would be arbitrary.
    """
    if whole is None or whole.estimate == 1 or whole.may_be_chance:
        return None
    return math.log(effect.estimate) / math.log(whole.estimate)


def geometric_mean(errors: Sequence[float]) -> float:
    """Return the geometric mean; infinite if one of the errors is."""
    return math.exp(fmean(map(math.log, errors)))


def is_finite(errors: Sequence[float]) -> bool:
    """Tell whether no seed diverged."""
    return all(map(math.isfinite, errors))


# --- a path -------------------------------------------------------------------------------------


class _Option(NamedTuple):
    groups: tuple[ParameterGroup, ...]
    config: TrialConfig

    @property
    def name(self) -> str:
        return " + ".join(group.name for group in self.groups)


def _path(
    start: TrialConfig, groups: Sequence[ParameterGroup], errors: Errors, *, helps: bool
) -> AblationPath:
    """Go from ``start`` step by step: with ``helps`` to the lowest error, else to the highest."""
    steps: list[Step] = []
    here, left = start, list(groups)
    missing: tuple[TrialConfig, ...] = ()
    while left and not missing:
        options = _options(here, left, errors)
        needed = [start, *(option.config for option in options)]
        missing = tuple(config for config in needed if config not in errors)
        if not missing:
            steps.append(_step(errors[here], options, errors, helps=helps))
            here = steps[-1].config
            left = [group for group in left if group.name not in steps[-1].groups]
    agreeing = set(range(len(errors.get(start, ())))).intersection(*(of.agreeing for of in steps))
    steps = _merge_undone(steps, errors.get(start, ()), helps=helps)
    return AblationPath(steps=tuple(steps), n_agree=len(agreeing), missing=missing)


def _merge_undone(steps: Sequence[Step], start: Sequence[float], *, helps: bool) -> list[Step]:
    """Merge each step that hurts with the next one, if that helps: it would not without the first.

    Of all single changes the first was the best, so the second hurt more there or was impossible.
    """
    merged: list[Step] = []
    for step in steps:
        harm = merged[-1].effect if merged else None
        if harm is not None and harm.is_harm and step.effect.estimate > 1:
            first = merged.pop()
            before = merged[-1].errors if merged else start
            step = replace(
                step,
                groups=first.groups + step.groups,
                effect=_effect_of_step(before, step.errors, helps=helps),
                options=first.options,
                agreeing=first.agreeing & step.agreeing,
                harm=harm,
            )
        merged.append(step)
    return merged


def _effect_of_step(
    before: Sequence[float], after: Sequence[float], *, helps: bool
) -> ChangeEffect:
    return effect(before, after) if helps else effect(after, before)


def _options(here: TrialConfig, left: Sequence[ParameterGroup], errors: Errors) -> list[_Option]:
    """List the single changes that can be trained; all at once if each of them diverges."""
    single = [_Option((group,), replace(here, **group.after)) for group in left]
    allowed = [option for option in single if is_valid(option.config)]
    if any(_may_be_finite(option.config, errors) for option in allowed):
        return allowed
    everything = replace(here, **{k: v for group in left for k, v in group.after.items()})
    return [*allowed, _Option(tuple(left), everything)]


def _may_be_finite(config: TrialConfig, errors: Errors) -> bool:
    return config not in errors or is_finite(errors[config])


def is_valid(config: TrialConfig) -> bool:
    """Return whether its settings do not contradict each other."""
    return not conflicts(vars(config))


def _step(
    before: Sequence[float], options: Sequence[_Option], errors: Errors, *, helps: bool
) -> Step:
    """Return the step to the best option (or the worst with an error)."""
    usable = [option for option in options if is_finite(errors[option.config])]
    sign = 1 if helps else -1
    chosen = min(usable, key=lambda of: sign * geometric_mean(errors[of.config]))
    after = tuple(errors[chosen.config])
    agreeing = frozenset(
        seed
        for seed in range(len(after))
        if min(usable, key=lambda of: sign * errors[of.config][seed]) is chosen
    )
    return Step(
        groups=tuple(group.name for group in chosen.groups),
        config=chosen.config,
        errors=after,
        effect=_effect_of_step(before, after, helps=helps),
        options={of.name: geometric_mean(errors[of.config]) for of in options},
        agreeing=agreeing,
    )
