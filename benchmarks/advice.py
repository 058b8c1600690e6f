"""Count how often a study's advice is right about studies whose truth is known.

   python -m benchmarks.advice

The studies are planted (``tests.support.planted``): an optimum inside a range, near its end or
beyond it; settings without effect; trials whose error still falls; widths too close for a law.
``random`` and ``tpe`` draw the trials. For each kind of advice the benchmark counts studies that
deserve it and got it (right), that deserve it and did not get it (missed), and that got it but
deserve the opposite (wrong). Advice that is neither deserved nor wrong, such as widening a range
whose optimum lies exactly at its end, is not counted. Seeds begin at 1,000,000, which no test uses.
The last line of the output is JSON.
"""

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sweep.analysis.best_region import NO_EFFECT
from sweep.analysis.study_reader import StudyReader
from sweep.analysis.width_law import WidthVerdict
from sweep.findings.advice import Advice, AdviceKind
from sweep.findings.study import StudyFindings, gather_study
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from sweep.store.records import Domain
from tests.support.planted import SPACE, Drawn, Plant, bowl, domains_of, draw, slope, store

FIRST_SEED = 1_000_000
SAMPLERS = ("random", "tpe")
SIZES = (60, 150)
NOISES = (0.03, 0.1)

_TERMS = {
    "hidden_width": slope(0.8),
    "activation": {"relu": 0.3, "gelu": 0.0, "tanh": 0.15},
    "batch_size": slope(-0.3),
}
_NARROW = SPACE.replace("low = 16, high = 512", "low = 128, high = 512")
PLANTS: Mapping[str, Plant] = {
    "optimum inside": Plant(terms={**_TERMS, "learning_rate": bowl(0.5, 6.0)}),
    "optimum near the end": Plant(terms={**_TERMS, "learning_rate": bowl(0.88, 6.0)}),
    "optimum beyond the end": Plant(terms={**_TERMS, "learning_rate": bowl(1.3, 4.0)}),
    "optimum below the range": Plant(terms={**_TERMS, "learning_rate": bowl(-0.2, 3.0)}),
    "nothing has an effect": Plant(terms={}),
    "too few epochs": Plant(terms={**_TERMS, "learning_rate": bowl(0.5, 6.0)}, fall_per_epoch=0.15),
    "widths too close": Plant(terms={**_TERMS, "learning_rate": bowl(0.5, 6.0)}, space=_NARROW),
}
#: Changes of the log error over a range: beyond an end that is too tight, and beyond one that is
#: not.
_FALLS, _RISES = -0.2, 0.0
#: Distances above the lowest error of the space that are near it and far from it.
_NEAR, _FAR = 0.1, 0.2
#: Standard deviations of the difference of two errors beyond which seeds distinguish them.
_TELLABLE = 3.0


class Verdicts(NamedTuple):
    """Verdicts on one kind of advice: each name is one piece of advice."""

    deserved: set[str]
    wrong: set[str]
    given: set[str]


def judge(
    plant: Plant, drawn: Drawn, found: StudyFindings
) -> Iterator[tuple[AdviceKind, Verdicts]]:
    """Compare the advice with the truth, kind by kind."""
    domains = domains_of(drawn.study_file)
    by_kind: dict[AdviceKind, list[Advice]] = defaultdict(list)
    for advice in found.advice:
        by_kind[advice.kind].append(advice)
    yield AdviceKind.WIDEN, _widen(plant, domains, by_kind[AdviceKind.WIDEN])
    yield AdviceKind.FIX, _fix(plant, domains, by_kind[AdviceKind.FIX])
    yield AdviceKind.NARROW, _narrow(plant, domains, by_kind[AdviceKind.NARROW])
    is_short, is_settled = plant.fall_per_epoch > 0.03, plant.fall_per_epoch < 0.01
    yield AdviceKind.MORE_EPOCHS, _one(is_short, is_settled, by_kind[AdviceKind.MORE_EPOCHS])
    is_narrow = found.width.verdict is WidthVerdict.TOO_FEW
    yield AdviceKind.MORE_WIDTHS, _one(is_narrow, not is_narrow, by_kind[AdviceKind.MORE_WIDTHS])
    above = _above_optimum(plant, domains, drawn)
    near, far = above < _NEAR, above > _FAR
    yield AdviceKind.CONVERGED, _one(near, far, by_kind[AdviceKind.CONVERGED])
    yield AdviceKind.MORE_TRIALS, _one(far, near, by_kind[AdviceKind.MORE_TRIALS])
    gap = _gap(plant, domains, drawn)
    tied = gap < plant.noise * math.sqrt(2)
    told = gap > _TELLABLE * plant.noise * math.sqrt(2)
    yield AdviceKind.MORE_SEEDS, _one(tied, told, by_kind[AdviceKind.MORE_SEEDS])


def _one(deserved: bool, wrong: bool, given: list[Advice]) -> Verdicts:
    name = {"it"}
    return Verdicts(name if deserved else set(), name if wrong else set(), name if given else set())


def _widen(plant: Plant, domains: Mapping[str, Domain], given: list[Advice]) -> Verdicts:
    ends = {
        f"{name} {end}": plant.outward_slope(name, domain, end == "high")
        for name, domain in domains.items()
        for end in ("low", "high")
    }
    return Verdicts(
        {end for end, of in ends.items() if of < _FALLS},
        {end for end, of in ends.items() if of >= _RISES},
        {f"{of.evidence['param']} {of.evidence['end']}" for of in given},
    )


def _fix(plant: Plant, domains: Mapping[str, Domain], given: list[Advice]) -> Verdicts:
    effects = {name: plant.effect(name, domain) for name, domain in domains.items()}
    return Verdicts(
        {name for name, of in effects.items() if of == 0},
        {name for name, of in effects.items() if of > math.log(NO_EFFECT)},
        {change.param for advice in given for change in advice.changes},
    )


def _narrow(plant: Plant, domains: Mapping[str, Domain], given: list[Advice]) -> Verdicts:
    """Judge advice to narrow a range: never deserved, and wrong if it excludes the optimum."""
    parts = {change.param: change.to for advice in given for change in advice.changes}
    wrong = {
        name for name, to in parts.items() if not _holds(to, plant.best_value(name, domains[name]))
    }
    wrong |= {name for name in parts if plant.effect(name, domains[name]) == 0}
    return Verdicts({*parts} - wrong, wrong, {*parts})


def _holds(to: Mapping[str, Any], best: Any) -> bool:
    if "choices" in to:
        return best in to["choices"]
    return bool(to["low"] <= best <= to["high"])


def _above_optimum(plant: Plant, domains: Mapping[str, Domain], drawn: Drawn) -> float:
    """Return the relative excess of the best trial's true error over the lowest of the space."""
    best = min(range(len(drawn.errors)), key=drawn.errors.__getitem__)
    lowest = math.log(0.01) + sum(
        plant.term(name, domains[name], plant.best_value(name, domains[name]))
        for name in plant.terms
    )
    return math.exp(plant.log_error(drawn.configs[best], domains) - lowest) - 1


def _gap(plant: Plant, domains: Mapping[str, Domain], drawn: Drawn) -> float:
    """Return the difference of the two best trials' true log errors."""
    first, second = sorted(range(len(drawn.errors)), key=drawn.errors.__getitem__)[:2]
    errors = [plant.log_error(drawn.configs[of], domains) for of in (first, second)]
    return abs(errors[0] - errors[1])


def run(
    engine: Engine, plant: Plant, sampler: str, n_trials: int, seed: int
) -> dict[AdviceKind, Counter[str]]:
    """Plant one study and count its advice."""
    drawn = draw(plant, sampler, n_trials, seed, f"{sampler}-{n_trials}-{seed}")
    store(engine, drawn, plant)
    study = open_study(engine, drawn.study_file.study.name)
    found = gather_study(StudyReader(study, lambda _: None), in_short=True)
    counts = {}
    for kind, of in judge(plant, drawn, found):
        counts[kind] = Counter(
            right=len(of.given & of.deserved),
            missed=len(of.deserved - of.given),
            wrong=len(of.given & of.wrong),
            could_be_wrong=len(of.wrong) if kind is not AdviceKind.NARROW else len(of.given),
        )
    return counts


def main() -> None:
    """Plant studies; print how often each kind of advice was right, missed and wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument(
        "--studies", type=int, default=10, help="studies of each kind, sampler and size"
    )
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    chosen = parser.parse_args()
    began = time.perf_counter()
    whole: dict[str, dict[AdviceKind, Counter[str]]] = {}
    with TemporaryDirectory() as folder:
        for place, (name, base) in enumerate(PLANTS.items()):
            for noise in NOISES:
                plant = replace(base, noise=noise)
                # A separate database: queries stay as fast as in a user's.
                engine = open_store(f"sqlite:///{Path(folder)}/{place}-{noise}.db", create=True)
                for sampler in SAMPLERS:
                    for size in SIZES:
                        for seed in range(chosen.first_seed, chosen.first_seed + chosen.studies):
                            counts = run(engine, plant, sampler, size, seed)
                            for kind, of in counts.items():
                                by_kind = whole.setdefault(sampler, {})
                                by_kind[kind] = by_kind.get(kind, Counter()) + of
                engine.dispose()
            print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    print(f"{'sampler':8}{'advice':14}{'right':>7}{'missed':>8}{'wrong':>7} of those that it")
    for sampler, by_kind in whole.items():
        for kind, of in by_kind.items():
            print(
                f"{sampler:8}{kind:14}{of['right']:>7}{of['missed']:>8}{of['wrong']:>7}"
                f" of {of['could_be_wrong']}"
            )
    print(json.dumps({"studies": chosen.studies, "advice": whole}))


if __name__ == "__main__":
    main()
