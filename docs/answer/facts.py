"""What the answer says, in numbers: gathered from the stored studies, one record a section."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.analysis.diagnosis import Limit
from sweep.analysis.explanation import ChangeEffect, ParameterGroup, Step
from sweep.analysis.floors import Floors, pca_equivalent
from sweep.analysis.probe_summary import CodeVerdict, FeatureKind, ProbedTrial, ProbeSummary
from sweep.analysis.study_diagnosis import diagnose_widths
from sweep.analysis.study_explanation import StudyExplanation, study_explanation
from sweep.analysis.study_floors import study_floors
from sweep.analysis.study_probes import study_probes
from sweep.analysis.verdict import baseline_number, floor_at
from sweep.analysis.width_law import WidthLaw, width_errors, width_law
from sweep.enums import Loss
from sweep.errors import NotFoundError, SweepError
from sweep.findings.probes import accuracy_text
from sweep.store.engine import Engine
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.records import TrialRow

FULL_DATA = "fashion-mnist"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The question's configuration, over its seeds, beside the floors of its data."""

    dataset: str
    trial: TrialRow
    #: The error of answering every image with the mean training image.
    mean_mse: float
    #: Nats per pixel of the test images.
    entropy: float
    #: The fewest principal components that do as well.
    components: int
    #: PCA's error with as many components as there are hidden units.
    floor: float
    #: Pixels of an image.
    n_inputs: int


@dataclass(frozen=True, kw_only=True)
class OfWidth:
    """The question's configuration at one width."""

    width: int
    test_mse: float
    #: Spread over the seeds; None with one.
    spread: float | None
    #: PCA's error with as many components.
    floor: float
    #: What limits it; None where that is not known.
    limit: Limit | None


@dataclass(frozen=True, kw_only=True)
class Widths:
    """The error against the width."""

    dataset: str
    n_seeds: int
    rows: tuple[OfWidth, ...]
    law: WidthLaw


@dataclass(frozen=True, kw_only=True)
class Sharp:
    """A search at a width of 784."""

    study: str
    dataset: str
    n_trials: int
    max_epochs: int
    baseline: TrialRow
    best: TrialRow
    #: The one that brings most pixels back exactly; may be the best.
    exact: TrialRow

    @property
    def times_better(self) -> float:
        """The question's test error over the best's."""
        return _error(self.baseline) / _error(self.best)


@dataclass(frozen=True, kw_only=True)
class OfDataset:
    """The question's configuration on one data set, its widest."""

    dataset: str
    trial: TrialRow
    mean_mse: float
    entropy: float
    components: int
    #: Components of PCA that keep 95 % of the variance of the test images.
    components_95: int

    @property
    def share(self) -> float:
        """Its error as a share of the mean image's."""
        return _error(self.trial) / self.mean_mse


@dataclass(frozen=True, kw_only=True)
class Useful:
    """What narrow codes tell of the labels."""

    dataset: str
    found: ProbeSummary

    @property
    def is_enough(self) -> bool:
        """Whether a code keeps most of what tells the classes."""
        return self.found.verdict is not CodeVerdict.NONE

    def told(self, of: ProbedTrial, kind: str) -> str:
        """Say how many labels the classifier that decides tells from a kind of features."""
        return accuracy_text(self.found.accuracy(of, FeatureKind(kind)))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that the pages say."""

    asked: Asked
    widths: Widths
    sharp: Sharp
    #: The same on all images, shorter; None where ``sharp`` is on all of them.
    whole: Sharp | None
    #: The best of ``whole``, trained for longer, beside the question's configuration.
    longer: Sharp | None
    why: StudyExplanation
    #: None while no code of study "features" is probed.
    useful: Useful | None
    #: Clothes first; digits only where they could be had.
    datasets: tuple[OfDataset, ...]
    #: What the studies trained on, by their makers' names.
    devices: tuple[str, ...]
    on_cpu: bool
    #: Whether the search was a reduced one, of fewer images than the question's.
    is_reduced: bool
    versions: Mapping[str, Any]

    @property
    def search(self) -> Sharp:
        """That on the most images."""
        return self.whole or self.sharp

    @property
    def sharpest(self) -> Sharp:
        """What came of it in the end."""
        return self.longer or self.search

    @property
    def steps_by_size(self) -> list[Step]:
        """Of the forward path, the largest factor first."""
        return sorted(self.why.found.forward.steps, key=lambda of: -of.effect.estimate)

    @property
    def causes_by_size(self) -> list[ParameterGroup]:
        """In the order of their steps' factors."""
        return [self.cause(name) for step in self.steps_by_size for name in step.groups]

    @property
    def loss_bars_output(self) -> bool:
        """Whether the output had to wait for the loss: cross-entropy needs the sigmoid."""
        taken = [name for step in self.why.found.forward.steps for name in step.groups]
        return {"loss", "output"} <= set(taken) and self.cause("loss").before["loss"] == Loss.BCE

    @property
    def changes_form(self) -> bool:
        """Whether what the units compute changes on the way, not only how they are trained."""
        return bool({"activation", "output"} & {of.name for of in self.why.found.groups})

    def step(self, name: str) -> Step:
        """Of the forward path, by the cause that it takes."""
        return next(of for of in self.why.found.forward.steps if name in of.groups)

    def effect(self, name: str) -> ChangeEffect:
        """Effect of a cause on the forward path; its own, where the next change undoes its harm."""
        step = self.step(name)
        if step.harm is not None and name in step.groups[:-1]:
            return step.harm
        return step.effect

    @property
    def effect_of_output_and_loss(self) -> float:
        """Effect of both on the forward path."""
        steps = {self.step(name).groups: self.step(name) for name in ("loss", "output")}
        return math.prod(step.effect.estimate for step in steps.values())

    def cause(self, name: str) -> ParameterGroup:
        """By its name."""
        return next(of for of in self.why.found.groups if of.name == name)


def gather(engine: Engine) -> Facts:
    """Of the studies that ``docs.answer.run`` makes. Raises SweepError where one is not whole."""
    names = [of.name for of in DatabaseHandle(engine).studies()]
    sharp = _sharp(engine, "limit")
    return Facts(
        asked=_asked(engine),
        widths=_widths(engine),
        sharp=sharp,
        whole=_sharp(engine, "whole") if "whole" in names else None,
        longer=_sharp(engine, "longer") if "longer" in names else None,
        why=_why(engine),
        useful=_useful(engine),
        datasets=tuple(_dataset(engine, of) for of in ("clothes", "digits") if of in names),
        devices=_devices(engine, names),
        on_cpu=all(
            of.device == "cpu" for name in names for of in open_study(engine, name).workers()
        ),
        is_reduced=sharp.dataset != FULL_DATA,
        versions=open_study(engine, "limit").record().provenance,
    )


def _asked(engine: Engine) -> Asked:
    floors, trial = _floors(engine, "question"), _best(engine, "question")
    return Asked(
        dataset=open_study(engine, "question").summary().dataset,
        trial=trial,
        mean_mse=floors.test_mean_mse,
        entropy=floors.test_entropy,
        components=pca_equivalent(floors, _error(trial)),
        floor=floor_at(floors, trial.hidden_width) or 0.0,
        n_inputs=floors.n_inputs,
    )


def _widths(engine: Engine) -> Widths:
    floors = _floors(engine, "width")
    limits = {
        of.trial.number: of.diagnosis.limit
        for of in diagnose_widths(open_study(engine, "width"), floors)
    }
    trials = sorted(open_study(engine, "width").best(), key=lambda of: of.hidden_width or 0)
    return Widths(
        dataset=open_study(engine, "width").summary().dataset,
        n_seeds=len(trials[0].seeds),
        rows=tuple(
            OfWidth(
                width=width,
                test_mse=_error(trial),
                spread=trial.test_mse_std,
                floor=floor_at(floors, width) or 0.0,
                limit=limits.get(trial.number),
            )
            for trial in trials
            if (width := trial.hidden_width) is not None
        ),
        law=width_law(width_errors(open_study(engine, "width").table())),
    )


def _sharp(engine: Engine, name: str) -> Sharp:
    study = open_study(engine, name)
    trials, number = study.best(), baseline_number(study.table())
    baseline = next((row for row in trials if row.number == number), None)
    if baseline is None:
        raise NotFoundError(f"study {name!r} lacks the question's own configuration.")
    return Sharp(
        study=name,
        dataset=open_study(engine, name).summary().dataset,
        n_trials=open_study(engine, name).summary().n_finished,
        max_epochs=max(int(of.config["epochs"]) for of in trials),
        baseline=baseline,
        best=trials[0],
        exact=max(trials, key=lambda of: of.exact_pixel_share or 0.0),
    )


def _why(engine: Engine) -> StudyExplanation:
    found = study_explanation(open_study(engine, "limit"))
    if found is None or not found.found.is_whole:
        raise SweepError("study 'limit' is not explained yet: `sweep explain limit --run`.")
    return found


def _useful(engine: Engine) -> Useful | None:
    found = study_probes(open_study(engine, "features"))
    if found is None:
        return None
    return Useful(dataset=open_study(engine, "features").summary().dataset, found=found)


def _dataset(engine: Engine, name: str) -> OfDataset:
    floors = _floors(engine, name)
    trial = max(open_study(engine, name).best(), key=lambda of: of.hidden_width or 0)
    kept = 1 - np.asarray(floors.test_pca_mse) / floors.test_mean_mse
    return OfDataset(
        dataset=open_study(engine, name).summary().dataset,
        trial=trial,
        mean_mse=floors.test_mean_mse,
        entropy=floors.test_entropy,
        components=pca_equivalent(floors, _error(trial)),
        components_95=int(np.argmax(kept >= 0.95)),
    )


def _devices(engine: Engine, names: list[str]) -> tuple[str, ...]:
    found = {of.device_name for name in names for of in open_study(engine, name).workers()}
    return tuple(sorted(name for name in found if name))


def _floors(engine: Engine, name: str) -> Floors:
    floors = study_floors(open_study(engine, name))
    if floors is None:
        raise SweepError(f"the floors of study '{name}' are neither kept nor can be computed here.")
    return floors


def _best(engine: Engine, name: str) -> TrialRow:
    trials = open_study(engine, name).best(1)
    if not trials:
        raise NotFoundError(f"study '{name}' has no finished trial.")
    return trials[0]


def _error(trial: TrialRow) -> float:
    if trial.test_mse is None:
        raise SweepError(f"trial {trial.number} was not measured on the test images.")
    return trial.test_mse
