"""Check the labels of `sweep diagnose` on networks with planted problems, trained on real images.

   python -m benchmarks.labels [--seeds 4] [--linear]

Each plant is a configuration whose problem is known; some plants damage the weights before the
first step. The reference trainer trains it on fashion-mnist-mini with several seeds, and each trial
is labelled as `sweep diagnose` would label it: the table has a row for each plant and a column for
each label. ``--linear`` adds how far a linear autoencoder's training error ends above PCA's. The
last line of the output is JSON. No plant has a loss near its lower bound, because that needs wide
layers and many epochs; the tests plant one with small images.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import torch

from sweep import datasets
from sweep.analysis.diagnosis import Limit, diagnose
from sweep.analysis.floors import Floors, compute_floors
from sweep.config import TrialConfig
from sweep.datasets import Images
from sweep.enums import Activation, Loss, Optimizer, Output, Schedule
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData, ReferenceTrainer, Training
from sweep.trainer.evaluation import evaluate
from tests.support.troubled_training import saturate, stick, train

DATASET = "fashion-mnist-mini"
FRACTION, SPLIT_SEED = 0.1, 0
CPU = torch.device("cpu")

LINEAR = TrialConfig(
    hidden_width=16,
    activation=Activation.LINEAR,
    output_activation=Output.LINEAR,
    loss=Loss.MSE,
    epochs=30,
    batch_size=20,
    learning_rate=0.005,
    lr_schedule=Schedule.COSINE,
)
WIDE = replace(LINEAR, hidden_width=128, batch_size=100)


class Plant(NamedTuple):
    """A planted problem and the label that it deserves."""

    limit: Limit
    config: TrialConfig
    #: Changes the initial weights so that they have the problem.
    harm: Callable[[Training], None] = lambda _: None
    train_limit: int = 1_000


def _disable_units(training: Training) -> None:
    """Disable seven of eight hidden units: they are never above 0 again."""
    with torch.no_grad():
        for run in training._runs:
            for first in range(1, 8):
                run.model.encoder.bias[first::8] = -1e3


PLANTS = {
    "too narrow": Plant(Limit.TOO_NARROW, LINEAR),
    "too few epochs": Plant(
        Limit.TOO_FEW_EPOCHS,
        replace(WIDE, epochs=4, learning_rate=1e-3, lr_schedule=Schedule.CONSTANT),
    ),
    "steps that diverge": Plant(
        Limit.DIVERGED, replace(WIDE, optimizer=Optimizer.SGD, learning_rate=1e3)
    ),
    "steps far too large": Plant(
        Limit.WORSE_THAN_MEAN, replace(WIDE, learning_rate=1.0, lr_schedule=Schedule.CONSTANT)
    ),
    "dead units": Plant(
        Limit.DEAD_UNITS, replace(WIDE, activation=Activation.RELU), _disable_units
    ),
    "saturated units": Plant(
        Limit.SATURATED_UNITS,
        replace(WIDE, activation=Activation.TANH, learning_rate=1e-3),
        saturate,
    ),
    "saturated output": Plant(
        Limit.SATURATED_OUTPUTS,
        replace(WIDE, output_activation=Output.SIGMOID, learning_rate=1e-3),
        stick,
    ),
    "tiny training set": Plant(
        Limit.OVERFITS,
        replace(WIDE, epochs=300, learning_rate=3e-3),
        train_limit=50,
    ),
}


class LinearRun(NamedTuple):
    """A linear autoencoder and how long it trains."""

    hidden_width: int
    train_limit: int
    epochs: int
    learning_rate: float
    batch_size: int = 20


LINEAR_RUNS = (
    LinearRun(hidden_width=16, train_limit=1_000, epochs=40, learning_rate=0.005),
    LinearRun(hidden_width=64, train_limit=1_000, epochs=60, learning_rate=0.01),
    LinearRun(hidden_width=256, train_limit=2_700, epochs=100, learning_rate=0.004, batch_size=25),
)


@cache
def images() -> Images:
    return datasets.load(DATASET)


@cache
def data_of(train_limit: int) -> DeviceData:
    return DeviceData.of(images(), (FRACTION, SPLIT_SEED, train_limit), CPU)


@cache
def floors_of(train_limit: int) -> Floors:
    return compute_floors(images(), FRACTION, SPLIT_SEED, train_limit, clipped_widths=[1])


def start(config: TrialConfig, train_limit: int, seed: int) -> Training:
    """Return a training at epoch 0; its weights are not stored."""
    spec = TrialSpec(number=0, attempt=1, config=config, seeds=(seed,), keep_below=0.0)
    return ReferenceTrainer(data_of(train_limit), CPU).start(spec)


def label(plant: Plant, seed: int) -> Limit | None:
    """Return the label of a planted trial."""
    training = start(plant.config, plant.train_limit, seed)
    plant.harm(training)
    return diagnose(*train(training), floors_of(plant.train_limit)).limit


def times_the_floor(run: LinearRun, seed: int = 0) -> float:
    """Return the training error over PCA's error on the same images."""
    config = replace(LINEAR, **{k: v for k, v in run._asdict().items() if k != "train_limit"})
    training = start(config, run.train_limit, seed)
    while not training.finished:
        training.train_epoch()
    (of_seed,) = training._runs
    error = evaluate(of_seed.model, data_of(run.train_limit).train, config.output_activation).mse
    return error / floors_of(run.train_limit).train_pca_mse[run.hidden_width]


def print_table(told: dict[str, Counter[str]]) -> None:
    """Print a row for each plant; the label that it deserves is in brackets."""
    print("| planted | " + " | ".join(Limit) + " | none |")
    print("|---" * (len(Limit) + 2) + "|")
    for name, counts in told.items():
        deserved = PLANTS[name].limit
        cells = [f"[{counts[of]}]" if of == deserved else str(counts[of] or "") for of in Limit]
        print(f"| {name} | " + " | ".join([*cells, str(counts["none"] or "")]) + " |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the plants; print their labels and how often these were wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--linear", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    began, told = time.perf_counter(), {}
    for name, plant in PLANTS.items():
        labels = [label(plant, seed) or "none" for seed in range(options.seeds)]
        told[name] = Counter(str(of) for of in labels)
        print(f"{name}: {dict(told[name])}", file=sys.stderr, flush=True)
    print_table(told)
    n = options.seeds * len(PLANTS)
    wrong = n - sum(told[name][PLANTS[name].limit] for name in PLANTS)
    print(f"{wrong} of {n} trials are labelled wrong: {100 * wrong / n:.1f} %.")
    ratios = {}
    for run in LINEAR_RUNS if options.linear else ():
        ratios[run.hidden_width] = times_the_floor(run)
        print(f"linear, {run.hidden_width} units: {ratios[run.hidden_width]:.4f} times PCA's error")
    seconds = round(time.perf_counter() - began, 1)
    found = {"told": told, "wrong": wrong, "trials": n, "times_pca": ratios, "seconds": seconds}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
