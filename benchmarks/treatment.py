"""Check whether the remedy that `sweep diagnose` advises helps most, on random configurations.

   python -m benchmarks.treatment [--configurations 40] [--seeds 3] [-o trained.json]

Each configuration is drawn at random and trained on a small part of fashion-mnist-mini, diagnosed
as `sweep diagnose` would from its own curve alone, and trained again with the advised remedy and
with each of the others: twice the epochs, twice the width, half the rate with a cosine schedule,
linear outputs with MSE, a leaky activation, twice the images with the same number of updates. A
remedy's gain is the ratio of the mean test errors over the seeds. The benchmark counts how often
the advised remedy gains most, and compares it with always giving the remedy that is best most
often. The last line of the output is JSON.

``-o`` stores what was trained, ``--read`` diagnoses it again without training.
"""

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.labels import data_of, floors_of
from sweep.analysis.diagnosis import Diagnosis, Remedy, changes, diagnose
from sweep.catalogue.settings import SETTINGS
from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Output, Schedule
from sweep.messages import TrialSpec
from sweep.store.records import CurvePoint
from sweep.trainer import CpuTrainer
from tests.support.troubled_training import TrainedTrial, row_of, train

#: Given to every configuration; the advised remedy may be another learning rate in addition.
REMEDIES = (
    Remedy.EPOCHS,
    Remedy.WIDTH,
    Remedy.CALMER,
    Remedy.OUTPUT,
    Remedy.ACTIVATION,
    Remedy.IMAGES,
)

#: So wide that each remedy is the best somewhere: from hardly trained to overfitted.
EPOCHS, WIDTHS, RATES = (4, 100), (4, 128), (3e-4, 3e-2)
BATCH_SIZES, TRAIN_LIMITS = (16, 32, 64), (250, 500, 1_000)
OUTPUTS = ((Output.SIGMOID, Loss.BCE), (Output.SIGMOID, Loss.MSE), (Output.LINEAR, Loss.MSE))

#: Errors up to this many times the lowest count as equal, given the scatter of seeds.
_CLOSE = 1.05


class Case(NamedTuple):
    """A configuration and how many images it is trained on."""

    config: TrialConfig
    train_limit: int


class Treated(NamedTuple):
    """An untreated configuration, and its test error with each remedy."""

    case: Case
    before: TrainedTrial
    #: None if training diverged.
    errors: Mapping[Remedy, float | None]


def draw(seed: int) -> Case:
    """Draw a configuration."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return math.exp(rng.uniform(math.log(low), math.log(high)))

    output, loss = OUTPUTS[rng.integers(len(OUTPUTS))]
    config = TrialConfig(
        hidden_width=round(between(*WIDTHS)),
        activation=list(Activation)[rng.integers(len(Activation))],
        output_activation=output,
        loss=loss,
        epochs=round(between(*EPOCHS)),
        batch_size=int(rng.choice(BATCH_SIZES)),
        learning_rate=between(*RATES),
        lr_schedule=(Schedule.CONSTANT, Schedule.COSINE)[rng.integers(2)],
    )
    return Case(config, int(rng.choice(TRAIN_LIMITS)))


def apply(case: Case, remedy: Remedy) -> Case:
    """Apply a remedy; twice the images are trained on with the same number of updates."""
    if remedy is Remedy.IMAGES:
        half = replace(case.config, epochs=math.ceil(case.config.epochs / 2))
        return Case(half, 2 * case.train_limit)
    values = changes(remedy, vars(case.config))
    config = replace(case.config, **{of: SETTINGS[of].to_type(it) for of, it in values.items()})
    return Case(config, case.train_limit)


def train_seeds(case: Case, seeds: Sequence[int]) -> TrainedTrial:
    """Train with every seed; errors are means over the seeds."""
    spec = TrialSpec(number=0, attempt=1, config=case.config, seeds=tuple(seeds), keep_below=0.0)
    return train(CpuTrainer(data_of(case.train_limit)).start(spec))


def treat(seed: int, seeds: Sequence[int]) -> Treated:
    """Train a configuration without a remedy, and with each."""
    case = draw(seed)
    before = train_seeds(case, seeds)
    # The advised learning rate is given, too, if it is not one of REMEDIES.
    advised = diagnose_case(case, before).remedy
    remedies = dict.fromkeys([*REMEDIES, *([advised] if advised else [])])
    after = {of: train_seeds(apply(case, of), seeds).trial.test_mse for of in remedies}
    return Treated(case, before, after)


def diagnose_case(case: Case, of: TrainedTrial) -> Diagnosis:
    """Diagnose it as `sweep diagnose` would if it were alone in its study."""
    return diagnose(*of, floors_of(case.train_limit))


def best_remedy(of: Treated) -> Remedy | None:
    """Return the remedy with the lowest error, or None if each makes the error higher."""
    before = of.before.trial.test_mse or math.inf
    errors = {remedy: error for remedy, error in of.errors.items() if error is not None}
    best = min(errors, key=errors.__getitem__, default=None)
    return best if best is not None and errors[best] < before else None


def factor(of: Treated, remedy: Remedy | None) -> float:
    """Return the error with a remedy over that without, for a trial that ended.

    1 without a remedy.
    """
    before, after = of.before.trial.test_mse, of.errors.get(remedy) if remedy else None
    return after / before if before and after else 1.0


def summary(every: Sequence[Treated]) -> dict[str, Any]:
    """Count how often the advised remedy is the best, compared with one remedy for all."""
    advised = [diagnose_case(of.case, of.before) for of in every]
    best = [best_remedy(of) for of in every]
    most_frequent, n_best = Counter(best).most_common(1)[0]
    right = [of.remedy == it for of, it in zip(advised, best, strict=True)]
    close = [
        factor(of, it.remedy) <= _CLOSE * factor(of, its)
        for of, it, its in zip(every, advised, best, strict=True)
    ]
    labels = Counter(str(of.limit) for of in advised)
    return {
        "configurations": len(every),
        "advised_gains_most": sum(right),
        "advised_is_close": sum(close),
        "most_frequent": most_frequent,
        "most_frequent_gains_most": n_best,
        "best": Counter(str(of) for of in best),
        "labels": labels,
        "right_by_label": {
            label: sum(it for of, it in zip(advised, right, strict=True) if of.limit == label)
            for label in labels
        },
        "error_under_advised": _mean_factor(every, [of.remedy for of in advised]),
        "error_under_best": _mean_factor(every, best),
        "error_under_one": {
            str(remedy): _mean_factor(every, [remedy] * len(every)) for remedy in REMEDIES
        },
    }


def _mean_factor(every: Sequence[Treated], given: Sequence[Remedy | None]) -> float:
    """Return the geometric mean of the factors."""
    factors = [factor(of, remedy) for of, remedy in zip(every, given, strict=True)]
    return round(float(np.exp(np.mean(np.log(factors)))), 3)


def to_json(of: Treated) -> dict[str, Any]:
    """Return plain values from which ``from_json`` makes the same."""
    row, curve, diagnostics = of.before
    return {
        "config": vars(of.case.config),
        "train_limit": of.case.train_limit,
        "test": [row.test_mse, row.test_bce],
        "curve": [[point.train_loss, point.val_mse] for point in curve],
        "diagnostics": diagnostics,
        "errors": of.errors,
    }


def from_json(values: Mapping[str, Any]) -> Treated:
    """Read the result of ``to_json``."""
    config = TrialConfig(**{k: SETTINGS[k].to_type(v) for k, v in values["config"].items()})
    curve = [
        CurvePoint(epoch=epoch, train_loss=loss, val_mse=error, val_bce=None, seconds=None)
        for epoch, (loss, error) in enumerate(values["curve"], start=1)
    ]
    row = row_of(config, *values["test"])
    errors = {Remedy(of): error for of, error in values["errors"].items()}
    before = TrainedTrial(row, curve, values["diagnostics"])
    return Treated(Case(config, values["train_limit"]), before, errors)


def print_summary(found: Mapping[str, Any]) -> None:
    """Print which remedies were advised, which helped most, and by how much."""
    n = found["configurations"]
    print(f"The advised remedy gains most in {found['advised_gains_most']} of {n}.")
    print(f"It comes within 5 % of the best one's error in {found['advised_is_close']} of {n}.")
    print(
        f"Always giving the most frequent best one, {found['most_frequent']}, is right in "
        f"{found['most_frequent_gains_most']} of {n}."
    )
    print("\n| label | configurations | advised gains most |\n|---|---|---|")
    for label, of_label in found["labels"].items():
        print(f"| {label} | {of_label} | {found['right_by_label'][label]} |")
    print("\n| given to all | error, times that without |\n|---|---|")
    print(f"| the advised | {found['error_under_advised']} |")
    print(f"| the best | {found['error_under_best']} |")
    for remedy, error in found["error_under_one"].items():
        print(f"| {remedy} | {error} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, treat and count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--configurations", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="seed of the first configuration")
    parser.add_argument("-o", dest="out", type=Path)
    parser.add_argument("--read", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    began, every = time.perf_counter(), []
    for path in options.read or ():
        every += [from_json(of) for of in json.loads(path.read_text())]
    for seed in (
        () if options.read else range(options.first, options.first + options.configurations)
    ):
        every.append(treat(seed, range(options.seeds)))
        print(f"{seed}: {best_remedy(every[-1])}", file=sys.stderr, flush=True)
        if options.out:
            options.out.write_text(json.dumps([to_json(of) for of in every]))
    found = summary(every)
    print_summary(found)
    print(json.dumps({**found, "seconds": round(time.perf_counter() - began, 1)}))


if __name__ == "__main__":
    main()
