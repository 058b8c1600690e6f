"""A grid over a space with conditions, each configuration once.

A point is known by its index, from which its parameters are computed: a number in mixed radix, one
digit per setting, where a choice with conditions has as many values as the settings below it have
points. So only the order of the indices is in memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from sweep.catalogue.settings import Value
from sweep.studyfile import Categorical, Node, Searched, Space, StudyFile
from sweep.studyfile.space import n_points

GRID_ID = "sweep:grid_id"

Point = dict[str, Value]


def grid_size(space: Space) -> int:
    """Return how many configurations the space has."""
    return space.grid_size()


def countable_size(space: Space) -> int | None:
    """Return how many configurations the space has; None if a range cannot be counted."""
    try:
        return grid_size(space)
    except ValueError:
        return None


def point_at(nodes: Sequence[Node], index: int) -> Point:
    """Return the parameters of a point of the grid; the last setting changes fastest."""
    point: Point = {}
    for node in reversed([node for node in nodes if isinstance(node, Searched)]):
        index, digit = divmod(index, n_points([node]))
        point = _digit(node, digit) | point
    return point


def _digit(node: Searched, digit: int) -> Point:
    if not isinstance(node.domain, Categorical):
        return {node.name: node.domain.at(digit)}
    for choice in node.domain.choices:
        inner = node.when.get(choice, ())
        if digit < n_points(inner):
            return {node.name: choice} | point_at(inner, digit)
        digit -= n_points(inner)
    raise IndexError(digit)


def index_of(nodes: Sequence[Node], params: Mapping[str, Any]) -> int | None:
    """Return the index of a trial's parameters in the grid.

    None if they are not a complete point.
    """
    index = 0
    for node in nodes:
        if isinstance(node, Searched):
            digit = _digit_of(node, params)
            if digit is None:
                return None
            index = index * n_points([node]) + digit
    return index


def _digit_of(node: Searched, params: Mapping[str, Any]) -> int | None:
    value = params.get(node.name)
    if value is None or not node.domain.contains(value):
        return None
    if not isinstance(node.domain, Categorical):
        steps: float = (value - node.domain.low) / (node.domain.step or 1)
        return round(steps)
    before = 0
    for choice in node.domain.choices:
        inner = node.when.get(choice, ())
        if choice == value:
            within = index_of(inner, params)
            return None if within is None else before + within
        before += n_points(inner)
    return None


def taken_points(space: Space, trials: Iterable[FrozenTrial]) -> set[int]:
    """Find the points of the grid that trials in any state have."""
    return {index for trial in trials if (index := _taken_index(space, trial)) is not None}


def _taken_index(space: Space, trial: FrozenTrial) -> int | None:
    # Parameters first: a range that was widened on resume changes every index.
    index = index_of(space.nodes, trial.params)
    given: int | None = trial.system_attrs.get(GRID_ID)
    return given if index is None else index


class GridSampler(BaseSampler):
    """Assigns each trial a point that no other trial has, across resumes.

    Points are assigned in order, unless the budget ends before the grid does: then they are
    shuffled by the study's seed, so that the trials spread over the whole grid. Trials beyond the
    last point repeat points.
    """

    def __init__(self, study_file: StudyFile) -> None:
        self._space = study_file.space
        size = grid_size(self._space)
        trials = study_file.budget.trials
        self._order = np.arange(size)
        if trials is not None and trials < size:
            np.random.default_rng(study_file.study.seed).shuffle(self._order)
        self._taken: set[int] = set()
        self._n_seen = 0
        self._n_passed = 0  # leading points of the order that are all taken

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Choose the trial's point and record it with the trial."""
        trials = study.get_trials(deepcopy=False)
        self._taken |= taken_points(self._space, trials[self._n_seen :])
        self._n_seen = len(trials)
        if _taken_index(self._space, trial) is not None:
            return  # it was dispatched before
        point = self._choose(trial.number, trial.system_attrs.get("fixed_params", {}))
        self._taken.add(point)
        study._storage.set_trial_system_attr(trial._trial_id, GRID_ID, point)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Sample nothing jointly: the point determines all parameters."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample nothing, as inferred."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of the trial's point."""
        return point_at(self._space.nodes, trial.system_attrs[GRID_ID])[param_name]

    def _choose(self, number: int, fixed: Mapping[str, Any]) -> int:
        if fixed:
            return self._find_match(fixed)
        while self._n_passed < len(self._order):
            point = int(self._order[self._n_passed])
            if point not in self._taken:
                return point
            self._n_passed += 1
        return int(self._order[number % len(self._order)])

    def _find_match(self, fixed: Mapping[str, Any]) -> int:
        """Choose a point with these values, a free one if possible."""
        matching = [point for point in map(int, self._order) if self._matches(point, fixed)]
        free = [point for point in matching if point not in self._taken]
        return (free or matching or [int(self._order[0])])[0]

    def _matches(self, point: int, fixed: Mapping[str, Any]) -> bool:
        params = point_at(self._space.nodes, point)
        return all(fixed.get(name, value) == value for name, value in params.items())
