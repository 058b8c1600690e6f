"""Rank settings by what sets the best trials apart (PED-ANOVA).

Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
Arbitrary Subspaces", IJCAI 2023; settings that are searched, or have a different range, only under
a condition as in "Conditional PED-ANOVA", KDD 2026, both as Optuna computes them.
"""

import warnings
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from sweep.catalogue.settings import setting_of
from sweep.store.records import ChoiceDomain, Domain
from sweep.store.table import Choices, Column, Mask, TrialTable

#: With fewer finished trials the shares would be noise.
MIN_TRIALS = 20
#: A random sample of this size is used if there are more trials.
MAX_TRIALS = 10_000
#: A conditional setting that fewer trials searched is omitted: for a handful, PED-ANOVA finds large
#: spurious differences.
_MIN_TRIALS_OF_SETTING = 10
#: PED-ANOVA compares the best trials with all; its estimate needs at least this many of them.
_MIN_BEST = 5
_BEST_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Importances:
    """Each setting's share, the largest first; they add up to 1."""

    shares: Mapping[str, float]
    #: Number of finished trials.
    n_trials: int
    #: Number of trials that were compared.
    n_compared: int
    #: The share of them that counts as the best.
    best_share: float
    #: Settings that too few trials searched.
    left_out: tuple[str, ...]
    #: Why there are no shares; None if there are some.
    reason: str | None


class SearchedSetting(NamedTuple):
    """A setting as some trials searched it: those that met its condition, if it has one."""

    setting: str
    #: Optuna's name: ``adam.learning_rate`` if the condition is ``adam``.
    param: str
    domain: Domain
    trials: Mask  # (K,)
    values: list[Any]  # (K,)


def importances(table: TrialTable, domains: Mapping[str, Domain]) -> Importances:
    """Measure what sets the lowest values of the first objective apart from the others.

    Uses trials that are COMPLETE, not invalid and finite. ``domains`` are by Optuna's names:
    ``adam.learning_rate`` is the learning rate of the trials in which some setting is ``adam``.
    """
    usable = table.where(table.counting)
    compared = _sample(usable)
    best_share = max(_BEST_SHARE, min(0.5, _MIN_BEST / max(1, len(compared))))
    searched = list(searched_settings(compared, domains))
    told, left_out = _tellable(searched)
    reason = _reason(compared, told)
    return Importances(
        shares={} if reason else _shares(compared, searched, told, best_share),
        n_trials=len(usable),
        n_compared=len(compared),
        best_share=best_share,
        left_out=tuple(left_out),
        reason=reason,
    )


def _sample(table: TrialTable) -> TrialTable:
    """Select at most MAX_TRIALS; the selection is deterministic."""
    mask = np.zeros(len(table), dtype=bool)
    mask[np.random.default_rng(0).permutation(len(table))[:MAX_TRIALS]] = True
    return table.where(mask)


def searched_settings(
    table: TrialTable, domains: Mapping[str, Domain]
) -> Iterator[SearchedSetting]:
    """Yield every parameter with the trials that searched it; ``domains`` as in ``importances``."""
    for param, domain in domains.items():
        condition, _, setting = param.rpartition(".")
        if setting in table.settings:  # the seed is not a setting of the table
            values = _values(table.settings[setting])
            trials = _meets(table, domains, condition) & _is_in_domain(values, domain)
            yield SearchedSetting(setting, param, domain, trials, values)


def _values(column: Column) -> list[Any]:
    if isinstance(column, Choices):
        known = [*column.names, None]  # code -1 is the last
        return [known[code] for code in column.codes]
    return list(column.tolist())


def _is_in_domain(values: Sequence[Any], domain: Domain) -> Mask:
    """Select the trials whose value is in the domain."""
    if isinstance(domain, ChoiceDomain):
        return np.array([value in domain.choices for value in values], dtype=bool)
    mask: Mask = np.isfinite(np.array(values, dtype=np.float64))
    return mask


def _meets(table: TrialTable, domains: Mapping[str, Domain], condition: str) -> Mask:
    """Select the trials that meet a setting's condition; all of them if it has none."""
    met = np.full(len(table), not condition)
    for param, domain in domains.items():
        column = table.settings.get(setting_of(param))
        if isinstance(domain, ChoiceDomain) and isinstance(column, Choices):
            for choice in domain.choices:
                met |= column.is_(choice) & (str(choice) == condition)
    return met


def _tellable(searched: Sequence[SearchedSetting]) -> tuple[list[str], list[str]]:
    """Divide settings into those that enough trials searched and those that only a few did."""
    n_trials: Counter[str] = Counter()
    for found in searched:
        n_trials[found.setting] += int(found.trials.sum())
    told = [name for name, n in n_trials.items() if n >= _MIN_TRIALS_OF_SETTING]
    return told, [name for name, n in n_trials.items() if 0 < n < _MIN_TRIALS_OF_SETTING]


def _reason(table: TrialTable, told: Sequence[str]) -> str | None:
    if len(table) < MIN_TRIALS:
        return f"there are {len(table)} finished trials"
    if not told:
        return "the study searches nothing: every setting is fixed"
    if np.all(table.value == table.value[0]):
        return "all trials ended with the same value"
    return None


def _shares(
    table: TrialTable,
    searched: Sequence[SearchedSetting],
    told: Sequence[str],
    best_share: float,
) -> dict[str, float]:
    with _quiet():
        study = optuna.create_study(storage=_Finished(_frozen(table, searched)))
        evaluator = PedAnovaImportanceEvaluator(target_quantile=best_share)
        return get_param_importances(study, evaluator=evaluator, params=list(told))


class _Finished(optuna.storages.InMemoryStorage):
    """Optuna storage without copies and checks, which take a second for 10,000 trials."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        super().__init__()
        self._finished = trials

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        return self._finished


def _frozen(table: TrialTable, searched: Sequence[SearchedSetting]) -> list[FrozenTrial]:
    """Convert the trials to Optuna's; each has the range whose condition it met."""
    params: list[dict[str, Any]] = [{} for _ in range(len(table))]
    distributions: list[dict[str, BaseDistribution]] = [{} for _ in range(len(table))]
    for found in searched:
        distribution = _distribution(found.domain)
        for row in np.flatnonzero(found.trials):
            params[row][found.setting] = found.values[row]
            distributions[row][found.setting] = distribution
    return [
        FrozenTrial(
            number=row,
            trial_id=row,
            state=TrialState.COMPLETE,
            value=value,
            params=params[row],
            distributions=distributions[row],
            datetime_start=None,
            datetime_complete=None,
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        for row, value in enumerate(table.value.tolist())
    ]


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, ChoiceDomain):
        return CategoricalDistribution(domain.choices)
    if domain.integer:
        step = 1 if domain.step is None else int(domain.step)
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log, step=step)
    return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's message about a new study and its warnings about settings with few trials.

    One thread at a time: both switches are global.
    """
    with _QUIETING:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            optuna.logging.set_verbosity(verbosity)


_QUIETING = Lock()
