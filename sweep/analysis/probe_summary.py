"""Judge how well codes predict the labels, beside PCA, random projections and the pixels.

Notation: p the share of n test images whose label a classifier tells (``trainer.probe``). Its
standard error is that of a binomial share, sqrt(p (1 - p) / n); with few labels, that and the
standard error of the mean over the draws of labels, added in squares. Two shares differ where they
lie more than twice the standard error of their difference apart. They are of the same images, which
makes that error smaller than it is taken for here. One network of a trial is probed, so none of
this holds the spread over the seeds of the autoencoder.
No classifier is chosen on the test images: the one that decides the verdict, and the read-out of
the chart, are those that do best from the pixels of the validation images.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import hypot, sqrt
from typing import Any, NamedTuple, Self

from pydantic import TypeAdapter

from sweep.messages import FeatureProbe, Probe, ProbeBaseline

#: A code is narrow below this share of the pixels.
_NARROW = 1 / 8
#: What keeps so much of what the pixels tell beyond the commonest class keeps most of it.
_MOST = 0.9
#: Standard errors of a difference up to which it may be chance.
_STANDARD_ERRORS = 2.0

_PROBE = TypeAdapter(Probe)


class CodeVerdict(StrEnum):
    """How well codes predict the labels, compared with the pixels."""

    NARROW = "a narrow code predicts the labels as well as the pixels"
    MOST = "a narrow code keeps most of what predicts the classes"
    WIDE = "only a wide code predicts the labels as well as the pixels"
    NONE = "no code predicts the labels as well as the pixels"


class Classifier(StrEnum):
    """Classifiers that learn from features: fields of ``messages.Accuracies``."""

    LINEAR = "linear"
    NEIGHBOURS = "neighbours"
    NETWORK = "network"


class FeatureKind(StrEnum):
    """What classifiers learn from: fields of ``ProbedTrial``."""

    CODE = "code"
    PCA = "pca"
    RANDOM = "random"
    PIXELS = "pixels"


class Accuracy(NamedTuple):
    """Share of the test images whose label is told right."""

    share: float
    standard_error: float


class Rating(StrEnum):
    """An accuracy beside another."""

    BETTER = "better"
    EQUAL = "equal"
    WORSE = "worse"


def compare(one: Accuracy, other: Accuracy) -> Rating:
    """Say how an accuracy stands beside another, as far as their standard errors tell."""
    difference = one.share - other.share
    if abs(difference) <= _STANDARD_ERRORS * hypot(one.standard_error, other.standard_error):
        return Rating.EQUAL
    return Rating.BETTER if difference > 0 else Rating.WORSE


@dataclass(frozen=True, kw_only=True)
class ProbedTrial:
    """A trial whose code was probed, and what it is compared with."""

    number: int
    hidden_width: int
    test_mse: float
    code: FeatureProbe
    #: The same from as many principal components, and from as many random projections.
    pca: FeatureProbe
    random: FeatureProbe
    pixels: FeatureProbe
    n_pixels: int
    n_test: int
    #: Share of the test images of the class that is commonest in training.
    commonest: float
    #: Places of the test images whose nearest images are kept.
    shown: tuple[int, ...]

    @classmethod
    def of(
        cls,
        number: int,
        hidden_width: int,
        test_mse: float,
        probe: Mapping[str, Any],
        baselines: Iterable[ProbeBaseline],
    ) -> Self | None:
        """Join ``messages.Probe`` as JSON with the baselines of its data.

        None where a baseline is missing.
        """
        found: Probe = _PROBE.validate_python(probe)
        by_width = {of.width: of for of in baselines}
        same_size = by_width.get(min(hidden_width, found.n_pixels))
        pixels = by_width.get(found.n_pixels)
        if same_size is None or pixels is None:
            return None
        return cls(
            number=number,
            hidden_width=hidden_width,
            test_mse=test_mse,
            pca=same_size.pca,
            random=same_size.random,
            pixels=pixels.pca,
            **vars(found),
        )

    def features(self, kind: FeatureKind) -> FeatureProbe:
        """Return what was measured of one kind of features."""
        found: FeatureProbe = getattr(self, kind)
        return found

    def accuracy(self, kind: FeatureKind, classifier: Classifier, *, few: bool = False) -> Accuracy:
        """Return a classifier's accuracy on the test images, with all labels or with few."""
        of = self.features(kind)
        share = getattr(of.few_labels if few else of.all_labels, classifier)
        spread = getattr(of.few_labels_std, classifier) / sqrt(of.n_draws) if few else 0.0
        return Accuracy(share, hypot(sqrt(share * (1 - share) / self.n_test), spread))


@dataclass(frozen=True, kw_only=True)
class ProbeSummary:
    """Accuracies of a study's probes and the verdict on them."""

    #: The best trial of each width, the narrowest first.
    best: tuple[ProbedTrial, ...]
    #: All that were probed, by width and number.
    trials: tuple[ProbedTrial, ...]
    #: The classifier that does best from the pixels of the validation images: the verdict is its.
    classifier: Classifier
    #: The better of those that are trained, by the same measure.
    readout: Classifier
    verdict: CodeVerdict
    #: The trial that the verdict is about: the narrowest of which it holds, or the one that
    #: predicts most labels of the validation images if no code predicts enough.
    shown: ProbedTrial
    #: The narrowest that predicts as many labels as the pixels; None where none does.
    as_good: ProbedTrial | None
    #: Trials that are better than all others of their width and are not analysed.
    unseen: tuple[int, ...] = ()

    @property
    def pixels(self) -> FeatureProbe:
        """The same for every trial."""
        return self.best[0].pixels

    def accuracy(self, of: ProbedTrial, kind: FeatureKind, *, few: bool = False) -> Accuracy:
        """Return the accuracy of the classifier that decides."""
        return of.accuracy(kind, self.classifier, few=few)

    def kept_share(self, of: ProbedTrial) -> float | None:
        """Return the share that a code keeps of what the pixels tell beyond the commonest class.

        None where the pixels tell no more.
        """
        return _kept_share(of, self.classifier)

    def beside(self, kind: FeatureKind) -> Counter[Rating]:
        """Count at how many widths the code is better, equal and worse than other features."""
        return Counter(
            compare(self.accuracy(of, FeatureKind.CODE), self.accuracy(of, kind))
            for of in self.best
        )


def summarise_probes(
    best: Sequence[ProbedTrial], trials: Sequence[ProbedTrial], unseen: Sequence[int] = ()
) -> ProbeSummary:
    """Summarise one trial or more; ``best`` are some of them, one a width, the narrowest first."""
    pixels = best[0].pixels
    classifier = _best_on_validation(pixels, Classifier)
    as_good = [of for of in best if _is_as_good(of, classifier)]
    most = [of for of in best if _is_narrow(of) and (_kept_share(of, classifier) or 0.0) >= _MOST]
    if as_good and _is_narrow(as_good[0]):
        verdict, shown = CodeVerdict.NARROW, as_good[0]
    elif most:
        verdict, shown = CodeVerdict.MOST, most[0]
    elif as_good:
        verdict, shown = CodeVerdict.WIDE, as_good[0]
    else:
        verdict = CodeVerdict.NONE
        shown = max(best, key=lambda of: getattr(of.code.validation, classifier))
    return ProbeSummary(
        best=tuple(best),
        trials=tuple(trials),
        classifier=classifier,
        readout=_best_on_validation(pixels, (Classifier.LINEAR, Classifier.NETWORK)),
        verdict=verdict,
        shown=shown,
        as_good=as_good[0] if as_good else None,
        unseen=tuple(unseen),
    )


def _best_on_validation(of: FeatureProbe, among: Iterable[Classifier]) -> Classifier:
    return max(among, key=lambda classifier: getattr(of.validation, classifier))


def _is_narrow(of: ProbedTrial) -> bool:
    return of.hidden_width <= _NARROW * of.n_pixels


def _is_as_good(of: ProbedTrial, classifier: Classifier) -> bool:
    code, pixels = (
        of.accuracy(kind, classifier) for kind in (FeatureKind.CODE, FeatureKind.PIXELS)
    )
    return compare(code, pixels) is not Rating.WORSE


def _kept_share(of: ProbedTrial, classifier: Classifier) -> float | None:
    code, pixels = (
        of.accuracy(kind, classifier).share - of.commonest
        for kind in (FeatureKind.CODE, FeatureKind.PIXELS)
    )
    return code / pixels if pixels > 0 else None
