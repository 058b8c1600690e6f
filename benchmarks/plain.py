"""Time whole commands on a CPU: ``sweep start`` and the plain script that it replaces.

   python -m benchmarks.plain
   python -m benchmarks.plain --fields quickstart --rounds 3 --agree

The script is ``plain_study.py``: Optuna with SQLite, an nn.Module, a DataLoader, torch.optim. It
trains the configurations of the preceding `sweep start` on the same images and cores, so both sides
train the same. Both times are those of whole commands. Several workers finish in a random order, so
the sampler's configurations differ between rounds: each round has a ratio of its own, and the
field's ratio is their median.

The last columns give sweep's training speed: the floating-point operations of its products over the
seconds that its workers trained, and that speed as a share of torch.mm's on all cores for 128 x 784
by 784 x 784. torch.mm is timed right before and after each `sweep start`, because the speed of a
shared machine changes within minutes. ``--agree`` trains every configuration again with the
reference trainer and compares the last validation errors. Some trials amplify rounding (high
learning rates, losses with a kink). To show how much, it also compares the reference trainer with
itself after a permutation of the hidden units, which changes only the order in which float32 sums
are rounded.

Exits with 1 if a ratio is below the goal of its field.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomlkit
import torch

from benchmarks import plain_study
from sweep import datasets, studyfile
from sweep.config import TrialConfig
from sweep.datasets import Images
from sweep.launch.devices import n_cores
from sweep.messages import TrialSpec
from sweep.studyfile import StudyFile
from sweep.studyfile.domains import Float, Int
from sweep.trainer.data import DeviceData
from sweep.trainer.reference import AutogradStep, ReferenceTrainer

QUICKSTART = Path(__file__).parents[1] / "studies" / "quickstart.toml"
BATCH_SIZE = 128  # of the study file, and of torch.mm
#: Largest relative difference of validation errors of full trials that agree.
NEAR = 1e-4


@dataclass(frozen=True, kw_only=True)
class Field:
    """The quickstart's study, with or without changes."""

    #: Lowest and highest hidden width, without the enqueued configuration; None leaves the file
    #: unchanged.
    widths: tuple[int, int] | None = None
    n_trials: int = 24
    #: Number of images to train on; None takes all.
    train_limit: int | None = None
    #: Least ratio of the plain script's time to sweep's.
    goal: float
    #: How long torch.mm is timed, before and after `sweep start`.
    mm_seconds: float = 2.0


FIELDS = {
    "quickstart": Field(goal=1.7),
    "narrow": Field(widths=(8, 128), goal=1.6),
    "narrow-200": Field(widths=(8, 128), n_trials=200, goal=3.0),
}
SMOKE = {"smoke": Field(widths=(8, 16), n_trials=3, train_limit=640, goal=0.0, mm_seconds=0.02)}


class Side(NamedTuple):
    """A finished `sweep start`: seconds, and its study from `sweep export` and `status`."""

    seconds: float
    trials: list[dict[str, Any]]
    n_workers: int


class Round(NamedTuple):
    """Figures of both sides in one round, or medians of several rounds."""

    plain_seconds: float
    sweep_seconds: float
    ratio: float
    #: Training speed of sweep.
    gflops: float
    #: Speed of torch.mm, the mean of before and after `sweep start`.
    mm_gflops: float
    #: ``gflops`` as a share of ``mm_gflops``.
    mm_share: float


def measure(field: Field, n_rounds: int, agree: bool) -> dict[str, Any]:
    """Run the rounds of a field; return medians over the rounds, and every round's seconds."""
    rounds: list[Round] = []
    agreements: dict[str, list[float]] = {"sweep": [], "reordered": []}
    for _ in range(n_rounds):
        with tempfile.TemporaryDirectory() as folder:
            file = write_study(field, Path(folder))
            study = studyfile.load(file)
            images = datasets.load(study.data.name)
            mm_before = mm_gflops(field.mm_seconds)
            side = run_sweep(file, Path(folder))
            mm = (mm_before + mm_gflops(field.mm_seconds)) / 2
            plain_seconds = run_plain(study, images, side.trials, Path(folder))
            speed = gflops(side, split_of(study), images)
            ratio = plain_seconds / side.seconds
            rounds.append(Round(plain_seconds, side.seconds, ratio, speed, mm, speed / mm))
            if agree:
                for trainer, differences in compare(study, images, side.trials).items():
                    agreements[trainer] += differences
    medians = Round(*(statistics.median(values) for values in zip(*rounds, strict=True)))
    return {
        "n_trials": field.n_trials,
        "n_workers": side.n_workers,
        **medians._asdict(),
        "goal": field.goal,
        "rounds": [of_round._asdict() for of_round in rounds],
        "differences": agreements if agree else None,
    }


def write_study(field: Field, folder: Path) -> Path:
    """Write the field's study file."""
    document = tomlkit.parse(QUICKSTART.read_text())
    document["budget"]["trials"] = field.n_trials
    if field.train_limit is not None:
        document["data"]["train_limit"] = field.train_limit
    if field.widths is not None:
        low, high = field.widths
        del document["enqueue"]
        width = {"low": low, "high": high, "log": True}
        document["space"]["hidden_width"] = width
    file = folder / "study.toml"
    file.write_text(tomlkit.dumps(document))
    return file


def run_sweep(file: Path, folder: Path) -> Side:
    """Run `sweep start` with its defaults."""
    storage = ["--storage", f"sqlite:///{folder}/sweep.db"]
    seconds = _time([sys.executable, "-m", "sweep", "start", str(file), *storage])
    name = studyfile.load(file).study.name
    trials = _export("export", name, "--format", "json", *storage)["trials"]
    return Side(seconds, trials, len(_export("status", name, "--json", *storage)["workers"]))


def run_plain(
    study: StudyFile, images: Images, trials: Sequence[dict[str, Any]], folder: Path
) -> float:
    """Return the seconds of ``plain_study.py`` with the configurations of these trials."""
    train, validation = images.split(*split_of(study))
    files = folder / "images.npz", folder / "configurations.json"
    pixels = images.train_images
    np.savez(files[0], train=pixels[train], validation=pixels[validation])
    configurations = [trial["params"] for trial in trials]
    files[1].write_text(json.dumps({"space": _space(study), "configurations": configurations}))
    script = Path(plain_study.__file__)
    storage = f"sqlite:///{folder}/plain.db"
    return _time([sys.executable, str(script), *map(str, files), storage])


def _space(study: StudyFile) -> dict[str, Any]:
    """Return the lowest and highest value of each searched number, by Optuna's parameter name."""
    ranges = study.space.domains().items()
    return {name: [of.low, of.high] for name, of in ranges if isinstance(of, Int | Float)}


def _time(command: Sequence[str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    return seconds


def _export(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "sweep", *arguments]
    told: dict[str, Any] = json.loads(subprocess.check_output(command))
    return told


def split_of(study: StudyFile) -> tuple[float, int, int | None]:
    """Return the arguments of ``Images.split``."""
    return study.data.validation_fraction, study.data.split_seed, study.data.train_limit


def gflops(side: Side, split: tuple[float, int, int | None], images: Images) -> float:
    """Return 10^9 floating-point operations a second while sweep trained.

    10 DH for each training image (two products forward, three backward) and 4 DH for each
    validation image, every epoch.
    """
    n_train, n_validation = map(len, images.split(*split))
    n_inputs = images.shape.n_inputs
    operations: int = sum(
        trial["config"]["epochs"]
        * trial["config"]["hidden_width"]
        * n_inputs
        * (10 * n_train + 4 * n_validation)
        for trial in side.trials
    )
    seconds: float = sum(trial["train_seconds"] for trial in side.trials) / side.n_workers
    return operations / seconds / 1e9


def mm_gflops(least: float) -> float:
    """Return the speed of torch.mm on all cores, measured for at least this many seconds."""
    torch.set_num_threads(n_cores())
    images, weights = torch.rand(BATCH_SIZE, 784), torch.rand(784, 784)
    out = torch.empty(BATCH_SIZE, 784)
    n, begun = 0, time.perf_counter()
    while (seconds := time.perf_counter() - begun) < least:
        torch.mm(images, weights, out=out)
        n += 1
    return n * 2 * images.numel() * weights.shape[1] / seconds / 1e9


class ReorderedTrainer(ReferenceTrainer):
    """The reference trainer with the hidden units in another order."""

    def _step(self, spec: TrialSpec, seed: int) -> AutogradStep:
        step = super()._step(spec, seed)
        encoder, decoder = step.model.encoder, step.model.decoder
        order = torch.randperm(len(encoder.bias), generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            encoder.weight.copy_(encoder.weight[order])
            encoder.bias.copy_(encoder.bias[order])
            decoder.weight.copy_(decoder.weight[:, order])
        return step


def compare(
    study: StudyFile, images: Images, trials: Sequence[dict[str, Any]]
) -> dict[str, list[float]]:
    """Compare last validation errors with the reference trainer's: relative differences, by trial.

    Compares those of the study, and the reference trainer's with permuted hidden units.
    """
    torch.set_num_threads(n_cores())
    cpu = torch.device("cpu")
    data = DeviceData.of(images, split_of(study), cpu)
    expected = [_last_error(ReferenceTrainer(data, cpu), trial) for trial in trials]
    found = {
        "sweep": [trial["val_mse"] for trial in trials],
        "reordered": [_last_error(ReorderedTrainer(data, cpu), trial) for trial in trials],
    }
    return {
        trainer: [abs(1 - error / of) for error, of in zip(errors, expected, strict=True)]
        for trainer, errors in found.items()
    }


def _last_error(trainer: ReferenceTrainer, trial: dict[str, Any]) -> float:
    kinds = {name: type(value) for name, value in vars(TrialConfig()).items()}
    config = TrialConfig(**{name: kinds[name](value) for name, value in trial["config"].items()})
    spec = TrialSpec(number=trial["number"], attempt=1, config=config, seeds=tuple(trial["seeds"]))
    training = trainer.start(spec)
    while not training.finished:
        metrics = training.train_epoch()
    return float(statistics.fmean(seed.val_mse for seed in metrics))


def print_table(fields: dict[str, dict[str, Any]]) -> None:
    print("| field | trials | workers | plain | sweep | ratio | goal | training, GFLOP/s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, found in fields.items():
        speed = f"{found['gflops']:.0f}, {found['mm_share']:.2f} of torch.mm"
        seconds = f"{found['plain_seconds']:.1f} s | {found['sweep_seconds']:.1f} s"
        ratio = f"{found['ratio']:.2f} | {found['goal']:g}"
        print(
            f"| {name} | {found['n_trials']} | {found['n_workers']} | {seconds} | {ratio} | "
            f"{speed} |"
        )
        if len(found["rounds"]) > 1:
            for title, key in {"ratio": "ratio", "share of torch.mm": "mm_share"}.items():
                values = ", ".join(f"{of_round[key]:.2f}" for of_round in found["rounds"])
                print(f"{name}, {title} of each round: {values}")
        for trainer, differences in (found["differences"] or {}).items():
            n_near = sum(difference <= NEAR for difference in differences)
            print(
                f"{name}, {trainer}: {n_near} of {len(differences)} validation errors within "
                f"{NEAR:g} of the reference trainer's, all within {max(differences):.1e}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fields", nargs="+", choices=FIELDS, default=list(FIELDS))
    parser.add_argument(
        "--rounds", type=int, default=1, help="rounds of each field, both sides in turn"
    )
    parser.add_argument("--agree", action="store_true", help="compare with the reference trainer")
    parser.add_argument("--smoke", action="store_true", help="three tiny trials, for the tests")
    options = parser.parse_args()
    chosen = SMOKE if options.smoke else {name: FIELDS[name] for name in options.fields}
    fields = {name: measure(field, options.rounds, options.agree) for name, field in chosen.items()}
    print_table(fields)
    print(json.dumps({"benchmark": "plain", "cores": n_cores(), "fields": fields}))
    sys.exit(any(found["ratio"] < found["goal"] for found in fields.values()))


if __name__ == "__main__":
    main()
