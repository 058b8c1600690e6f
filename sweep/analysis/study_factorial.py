"""The factorial analysis of a study's error: its ends, and the cells that are trained so far.

Cells come from the study that was trained for it and from the studied study itself, where that
gives all trials the same seeds: a fixed ``seed`` in its space.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from sweep.analysis.explanation import Errors
from sweep.analysis.factorial import Factorial, factorial
from sweep.analysis.study_explanation import (
    choose_ends,
    configurations,
    errors_of,
    last_analysis,
    other_best,
    seeds_of,
)
from sweep.analysis.verdict import best_number
from sweep.catalogue.settings import SEED, in_use
from sweep.config import TrialConfig
from sweep.enums import AblationMethod, Outcome
from sweep.errors import NotFoundError, UsageError
from sweep.store.derived_studies import Explained
from sweep.store.handle import StudyHandle, open_study, open_study_or_none
from sweep.studyfile import StudyFile, loads_or_none
from sweep.studyfile.space import Fixed


@dataclass(frozen=True, kw_only=True)
class StudyFactorial:
    """A factorial analysis, and where it is trained."""

    #: The study that trains what the studied one lacks, if any is needed; it may not exist yet.
    child: str | None
    ends: Explained
    n_seeds: int
    found: Factorial
    #: The study's best trial, where it has other settings than the target.
    other_best: int | None = None


def study_factorial(
    study: StudyHandle, from_number: int | None = None, to_number: int | None = None
) -> StudyFactorial | None:
    """Return a study's factorial analysis by reading alone: with every cell and its errors.

    Without numbers the one run last, otherwise the one between these trials, by default from the
    baseline to the best. None where it has neither been run nor every cell trained by the study.
    """
    if (own := study.explains()) is not None:
        return _of_child(study, own) if own.method == AblationMethod.FACTORIAL else None
    if from_number is None and to_number is None:
        best = best_number(study.table())
        if (last := last_analysis(study, AblationMethod.FACTORIAL)) is not None:
            child, ends = last
            return factorial_between(study, ends, open_study(study.engine, child), best=best)
    if fixed_seed(study) is None:
        return None
    with suppress(UsageError, NotFoundError):  # no trial yet, no difference, or too much of it
        ends = replace(choose_ends(study, from_number, to_number), method=AblationMethod.FACTORIAL)
        found = factorial_between(study, ends, None, n_seeds=_n_repeats(study))
        return None if found.found.missing else found
    return None


def _of_child(child: StudyHandle, ends: Explained) -> StudyFactorial:
    parent = open_study_or_none(child.engine, ends.study)
    is_there = parent is not None and child.name in parent.explanations()
    return factorial_between(parent if is_there else None, ends, child)


def factorial_between(
    study: StudyHandle | None,
    ends: Explained,
    child: StudyHandle | None,
    *,
    n_seeds: int | None = None,
    best: int | None = None,
) -> StudyFactorial:
    """Return the analysis between two ends by the trials of a study and of its child.

    ``n_seeds`` is needed without a child. Raises UsageError as ``factorial`` does.
    """
    n_seeds = seeds_of(child) if child is not None else n_seeds or 1
    between = configurations(ends)
    errors: Errors = {}
    if study is not None and (seed := fixed_seed(child or study)) is not None:
        cells = [cell.config for cell in factorial(*between, {}).cells]
        errors = _own_errors(study, cells, seed, n_seeds)
    if child is not None:
        errors = {**errors, **errors_of(child, child.trials(), n_seeds)}
    return StudyFactorial(
        child=None if child is None else child.name,
        ends=ends,
        n_seeds=n_seeds,
        found=factorial(*between, errors),
        other_best=None if study is None else other_best(study, ends, best),
    )


def own_seeds(study: StudyHandle, ends: Explained) -> int | None:
    """Return the number of seeds with which the study itself trained every cell; None otherwise."""
    found = factorial_between(study, ends, None, n_seeds=_n_repeats(study))
    return None if found.found.missing else found.n_seeds


def _own_errors(
    study: StudyHandle, cells: Sequence[TrialConfig], seed: int, n_seeds: int
) -> Errors:
    """Return the errors of cells that the study has trained with a seed and those derived of it."""
    table = study.table()
    ended = table.states.is_("COMPLETE") | table.outcomes.is_(Outcome.DIVERGED)
    are_cells = np.logical_or.reduce([table.has(in_use(vars(cell))) for cell in cells])
    rows = study.trials(table.numbers[ended & are_cells].tolist())
    return errors_of(study, [row for row in rows if row.seeds[:1] == (seed,)], n_seeds)


def _n_repeats(study: StudyHandle) -> int:
    return study.record().settings.study.repeat


def fixed_seed(study: StudyHandle) -> int | None:
    """Return the seed that all trials of a study have; None where each has its own.

    None, too, if this version rejects the study's file.
    """
    file = loads_or_none(study.record().study_file)
    return None if file is None else seed_in(file)


def seed_in(file: StudyFile) -> int | None:
    """Return the seed that a study file's space fixes for all trials."""
    for node in file.space.nodes:
        if isinstance(node, Fixed) and node.setting == SEED.name:
            return int(node.value)
    return None
