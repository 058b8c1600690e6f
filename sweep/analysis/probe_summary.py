"""Is a code worth anything? What codes tell of the labels, beside PCA codes and the pixels.

Notation: p a share of n test images whose label is told right, by the better of the two classifiers
(``trainer.probe``). Two such shares of the same n images differ by chance by less than twice
sqrt(2 p (1 - p) / n), nearly always: that they are of the same images makes it less still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Any, Self

from sweep.catalogue.formats import percent

#: A code is narrow below this share of the pixels.
_NARROW = 1 / 8


class CodeVerdict(StrEnum):
    """How many labels codes tell, beside the pixels themselves."""

    NARROW = "a narrow code tells the labels as well as the pixels"
    WIDE = "only a wide code tells the labels as well as the pixels"
    NONE = "no code tells the labels as well as the pixels"


@dataclass(frozen=True, kw_only=True)
class ProbeAccuracy:
    """Shares of the test images whose label a classifier gets right."""

    linear: float
    neighbours: float

    @property
    def best(self) -> float:
        """Return the accuracy of the better classifier."""
        return max(self.linear, self.neighbours)


@dataclass(frozen=True, kw_only=True)
class ProbedTrial:
    """A trial whose code was probed."""

    number: int
    hidden_width: int
    test_mse: float
    code: ProbeAccuracy
    #: Of PCA with as many components.
    pca: ProbeAccuracy
    pixels: ProbeAccuracy
    n_pixels: int
    n_train: int
    n_test: int

    @classmethod
    def of(cls, number: int, hidden_width: int, test_mse: float, probe: Mapping[str, Any]) -> Self:
        """``probe`` is trial.Probe as JSON."""
        told = {name: ProbeAccuracy(**probe[name]) for name in ("code", "pca", "pixels")}
        return cls(
            number=number,
            hidden_width=hidden_width,
            test_mse=test_mse,
            **told,
            n_pixels=probe["n_pixels"],
            n_train=probe["n_train"],
            n_test=probe["n_test"],
        )


@dataclass(frozen=True, kw_only=True)
class ProbeSummary:
    """Accuracies of a study's probes and the verdict on them."""

    #: The best trial of each width, the narrowest first.
    best: tuple[ProbedTrial, ...]
    #: All that were probed, by width and number.
    trials: tuple[ProbedTrial, ...]
    #: The narrowest of the best that tells as many as the pixels, but for chance; where none does,
    #: the one that tells most.
    shown: ProbedTrial
    verdict: CodeVerdict
    #: The verdict in sentences, with the numbers.
    because: str
    #: Trials that are better than all others of their width and are not analysed.
    unseen: tuple[int, ...] = ()

    @property
    def pixels(self) -> ProbeAccuracy:
        """The same for every trial."""
        return self.best[0].pixels


def summarise_probes(
    best: Sequence[ProbedTrial], trials: Sequence[ProbedTrial], unseen: Sequence[int] = ()
) -> ProbeSummary:
    """Summarise one trial or more; ``best`` are some of them, one a width, the narrowest first."""
    pixels, margin = best[0].pixels.best, noise(best[0].pixels.best, best[0].n_test)
    enough = [of for of in best if of.code.best >= pixels - margin]
    shown = enough[0] if enough else max(best, key=lambda of: of.code.best)
    is_narrow = shown.hidden_width <= _NARROW * shown.n_pixels
    enough_for = CodeVerdict.NARROW if is_narrow else CodeVerdict.WIDE
    return ProbeSummary(
        best=tuple(best),
        trials=tuple(trials),
        shown=shown,
        verdict=enough_for if enough else CodeVerdict.NONE,
        because=" ".join([_said(shown, margin), _beside_pca(best), *_from_end_to_end(best)]),
        unseen=tuple(unseen),
    )


def noise(share: float, n: int) -> float:
    """Return by how much two shares of the same n images may differ by chance."""
    return 2 * sqrt(2 * share * (1 - share) / n)


def _said(shown: ProbedTrial, margin: float) -> str:
    return (
        f"The code of {shown.hidden_width} units (trial {shown.number}) tells "
        f"{percent(shown.code.best, 1)} of the test labels, the {shown.n_pixels} pixels "
        f"{percent(shown.pixels.best, 1)}; a difference of less than {percent(margin, 1)} may be "
        "chance."
    )


def _beside_pca(best: Sequence[ProbedTrial]) -> str:
    gains = [(of.code.best - of.pca.best, noise(of.pca.best, of.n_test)) for of in best]
    more = sum(gain > chance for gain, chance in gains)
    less = sum(-gain > chance for gain, chance in gains)
    if not more and not less:
        return "Beside PCA codes of the same size it is neither better nor worse than by chance."
    return (
        f"Beside PCA codes of the same size it is better at {more} of {len(best)} "
        f"{'width' if len(best) == 1 else 'widths'} and worse at {less}."
    )


def _from_end_to_end(best: Sequence[ProbedTrial]) -> list[str]:
    """Compare the narrowest and the widest network; no sentence where there is only one width."""
    first, last = best[0], best[-1]
    if first is last or not 0 < last.test_mse < first.test_mse:
        return []
    return [
        f"From {first.hidden_width} to {last.hidden_width} units the error falls "
        f"{first.test_mse / last.test_mse:.2g}-fold, and the labels told go from "
        f"{percent(first.code.best, 1)} to {percent(last.code.best, 1)}."
    ]
