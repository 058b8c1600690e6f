"""Which parameters set the best trials apart, by PED-ANOVA.

Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
Arbitrary Subspaces", IJCAI 2023; parameters that exist only under a condition as in "Conditional
PED-ANOVA", KDD 2026, both as Optuna computes them.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from sweep.analysis.verdict import counts
from sweep.store.records import ChoiceDomain, Domain, TrialRow

#: Below this many finished trials the shares would be noise.
MIN_TRIALS = 20
#: A parameter that fewer trials have, as another one's value brought it along, is left out: of a
#: handful, PED-ANOVA sees great differences that are not there.
_MIN_TRIALS_OF_PARAM = 10
#: PED-ANOVA compares the best trials with all; its estimate wants at least this many of them.
_MIN_BEST = 5
_BEST_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Importances:
    """Each parameter's share, the greatest first; they add up to 1."""

    shares: Mapping[str, float]
    #: Finished trials that were compared.
    n_trials: int
    #: The share of them that counts as the best.
    best_share: float
    #: Parameters that too few trials have to tell.
    left_out: tuple[str, ...]
    #: Why there are no shares; None when there are some.
    reason: str | None


def importances(rows: Sequence[TrialRow], domains: Mapping[str, Domain]) -> Importances:
    """What sets the lowest values of the first objective apart from the others.

    Looks at trials that are COMPLETE, not invalid and finite.
    """
    usable = [row for row in rows if counts(row)]
    best_share = max(_BEST_SHARE, min(0.5, _MIN_BEST / max(1, len(usable))))
    told, left_out = _tellable(usable, domains)
    reason = _reason(usable, told)
    return Importances(
        shares={} if reason else _shares(usable, domains, told, best_share),
        n_trials=len(usable),
        best_share=best_share,
        left_out=tuple(left_out),
        reason=reason,
    )


def _tellable(
    rows: Sequence[TrialRow], domains: Mapping[str, Domain]
) -> tuple[list[str], list[str]]:
    """Parameters that enough trials have, and those that only a few have."""
    n_trials = {name: sum(name in row.params for row in rows) for name in domains}
    told = [name for name, n in n_trials.items() if n >= _MIN_TRIALS_OF_PARAM]
    return told, [name for name, n in n_trials.items() if 0 < n < _MIN_TRIALS_OF_PARAM]


def _reason(rows: Sequence[TrialRow], told: Sequence[str]) -> str | None:
    if len(rows) < MIN_TRIALS:
        return f"needs at least {MIN_TRIALS} finished trials, and there are {len(rows)}"
    if not told:
        return "the study searches nothing: every setting is fixed"
    if len({row.value for row in rows}) == 1:
        return "all trials ended with the same value"
    return None


def _shares(
    rows: Sequence[TrialRow],
    domains: Mapping[str, Domain],
    told: Sequence[str],
    best_share: float,
) -> dict[str, float]:
    distributions = {name: _distribution(domain) for name, domain in domains.items()}
    with _quiet():
        study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
        study.add_trials(
            create_trial(
                value=row.value,
                params=dict(row.params),
                distributions={name: distributions[name] for name in row.params},
            )
            for row in rows
        )
        evaluator = PedAnovaImportanceEvaluator(target_quantile=best_share)
        return get_param_importances(study, evaluator=evaluator, params=list(told))


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, ChoiceDomain):
        return CategoricalDistribution(domain.choices)
    if domain.integer:
        step = 1 if domain.step is None else int(domain.step)
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log, step=step)
    return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the line on a new study, and the warnings on parameters that few trials have."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
