"""Read the explanation of a study's error: its two ends, and what was trained for it so far."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from shlex import quote
from typing import Any

from sweep.analysis.explanation import Explanation, explain, in_use, is_valid, parameter_groups
from sweep.analysis.verdict import baseline_number, best_number
from sweep.config import TrialConfig, typed_config
from sweep.enums import AblationMethod, Outcome
from sweep.errors import NotFoundError, UsageError
from sweep.store.derived_studies import DerivedKind, Explained
from sweep.store.handle import StudyHandle, open_study
from sweep.store.records import TrialRow
from sweep.store.table import TrialTable
from sweep.studyfile import loads
from sweep.studyfile.baseline import complete_baseline


@dataclass(frozen=True, kw_only=True)
class StudyExplanation:
    """An explanation, and the study that trained it."""

    #: The study that trained it.
    child: str
    ends: Explained
    n_seeds: int
    found: Explanation
    #: The study's best trial, if it has other settings than the explained one.
    other_best: int | None = None


def study_explanation(study: StudyHandle, best: int | None = None) -> StudyExplanation | None:
    """Return the latest ablation path of this study, as far as trained; None if none was begun.

    For a study that was itself trained for an ablation path, return that one. ``best`` is the
    study's best trial, to compare with the explained one.
    """
    if (own := study.explains()) is not None:
        return explanation_in(study, own) if own.method == AblationMethod.PATH else None
    found = last_analysis(study, AblationMethod.PATH)
    if found is None:
        return None
    child, ends = found
    explained = explanation_in(open_study(study.engine, child), ends)
    return replace(explained, other_best=other_best(study, ends, best))


def last_analysis(
    study: StudyHandle, method: AblationMethod | None = None
) -> tuple[str, Explained] | None:
    """Return the latest ablation analysis of a study, by this method or by any."""
    found = study.explanations().items()
    return next((of for of in reversed(found) if method in (None, of[1].method)), None)


def other_best(study: StudyHandle, ends: Explained, best: int | None) -> int | None:
    """Return the best trial if an analysis explains another one, with other settings."""
    if best in (None, ends.to_number) or _is_of(study, best, ends.target):
        return None
    return best


def _is_of(study: StudyHandle, number: int, config: Mapping[str, Any]) -> bool:
    return _config(study, number) == in_use(typed_config(config))


def find_explaining_study(explained: StudyExplanation | None) -> str | None:
    """Return the study that explains another's error, once it has a first step."""
    return explained.child if explained is not None and explained.found.forward.steps else None


def list_ignored(study: StudyHandle) -> list[str]:
    """List studies that appear to explain this one, but don't: a sentence each."""
    return [stranger.sentence for stranger in study.mismatched_studies(DerivedKind.EXPLAINS)]


def explanation_in(child: StudyHandle, ends: Explained) -> StudyExplanation:
    """Build the explanation from the trials of one study that was trained for it."""
    n_seeds = seeds_of(child)
    baseline, target = configurations(ends)
    return StudyExplanation(
        child=child.name,
        ends=ends,
        n_seeds=n_seeds,
        found=explain(baseline, target, errors_of(child, child.trials(), n_seeds)),
    )


def configurations(ends: Explained) -> tuple[TrialConfig, TrialConfig]:
    """Return baseline and target."""
    return typed_config(ends.baseline), typed_config(ends.target)


def seeds_of(child: StudyHandle) -> int:
    """Return the number of seeds with which a study trains each configuration."""
    return child.record().settings.study.repeat


def errors_of(
    study: StudyHandle, rows: Iterable[TrialRow], n_seeds: int
) -> dict[TrialConfig, tuple[float, ...]]:
    """Return the errors of these trials' first seeds by configuration, infinite if one diverged.

    A failed or invalid trial counts as not trained, and so does one with fewer seeds.
    """
    rows = list(rows)
    by_seed = study.seed_errors([row.number for row in rows])
    errors: dict[TrialConfig, tuple[float, ...]] = {}
    for row in rows:
        if row.invalid or not row.config:
            continue
        config = in_use(typed_config(row.config))
        if row.outcome == Outcome.DIVERGED:
            errors[config] = (math.inf,) * n_seeds
        elif row.state == "COMPLETE" and len(of := by_seed.get(row.number, ())) >= n_seeds:
            errors[config] = tuple(math.inf if e is None else e for e in of[:n_seeds])
    return errors


def choose_ends(
    study: StudyHandle,
    from_number: int | None = None,
    to_number: int | None = None,
) -> Explained:
    """Choose the two ends of the ablation path, by default the baseline and the best trial.

    A baseline that the study has not tried has its settings as far as the search space allows.
    Raises NotFoundError for an unknown trial, UsageError if nothing is to be explained.
    """
    table = study.table()
    to_number = best_number(table) if to_number is None else to_number
    if to_number is None:
        raise UsageError(
            f"study '{study.name}' has no complete trial to explain yet. Name any trial with --to."
        )
    number = baseline_number(table) if table.baseline.number is None else table.baseline.number
    if from_number is None:
        from_number = number
        _check_is_there(study, table)
    target = _config(study, to_number)
    baseline = _baseline(study) if from_number is None else _config(study, from_number)
    ends = Explained(
        study=study.name,
        study_created_at=study.key.created_at,
        from_number=from_number,
        from_baseline=asdict(baseline).items() >= table.baseline.settings.items()
        if from_number is None
        else from_number == number,
        to_number=to_number,
        baseline=asdict(baseline),
        target=asdict(target),
    )
    if not parameter_groups(baseline, target):
        raise UsageError(
            f"trial {to_number} of study '{study.name}' has the settings of "
            f"{baseline_words(ends)}: there is nothing to explain. "
            "Name other trials with --from and --to."
        )
    return ends


def command_of(ends: Explained, n_seeds: int) -> str:
    """Write the command that shows exactly this explanation; --run trains what it lacks."""
    start = "" if ends.from_number is None else f" --from {ends.from_number}"
    between = f"{start} --to {ends.to_number}"
    return f"sweep explain {quote(ends.study)} --{ends.method}{between} --seeds {n_seeds}"


def baseline_words(ends: Explained) -> str:
    """Name the baseline as in sentences."""
    if ends.from_number is None:
        return "the baseline" + ("" if ends.from_baseline else " as far as the study allows it")
    return f"trial {ends.from_number}" + (" (the baseline)" if ends.from_baseline else "")


def _config(study: StudyHandle, number: int) -> TrialConfig:
    row: TrialRow = study.trial(number)
    if not row.config:
        raise NotFoundError(
            f"trial {number} of study '{study.name}' has no configuration yet: it is waiting. "
            f"`sweep trials {quote(study.name)}` lists those that were trained."
        )
    return in_use(typed_config(row.config))


def _check_is_there(study: StudyHandle, table: TrialTable) -> None:
    number = table.baseline.number
    if number is not None and table.row_of(number) is None:
        raise NotFoundError(
            f"study '{study.name}' names trial {number} as its baseline, and does not have it yet. "
            "Name a trial to begin from with --from, or another baseline with "
            f"`sweep resume {quote(study.name)} --set study.baseline=NUMBER`."
        )


def _baseline(study: StudyHandle) -> TrialConfig:
    study_file = loads(study.record().study_file, f"study '{study.name}'", check_packages=False)
    named = study_file.study.baseline
    found = complete_baseline(study_file.space, named if isinstance(named, dict) else {})
    baseline = typed_config(found.settings)
    if not is_valid(baseline):
        raise UsageError(
            f"study '{study.name}' fixes settings with which the baseline’s others "
            "cannot be trained (bce needs the sigmoid output, nesterov a momentum). Name a trial "
            "to begin from with --from."
        )
    return in_use(baseline)
