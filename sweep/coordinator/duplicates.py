"""Which configurations a study has trained, so that none is trained twice.

Two trials of a study are duplicates when all their searched settings are equal, the seed among them
where the space has one: fixed settings, data and split are the study's and equal anyway. Their own
seeds differ, since they derive from the trial's number; what the first came to stands for both.
Only a trial that is COMPLETE and not invalid lends its results. A duplicate of one that is still in
training waits for it, and is trained itself if nothing comes of the other.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

#: The attribute, Optuna's and visible to its users, that names the trial whose results were reused.
REUSED_FROM = "reused_from"

#: A configuration's searched settings, by name in alphabetical order.
Key = tuple[tuple[str, Any], ...]


class Twin(NamedTuple):
    """A trial with the same configuration."""

    number: int
    #: It has results; otherwise it is in training.
    finished: bool


class Duplicates:
    """The study's configurations by trial, and who waits for whom."""

    def __init__(self, trials: Iterable[FrozenTrial] = (), invalid: frozenset[int] = frozenset()):
        self._trained: dict[Key, int] = {}
        self._training: dict[Key, int] = {}
        self._keys: dict[int, Key] = {}
        self._waiting: dict[int, list[int]] = defaultdict(list)
        self.count_anew(trials, invalid)

    def count_anew(self, trials: Iterable[FrozenTrial], invalid: frozenset[int]) -> None:
        """Whose results count has changed: users marked trials as invalid, or as valid."""
        self._trained.clear()
        for trial in trials:
            if trial.state == TrialState.COMPLETE and trial.number not in invalid:
                self.add_result(trial)

    def add_result(self, trial: FrozenTrial) -> None:
        """A COMPLETE trial lends its results, unless it has borrowed them itself."""
        if REUSED_FROM not in trial.user_attrs:
            self._trained.setdefault(_key(trial.params), trial.number)

    @property
    def trained(self) -> Collection[Key]:
        """The configurations that have results."""
        return self._trained.keys()

    @property
    def training(self) -> Collection[Key]:
        """The configurations of the trials in training."""
        return self._training.keys()

    def begin(self, number: int, params: Mapping[str, Any]) -> Twin | None:
        """A trial is about to be handed out: its twin, if it need not be.

        Without one the trial itself is in training from now on. With one in training it waits,
        until ``end`` gives it back.
        """
        key = _key(params)
        if key in self._trained:
            return Twin(self._trained[key], finished=True)
        if key in self._training:
            twin = self._training[key]
            self._waiting[twin].append(number)
            return Twin(twin, finished=False)
        self._training[key] = number
        self._keys[number] = key
        return None

    def end(self, number: int) -> list[int]:
        """A trial is no longer in training; those that waited for it."""
        if (key := self._keys.pop(number, None)) is not None:
            del self._training[key]
        return self._waiting.pop(number, [])


def _key(params: Mapping[str, Any]) -> Key:
    # True == 1 == 1.0 in Python, but a setting has one kind; the order of suggestion may differ.
    return tuple(sorted(params.items()))
