"""Compare tpe with Optuna's TPESampler: how long an ask takes, and how well they search.

   python -m benchmarks.sampling              # the time of an ask
   python -m benchmarks.sampling --regret found.jsonl    # and the search

The search takes 15 minutes on two idle cores; searches whose results are in the file are not
repeated.

An ask is ``study.ask()`` and suggesting every parameter, 64 trials at a time, in a study in memory.
The search minimises functions of known minimum; regret is the best trial's distance above the
minimum. Optuna's sampler is made as ``optuna.samplers.TPESampler()`` makes it. The last line of the
output is JSON.
"""

import argparse
import gc
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers._tpe import _truncnorm
from optuna.trial import TrialState
from scipy.special import log_ndtr
from scipy.stats import mannwhitneyu

from sweep.enums import Sampler
from sweep.search import distributions, make_sampler, quiet_optuna, suggest_config
from sweep.search.tpe import TPE
from sweep.studyfile import StudyFile, loads

N_ASKS = 64
SIZES = (1_000, 10_000)
#: What every trial has; then with settings that depend on a choice.
FLAT = """
hidden_width = { low = 8, high = 1024, log = true }
activation = { choices = ["relu", "gelu", "tanh", "sigmoid"] }
loss = { choices = ["mse", "l1", "huber"] }
epochs = { low = 1, high = 20 }
learning_rate = { low = 1e-5, high = 1e-1, log = true }
"""
CONDITIONAL = """
hidden_width = { low = 8, high = 1024, log = true }
activation = { choices = ["relu", "gelu", "tanh", "sigmoid"] }
epochs = { low = 1, high = 20 }

[space.optimizer]
choices = ["adam", "rmsprop", "sgd"]
when.rmsprop.learning_rate = { low = 1e-5, high = 1e-1, log = true }

[space.optimizer.when.adam]
learning_rate = { low = 1e-5, high = 1e-1, log = true }
beta1 = { low = 0.5, high = 0.99 }

[space.optimizer.when.sgd]
learning_rate = { low = 1e-2, high = 1e2, log = true }
momentum = { low = 0.0, high = 0.99 }
"""

Params = Mapping[str, Any]


# --- the time of an ask ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AskTime:
    """Times of both samplers for one space and number of finished trials, measured alternately."""

    space: str
    n_finished: int
    sweep_ms: float
    optuna_ms: float

    @property
    def ratio(self) -> float:
        """Return how many times as long Optuna's ask takes."""
        return self.optuna_ms / self.sweep_ms


def ask_time(space: str, n_finished: int, n_asks: int = N_ASKS) -> AskTime:
    """Measure the milliseconds per ask in populations of ``n_asks``."""
    text = {"flat": FLAT, "conditional": CONDITIONAL}[space]
    return AskTime(
        space=space,
        n_finished=n_finished,
        sweep_ms=ask_milliseconds(Sampler.TPE, text, n_finished, n_asks),
        optuna_ms=ask_milliseconds(Sampler.OPTUNA_TPE, text, n_finished, n_asks),
    )


def ask_milliseconds(sampler: Sampler, space: str, n_finished: int, n_asks: int) -> float:
    """Time the asks of one population, after a first population was asked for and told."""
    study_file = make_study_file(space, sampler, seed=0)
    study = make_study(study_file, asks_per_fit=n_asks)
    # Optuna caches nothing between asks, so one ask warms it up as well as all of them.
    n_warm = n_asks if sampler is Sampler.TPE else 1
    study.add_trials(random_trials(study_file, max(0, n_finished - n_warm)))
    _tell(study, [_ask(study, study_file) for _ in range(n_warm)], lambda _: 1.0)
    gc.collect()
    begin = time.perf_counter()
    for _ in range(n_asks):
        _ask(study, study_file)
    return (time.perf_counter() - begin) * 1e3 / n_asks


def make_study_file(space: str, sampler: Sampler, seed: int) -> StudyFile:
    """Return a study file with this space and sampler."""
    text = f'study.name = "sampling"\nbudget.trials = 1\n[space]\n{space}'
    return loads(text, "sampling.toml", [f"sampler.name={sampler}", f"study.seed={seed}"])


def make_study(study_file: StudyFile, asks_per_fit: int) -> optuna.Study:
    """Create an empty study in memory."""
    quiet_optuna()
    sampler = make_sampler(study_file, 0)
    if isinstance(sampler, TPE):
        sampler.asks_per_fit = asks_per_fit
    return optuna.create_study(sampler=sampler)


def random_trials(study_file: StudyFile, n: int) -> list[optuna.trial.FrozenTrial]:
    """Return finished trials at random points; one in ten was pruned."""
    rng = np.random.default_rng(0)
    found = []
    for value in rng.random(n):
        params = _random_params(study_file, rng)
        found.append(
            optuna.trial.create_trial(
                state=TrialState.PRUNED if value > 0.9 else TrialState.COMPLETE,
                value=float(value),
                params=params,
                distributions={
                    n: d for n, d in distributions(study_file.space).items() if n in params
                },
                intermediate_values={1: float(value)},
            )
        )
    return found


def _random_params(study_file: StudyFile, rng: np.random.Generator) -> dict[str, Any]:
    random = optuna.samplers.RandomSampler(seed=int(rng.integers(2**31)))
    return _ask(optuna.create_study(sampler=random), study_file).params


def _ask(study: optuna.Study, study_file: StudyFile) -> optuna.Trial:
    trial = study.ask()
    suggest_config(trial, study_file)
    return trial


def _tell(
    study: optuna.Study, trials: Sequence[optuna.Trial], value: Callable[[Params], float]
) -> None:
    for trial in trials:
        study.tell(trial, value(trial.params))


# --- the search -----------------------------------------------------------------------------


def errors_of_training(params: Params) -> float:
    """Evaluate a bowl like an autoencoder's error: the best learning rate falls with the width."""
    width = math.log2(params["hidden_width"] / 208)
    shape = 0.02 * width**2 + 0.002 * (params["epochs"] - 14) ** 2
    shape += {"relu": 0.0, "gelu": 0.03, "tanh": 0.1, "sigmoid": 0.3}[params["activation"]]
    optimizer = params["optimizer"]
    best = {"adam": 1e-3, "rmsprop": 3e-4, "sgd": 3.0}[optimizer]
    rate = math.log10(params[f"{optimizer}.learning_rate"] / best) + 0.15 * width
    if optimizer == "adam":
        return shape + 0.1 * rate**2 + (params["adam.beta1"] - 0.9) ** 2
    if optimizer == "sgd":
        return shape + 0.05 + 0.2 * rate**2 + (params["sgd.momentum"] - 0.8) ** 2
    return shape + 0.02 + 0.1 * rate**2


def coupled_settings(params: Params) -> float:
    """Evaluate a bowl in which each optimizer's best learning rate depends on its momentum."""
    shape = 0.02 * math.log2(params["hidden_width"] / 208) ** 2
    shape += 0.002 * (params["epochs"] - 14) ** 2
    shape += {"relu": 0.0, "gelu": 0.03, "tanh": 0.1, "sigmoid": 0.3}[params["activation"]]
    optimizer = params["optimizer"]
    rate = math.log10(params[f"{optimizer}.learning_rate"])
    if optimizer == "adam":
        beta = params["adam.beta1"]
        return shape + 0.3 * (rate + 2.4 + 6 * (beta - 0.8)) ** 2 + 0.2 * (beta - 0.8) ** 2
    if optimizer == "sgd":
        rest = 1 - params["sgd.momentum"]
        return shape + 0.01 + 0.3 * (rate - math.log10(rest) - 1) ** 2 + 0.05 * (rest - 0.1) ** 2
    return shape + 0.2 + 0.1 * (rate + 3.5) ** 2


def two_landscapes(params: Params) -> float:
    """Evaluate Branin under one choice and the six-hump camel under another."""
    width = 0.1 * math.log2(params["hidden_width"] / 64) ** 2
    shape = width + {"relu": 0.2, "gelu": 0.0, "tanh": 0.5, "sigmoid": 1.0}[params["activation"]]
    shape += 0.01 * abs(params["epochs"] - 5)
    optimizer = params["optimizer"]
    rate = params[f"{optimizer}.learning_rate"]
    if optimizer == "adam":
        return shape + _branin(
            15 * (math.log10(rate) + 5) / 4 - 5, 15 * (params["adam.beta1"] - 0.5) / 0.49
        )
    if optimizer == "sgd":
        return shape + 0.1 + _camel(math.log10(rate), 2 * params["sgd.momentum"] / 0.99 - 1)
    return shape + 1.0 + abs(math.log10(rate) + 3)


def ackley(params: Params) -> float:
    """Evaluate Ackley's function of integers and reals: one minimum among many shallow ones."""
    z = [
        math.log2(params["hidden_width"] / 128),
        2 * math.log10(params["learning_rate"] / 1e-3),
        2 * math.log10(params["eps"] / 1e-7),
        (params["epochs"] - 13) / 4,
        params["huber.huber_delta"] * 4 - 2 if params["loss"] == "huber" else 1.5,
    ]
    return _ackley(z) + {"mse": 0.5, "l1": 1.0, "huber": 0.0}[params["loss"]]


def valley(params: Params) -> float:
    """Evaluate Rosenbrock's valley of width and learning rate, moved by a choice."""
    x = math.log2(params["hidden_width"] / 64) / 2
    moved = {32: -0.5, 64: 0.0, 128: 0.5, 256: 1.0}[params["batch_size"]]
    y = 2 * math.log10(params["learning_rate"] / 1e-3) + moved
    warmup = 0.3
    if params["lr_schedule"] == "linear_warmup":
        warmup = 0.02 * abs(params["linear_warmup.warmup_epochs"] - 3)
    return (x - 1) ** 2 + 5 * (y - x**2) ** 2 + warmup + 0.2 * abs(moved - 0.5)


def _branin(x: float, y: float) -> float:
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.39788735772973816


def _camel(x: float, y: float) -> float:
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2 + 1.0316284534898774


def _ackley(z: Sequence[float]) -> float:
    squares, waves = np.mean(np.square(z)), np.mean(np.cos(2 * math.pi * np.array(z)))
    return float(20 + math.e - 20 * np.exp(-0.2 * np.sqrt(squares)) - np.exp(waves))


ACKLEY = """
hidden_width = { low = 8, high = 1024, log = true }
learning_rate = { low = 1e-5, high = 1e-1, log = true }
eps = { low = 1e-9, high = 1e-5, log = true }
epochs = { low = 1, high = 40 }

[space.loss]
choices = ["mse", "l1", "huber"]
when.huber.huber_delta = { low = 0.01, high = 1.0 }
"""
VALLEY = """
hidden_width = { low = 8, high = 1024, log = true }
learning_rate = { low = 1e-5, high = 1e-1, log = true }
batch_size = { choices = [32, 64, 128, 256] }

[space.lr_schedule]
choices = ["constant", "cosine", "linear_warmup"]
when.linear_warmup.warmup_epochs = { low = 1, high = 10 }
"""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A function to minimise over a study file's space; its minimum is 0."""

    space: str
    value: Callable[[Params], float]


PROBLEMS: Mapping[str, Problem] = {
    "training": Problem(space=CONDITIONAL, value=errors_of_training),
    "coupled": Problem(space=CONDITIONAL, value=coupled_settings),
    "landscapes": Problem(space=CONDITIONAL, value=two_landscapes),
    "ackley": Problem(space=ACKLEY, value=ackley),
    "valley": Problem(space=VALLEY, value=valley),
}


@dataclass(frozen=True, kw_only=True)
class Search:
    """One study of the comparison."""

    problem: str
    sampler: Sampler
    #: Number of trials asked for before any of them is told.
    at_once: int
    seed: int
    n_trials: int

    def regret(self) -> float:
        """Return the distance of the best trial above the minimum."""
        # Optuna spends two thirds of its time in a loop over scalars that scipy does in one call,
        # with the same result; the loop matters only when asks are timed.
        if self.sampler is Sampler.OPTUNA_TPE:
            _truncnorm._log_ndtr = log_ndtr
        problem = PROBLEMS[self.problem]
        study_file = make_study_file(problem.space, self.sampler, self.seed)
        study = make_study(study_file, asks_per_fit=self.at_once)
        for first in range(0, self.n_trials, self.at_once):
            n = min(self.at_once, self.n_trials - first)
            _tell(study, [_ask(study, study_file) for _ in range(n)], problem.value)
        return study.best_value


@dataclass(frozen=True, kw_only=True)
class Regrets:
    """Median and quartiles of each side over the seeds."""

    problem: str
    at_once: int
    sweep: tuple[float, float, float]
    optuna: tuple[float, float, float]
    random: tuple[float, float, float]
    #: Two-sided Mann-Whitney test of the two sides: probability of such a difference by chance.
    p_value: float

    @property
    def within_spread(self) -> bool:
        """Return whether our median is not above Optuna's upper quartile."""
        return self.sweep[1] <= self.optuna[2]


def compare_regrets(
    problems: Sequence[str],
    n_seeds: int,
    n_trials: int,
    at_once: Sequence[int],
    jobs: int,
    results: Path,
) -> list[Regrets]:
    """Run every problem with every sampler and seed in parallel processes.

    ``results`` is a file of finished searches, one on each line; the others are run and appended.
    """
    sides = (Sampler.TPE, Sampler.OPTUNA_TPE, Sampler.RANDOM)
    searches = [
        Search(problem=problem, sampler=sampler, at_once=n, seed=seed, n_trials=n_trials)
        for problem in problems
        for n in at_once
        for sampler in sides
        for seed in range(n_seeds)
    ]
    known = _read_results(results)
    found = {search: known[search] for search in searches if search in known}
    missing = [search for search in searches if search not in known]
    with ProcessPoolExecutor(jobs) as pool, results.open("a") as lines:
        for search, regret in zip(missing, pool.map(Search.regret, missing), strict=True):
            found[search] = regret
            print(json.dumps(asdict(search) | {"regret": regret}), file=lines, flush=True)
    return [
        _regrets(problem, n, {side: _of(found, problem, n, side) for side in sides})
        for problem in problems
        for n in at_once
    ]


def _read_results(path: Path) -> dict[Search, float]:
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        fields = json.loads(line)
        regret = fields.pop("regret")
        found[Search(**fields | {"sampler": Sampler(fields["sampler"])})] = regret
    return found


def _of(found: Mapping[Search, float], problem: str, at_once: int, side: Sampler) -> list[float]:
    wanted = (problem, at_once, side)
    return [v for s, v in found.items() if (s.problem, s.at_once, s.sampler) == wanted]


def _regrets(problem: str, at_once: int, of: Mapping[Sampler, list[float]]) -> Regrets:
    return Regrets(
        problem=problem,
        at_once=at_once,
        sweep=_quartiles(of[Sampler.TPE]),
        optuna=_quartiles(of[Sampler.OPTUNA_TPE]),
        random=_quartiles(of[Sampler.RANDOM]),
        p_value=float(mannwhitneyu(of[Sampler.TPE], of[Sampler.OPTUNA_TPE]).pvalue),
    )


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return low, median, high


# --- the command ----------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="finished trials")
    parser.add_argument("--asks", type=int, default=N_ASKS, help="trials asked for at once")
    parser.add_argument(
        "--regret", type=Path, metavar="FILE", help="compare the search too; keeps what it found"
    )
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2, help="processes of the search")
    options = parser.parse_args()
    times = [
        ask_time(space, n, options.asks) for space in ("flat", "conditional") for n in options.sizes
    ]
    for t in times:
        print(
            f"ask, {t.space} space, {t.n_finished:,} finished, {options.asks} at once: "
            f"sweep {t.sweep_ms:.2f} ms, optuna {t.optuna_ms:.1f} ms, ratio {t.ratio:.0f}"
        )
    regrets = []
    if options.regret:
        at_once = (1, options.asks)
        regrets = compare_regrets(
            options.problems, options.seeds, options.trials, at_once, options.jobs, options.regret
        )
        _print_regrets(regrets, options.trials, options.seeds)
    print(
        json.dumps(
            {
                "ask": [asdict(t) | {"ratio": t.ratio} for t in times],
                "regret": [asdict(r) | {"within_spread": r.within_spread} for r in regrets],
            }
        )
    )


def _print_regrets(regrets: Sequence[Regrets], n_trials: int, n_seeds: int) -> None:
    print(f"\nregret after {n_trials} trials over {n_seeds} seeds: median (quartiles)")
    for r in regrets:
        sides = ((name, getattr(r, name)) for name in ("sweep", "optuna", "random"))
        texts = (f"{name} {q[1]:.4f} ({q[0]:.4f} - {q[2]:.4f})" for name, q in sides)
        verdict = "within optuna's spread" if r.within_spread else "ABOVE optuna's spread"
        print(
            f"{r.problem}, {r.at_once} at once: {', '.join(texts)}; {verdict}, p = {r.p_value:.2f}"
        )


if __name__ == "__main__":
    main()
