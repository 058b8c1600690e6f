"""Count how often the width law is right about studies whose law is known.

   python -m benchmarks.width_law

The studies are planted: widths, a law E_inf + A H^-alpha, and errors that scatter about it, evenly
or as the best of several trials do, with more and larger deviations above it than below. For each
kind of study the benchmark counts how many 90 % intervals contain the true E_inf, alpha, knee and
gain from doubling the widest layer, and how many verdicts are right: plateau or still falling,
according to the true gain; too few widths; no law if the scatter is as large as the errors. For the
knee it counts the studies that have one. Seeds begin at 1,000,000, which no test uses. The last
line of the output is JSON.
"""

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.width_law import PLATEAU, Interval, Law, WidthErrors, WidthVerdict, width_law

FIRST_SEED = 1_000_000

Errors = NDArray[np.float64]
Noise = Callable[[np.random.Generator, Errors], Errors]


class Planted(NamedTuple):
    """True values of a planted study."""

    e_inf: float
    a: float
    alpha: float

    def at(self, widths: Any) -> Any:
        return self.e_inf + self.a * np.asarray(widths, dtype=np.float64) ** -self.alpha

    @property
    def knee(self) -> float:
        return (self.a / self.e_inf) ** (1 / self.alpha) if self.e_inf else math.inf

    def gain(self, widest: float) -> float:
        """Return the relative decrease of the error at twice the widest layer."""
        return float(1 - self.at(2 * widest) / self.at(widest))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind of study."""

    name: str
    law: Planted
    widths: tuple[float, ...]
    noise: Noise
    #: Verdict if the errors are made to follow no law.
    without_law: WidthVerdict | None = None

    @property
    def verdict(self) -> WidthVerdict:
        """Return the right verdict."""
        if len(self.widths) < 5 or self.widths[-1] < 8 * self.widths[0]:
            return WidthVerdict.TOO_FEW
        if self.without_law:
            return self.without_law
        return WidthVerdict.PLATEAU if self.gain < PLATEAU else WidthVerdict.FALLING

    @property
    def gain(self) -> float:
        return self.law.gain(self.widths[-1])


def even(spread: float) -> Noise:
    """Log-normal errors about the law."""
    return lambda random, exact: exact * np.exp(spread * random.normal(size=len(exact)))


def draw_skewed(spread: float) -> Noise:
    """Errors with the law as mean of their logarithm, and a long tail above it only."""
    return lambda random, exact: (
        exact * np.exp(spread * (random.exponential(size=len(exact)) - 1.0))
    )


def bent(spread: float) -> Noise:
    """Errors about a law that falls ever faster."""
    return lambda random, exact: even(spread)(
        random, exact * np.exp(-0.1 * np.log(exact / exact[0]) ** 2)
    )


OCTAVES = tuple(8.0 * 2**power for power in range(8))
BENT, FLAT = Planted(0.004, 0.2, 0.9), Planted(0.01, 0.3, 1.2)
STRAIGHT, NEARLY = Planted(0.0, 0.5, 0.5), Planted(0.002, 0.5, 0.6)

CASES = (
    Case(name="plateau, 8 widths, 5 %", law=BENT, widths=OCTAVES, noise=even(0.05)),
    Case(name="plateau, 8 widths, 15 %", law=BENT, widths=OCTAVES, noise=even(0.15)),
    Case(name="plateau, 5 widths, 5 %", law=FLAT, widths=OCTAVES[1:6], noise=even(0.05)),
    Case(name="plateau, 15 widths, 10 %", law=BENT, widths=tuple(np.geomspace(8, 1024, 15)),
         noise=even(0.1)),
    Case(name="plateau, skewed 10 %", law=BENT, widths=OCTAVES, noise=draw_skewed(0.1)),
    Case(name="falling, no floor, 5 %", law=STRAIGHT, widths=OCTAVES, noise=even(0.05)),
    Case(name="falling, no floor, 15 %", law=STRAIGHT, widths=OCTAVES, noise=even(0.15)),
    Case(name="falling, far floor, 5 %", law=NEARLY, widths=OCTAVES, noise=even(0.05)),
    Case(name="falling, skewed 10 %", law=NEARLY, widths=OCTAVES, noise=draw_skewed(0.1)),
    Case(name="no law: 100 %", law=BENT, widths=OCTAVES, noise=even(1.0),
         without_law=WidthVerdict.SCATTERED),
    Case(name="another law: bent, 2 %", law=STRAIGHT, widths=OCTAVES, noise=bent(0.02),
         without_law=WidthVerdict.BENT),
    Case(name="too few: 4 widths", law=BENT, widths=OCTAVES[::2], noise=even(0.05)),
    Case(name="too few: 8 close widths", law=BENT, widths=tuple(np.geomspace(64, 256, 8)),
         noise=even(0.05)),
)  # fmt: skip


class Outcome(NamedTuple):
    """Shares of a case's studies."""

    case: str
    true_gain: float
    verdict_right: float
    #: None if there is no law.
    held: dict[str, float] | None


def run(case: Case, n_studies: int, first_seed: int) -> Outcome:
    """Plant studies and analyse each like a user's."""
    found = []
    for seed in range(first_seed, first_seed + n_studies):
        exact = case.law.at(case.widths)
        best = case.noise(np.random.default_rng(seed), exact)
        found.append(width_law(_errors(case.widths, best)))
    held = [_contains_truth(of.law, case) for of in found if of.law is not None]
    return Outcome(
        case=case.name,
        true_gain=case.gain,
        verdict_right=sum(of.verdict is case.verdict for of in found) / n_studies,
        held=_shares(held) if held else None,
    )


def _shares(held: list[dict[str, bool]]) -> dict[str, float]:
    told = {
        key: [of[key] for of in held if key in of] for key in ("e_inf", "alpha", "knee", "gain")
    }
    return {key: sum(of) / len(of) for key, of in told.items() if of}


def _errors(widths: tuple[float, ...], best: Errors) -> WidthErrors:
    ones = np.ones(len(widths), dtype=np.int64)
    return WidthErrors(
        widths=np.array(widths), n_trials=ones, numbers=ones, best=best, median=best, low=best,
        high=best,
    )  # fmt: skip


def _contains_truth(law: Law, case: Case) -> dict[str, bool]:
    truth = case.law
    held = {
        "e_inf": _within(truth.e_inf, law.e_inf),
        "alpha": _within(truth.alpha, law.alpha),
        "gain": _within(case.gain, law.gain_of_doubling),
    }
    return held if law.knee is None else held | {"knee": _within(truth.knee, law.knee)}


def _within(value: float, interval: Interval) -> bool:
    return interval.low <= value <= interval.high


def main() -> None:
    """Run every case and print its shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200, help="studies of each kind")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    chosen = parser.parse_args()
    print(f"{'studies':26}{'true gain':>10}{'verdict':>9}   intervals that hold the truth")
    outcomes = []
    for case in CASES:
        of = run(case, chosen.studies, chosen.first_seed)
        outcomes.append(of)
        held = "  ".join(f"{key} {share:.1%}" for key, share in (of.held or {}).items())
        print(f"{of.case:26}{of.true_gain:>10.1%}{of.verdict_right:>9.1%}   {held}", flush=True)
    print(json.dumps({"studies": chosen.studies, "cases": [of._asdict() for of in outcomes]}))


if __name__ == "__main__":
    main()
