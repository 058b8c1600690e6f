"""Populations that only pretend to train: the fused trainer's conversation without its numbers.

A pretended trial's error is 1 / width, with a little less after every epoch.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from sweep.active_trial import ActiveTrial
from sweep.messages import (
    Capacity,
    EpochDone,
    EpochMetrics,
    TestMetrics,
    TrialDiverged,
    TrialDone,
    TrialSpec,
)


class PretendedEpoch(NamedTuple):
    """Trials and their epochs."""

    trained: list[tuple[ActiveTrial, int]]


class FakePopulation:
    """Holds as much as the capacity says; a place is free once its last epoch is launched."""

    def __init__(
        self,
        batch_size: int,
        capacity: Capacity,
        on_launch: Callable[["FakePopulation"], None] = lambda population: None,
    ) -> None:
        self.batch_size = batch_size
        self.capacity = capacity
        self.trained_seconds = 0.0
        self.closed = False
        self.log: list[str] = []
        self._on_launch = on_launch
        self._trials: dict[int, ActiveTrial] = {}

    @property
    def goes_on(self) -> bool:
        return any(one.goes_on for one in self._trials.values())

    def admit(self, spec: TrialSpec) -> ActiveTrial | None:
        assert spec.config.batch_size == self.batch_size
        assert spec.number not in self._trials
        needs = len(spec.seeds), len(spec.seeds) * self.capacity.units_of(spec.config.hidden_width)
        has = self.capacity.slots or 0, self.capacity.hidden_units
        if any(need > have for need, have in zip(needs, has, strict=True)):
            raise ValueError(f"trial {spec.number} never fits")
        placed = [one.spec for one in self._trials.values() if one.goes_on]
        slots = sum(len(one.seeds) for one in placed)
        rows = sum(len(s.seeds) * self.capacity.units_of(s.config.hidden_width) for s in placed)
        if slots + needs[0] > has[0] or rows + needs[1] > has[1]:
            return None
        self._trials[spec.number] = ActiveTrial(spec=spec)
        return self._trials[spec.number]

    def stop(self, number: int) -> None:
        self._trials[number].stopped = True

    def release(self, number: int) -> None:
        del self._trials[number]

    def launch_epoch(self) -> PretendedEpoch:
        self.log.append("launch")
        self._on_launch(self)
        trials = [one for one in self._trials.values() if one.goes_on]
        for one in trials:
            one.launched += 1
        return PretendedEpoch([(one, one.launched) for one in trials])

    def collect(self, launched: PretendedEpoch) -> list[EpochDone | TrialDiverged]:
        self.log.append("collect")
        self.trained_seconds += 1e-4
        for one, epoch in launched.trained:
            one.epoch = epoch
        return [
            EpochDone(
                number=one.spec.number,
                attempt=one.spec.attempt,
                epoch=epoch,
                metrics=tuple(metrics_of(one.spec, epoch) for _ in one.spec.seeds),
            )
            for one, epoch in launched.trained
            if self._trials.get(one.spec.number) is one
        ]

    def result(self, number: int, keep_below: float | None = None) -> TrialDone:
        spec = self._trials[number].spec
        error = metrics_of(spec, spec.config.epochs).val_mse
        if keep_below is None:
            keep_below = math.inf if spec.keep_always else spec.keep_below
        keeps = error < keep_below
        png = b"png" if keeps else None
        return TrialDone(
            number=number,
            attempt=spec.attempt,
            results=tuple(
                TestMetrics(
                    test_mse=error,
                    test_bce=None,
                    psnr=20.0,
                    exact_pixel_share=0.5,
                    per_class_mse=(0.1,),
                    n_parameters=spec.config.hidden_width,
                )
                for _ in spec.seeds
            ),
            train_seconds=0.5,
            reconstructions_png=png,
            errors_png=png,
            weights=b"weights" if keeps else None,
        )

    def close(self) -> None:
        self.closed = True


def metrics_of(spec: TrialSpec, epoch: int) -> EpochMetrics:
    error = 1 / spec.config.hidden_width - 1e-6 * epoch
    return EpochMetrics(train_loss=0.5, val_mse=error, val_bce=None, seconds=0.0)
