"""How well a code predicts the labels, which training never sees: accuracies of three classifiers.

Notation: N labelled training images, H features of each (hidden units, principal components, random
projections or pixels), C classes, R classifiers of a kind, each of its own n images. ``linear`` is
softmax regression, the linear probe of Alain and Bengio (2017, "Understanding intermediate layers
using linear classifier probes"); ``network`` has a hidden layer of HIDDEN_UNITS ReLU units. Both
minimise cross-entropy with Adam on standardised features, and are taken from the step at which they
do best on the validation images. ``neighbours`` is the vote of the k nearest training images (Cover
and Hart 1967), with the k that does best on the validation images. Test images are measured when
all of that is chosen; no function that makes a classifier has them.

Each classifier learns from all training labels, and from each of N_DRAWS draws of N_FEW of them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice, pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sweep.messages import Accuracies, FeatureProbe, Probe, ProbeBaseline
from sweep.trainer.data import DeviceData, as_floats, batches
from sweep.trainer.decomposition import codes
from sweep.trainer.model import Autoencoder
from sweep.trainer.spectrum import mean_image, principal_directions

#: Labels in a draw of few.
N_FEW = 1_000
#: Draws have no image in common.
N_DRAWS = 5
#: Features of all images that are learned from, at most: 1 GB. Fewer images are taken for more.
MOST_FEATURES = 250_000_000
#: Numbers of neighbours to choose from.
NEIGHBOURS = (1, 3, 5, 10, 20)
#: Nearest images that are kept of each image shown.
N_KEPT = 5
HIDDEN_UNITS = 256
#: Images of a step, at most; of few images an eighth.
_BATCH = 512
_EPOCHS = 15
#: Epochs of few images have few steps.
_LEAST_STEPS = 200
#: A classifier is taken from the best of so many steps, evenly spread.
_CHECKS = 20
#: A feature with less than this share of the largest spread is not scaled up to it.
_LEAST_SPREAD = 1e-2
#: Distances to all training images are held for so many images at a time.
_QUERIES = 64
#: Images whose classes are predicted at a time.
_PREDICTED = 2_000
_SEED = 0

T = TypeVar("T")

#: Predicts the classes (R, B) of features (B, H) by R classifiers.
Classifier = Callable[[Tensor], Tensor]


class Features(NamedTuple):
    """Features of the images that are learned from, chosen by, and measured on: (N, H) float32."""

    train: Tensor
    validation: Tensor
    test: Tensor


class Labelled(NamedTuple):
    """What a classifier is made of: features (N, H), centred, and classes (N,)."""

    train: Tensor
    train_classes: Tensor
    validation: Tensor
    validation_classes: Tensor
    n_classes: int


class Subsets(NamedTuple):
    """R draws of n of the first training images, one after another."""

    n_draws: int
    n_images: int

    def slices(self) -> list[slice]:
        """Return the places of each draw."""
        return [slice(of * self.n_images, (of + 1) * self.n_images) for of in range(self.n_draws)]


class Prober:
    """Probes networks that were trained on one data set; what they are compared with is kept."""

    def __init__(self, data: DeviceData, known: Sequence[ProbeBaseline] = ()) -> None:
        """``known`` may hold baselines of other data, too."""
        self.data = data
        labels = [data.train_labels, data.validation_labels, data.test_labels]
        self._labels = [of for of in labels if of is not None]  # all or none
        self._classes = np.unique(np.concatenate(self._labels)) if self._labels else np.empty(0)
        self._known = {of.width for of in known if of.data_key == data.key}

    def probe(self, model: Autoencoder) -> Probe | None:
        """Measure what the code tells; None with fewer than two classes, or a code not finite."""
        if len(self._classes) < 2:  # every classifier would be right
            return None
        code = self._features(partial(codes, model), model.encoder_layers[-1].out_features)
        if not all(bool(torch.isfinite(part).all()) for part in code):
            return None
        train_classes, _, test_classes = map(self._places, self._labels)
        return Probe(
            code=self._measure(code),
            n_pixels=self.data.n_inputs,
            n_test=len(self.data.test),
            commonest=float((test_classes == train_classes.bincount().argmax()).double().mean()),
            shown=self.data.strip_rows,
        )

    def compare(self, width: int) -> tuple[ProbeBaseline, ...]:
        """Measure what a code of this width is compared with, where it is not known."""
        widths = {min(width, self.data.n_inputs), self.data.n_inputs} - self._known
        new = tuple(self._baseline(of) for of in sorted(widths))
        self._known |= widths
        return new

    def _baseline(self, width: int) -> ProbeBaseline:
        n_inputs = self.data.n_inputs
        if width == n_inputs:  # as many principal components are the pixels, rotated
            pca = random = self._measure(self._features(as_floats, width))
        else:
            generator = torch.Generator().manual_seed(_SEED)
            projections = torch.randn(n_inputs, width, generator=generator)
            pca, random = (
                self._measure(self._features(partial(_project, axes), width))
                for axes in (self._directions[:, :width], projections)
            )
        return ProbeBaseline(data_key=self.data.key, width=width, pca=pca, random=random)

    def _features(self, compute: Callable[[Tensor], Tensor], width: int) -> Features:
        """Compute features (B, H) of images (B, D) uint8, of so many as the memory takes."""
        n = max(1, MOST_FEATURES // max(width, self.data.n_inputs))
        parts = (self.data.train[:n], self.data.validation, self.data.test)
        return Features(*(torch.cat([compute(of) for of in batches(part)]) for part in parts))

    def _measure(self, features: Features) -> FeatureProbe:
        """Make every classifier, and measure it on the test images."""
        train, validation, test = _centre(features)
        train_classes, validation_classes, test_classes = map(self._places, self._labels)
        known = Labelled(
            train, train_classes[: len(train)], validation, validation_classes, len(self._classes)
        )
        n_few = min(N_FEW, len(train))
        few, whole = Subsets(min(N_DRAWS, len(train) // n_few), n_few), Subsets(1, len(train))
        by_all = {name: make(known, whole) for name, make in CLASSIFIERS.items()}
        # The same images would make the same classifiers again.
        by_few = (
            by_all
            if few == whole
            else {name: make(known, few) for name, make in CLASSIFIERS.items()}
        )
        of_few = {name: accuracies(of, test, test_classes) for name, of in by_few.items()}
        return FeatureProbe(
            all_labels=_each(by_all, lambda of: accuracies(of, test, test_classes)[0]),
            validation=_each(by_all, lambda of: accuracies(of, validation, validation_classes)[0]),
            few_labels=_each(of_few, lambda shares: shares.mean()),
            few_labels_std=_each(
                of_few, lambda shares: shares.std(correction=min(1, len(shares) - 1))
            ),
            n_train=len(train),
            n_few=few.n_images,
            n_draws=few.n_draws,
            nearest=_rows(
                nearest(train, test[list(self.data.strip_rows)], min(N_KEPT, len(train)))
            ),
        )

    @cached_property
    def _directions(self) -> Tensor:
        """Principal directions (D, D) of the training images, the widest first."""
        return principal_directions(self.data.train, mean_image(self.data.train))[1]

    def _places(self, labels: NDArray[np.uint8]) -> Tensor:
        """Return labels as places among the classes."""
        return torch.from_numpy(np.searchsorted(self._classes, labels))


def _each(by_name: Mapping[str, T], measure: Callable[[T], Tensor]) -> Accuracies:
    return Accuracies(**{name: float(measure(of)) for name, of in by_name.items()})


def _rows(places: Tensor) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, places.tolist()))


def _project(axes: Tensor, images: Tensor) -> Tensor:
    return as_floats(images) @ axes


def _centre(features: Features) -> Features:
    """Centre the features on those that are learned from, and scale their largest to 1.

    No classifier minds the scale, but squares of a large code would not be finite.
    """
    mean = features.train.mean(dim=0)
    for part in features:
        part.sub_(mean)
    largest = features.train.abs().max().clamp(min=1e-30)
    return Features(*(part.div_(largest) for part in features))


def accuracies(
    classifier: Classifier,
    features: Tensor,  # (N, H)
    classes: Tensor,  # (N,)
) -> Tensor:
    """Return the share (R,) of the images whose class each of R classifiers tells."""
    return (classifier(features) == classes).double().mean(dim=1)


# --- classifiers ----------------------------------------------------------------------------------


def choose_neighbours(known: Labelled, draws: Subsets) -> Classifier:
    """Make classifiers by the votes of the nearest: of as many as do best on validation images."""
    choices = [k for k in NEIGHBOURS if k <= draws.n_images] or [draws.n_images]

    def votes(features: Tensor) -> Tensor:
        """Return the classes (R, len(choices), B) that each number of neighbours votes for."""
        found = []
        for images in draws.slices():
            near = nearest(known.train[images], features, choices[-1])
            classes = known.train_classes[images][near]
            found.append(torch.stack([vote(classes[:, :k], known.n_classes) for k in choices]))
        return torch.stack(found)

    shares = (votes(known.validation) == known.validation_classes).double().mean(dim=2)
    chosen = shares.argmax(dim=1)
    return lambda features: votes(features)[torch.arange(draws.n_draws), chosen]


def nearest(
    images: Tensor,  # (N, H)
    queries: Tensor,  # (B, H)
    k: int,
) -> Tensor:
    """Return the places (B, k) of the images that are nearest to each query, the nearest first."""
    lengths = images.square().sum(dim=1)
    # The squared distance, without the part that is the same for all images.
    found = (
        torch.addmm(lengths, some, images.T, alpha=-2.0) for some in batches(queries, _QUERIES)
    )
    return torch.cat([of.topk(k, dim=1, largest=False).indices for of in found])


def vote(
    classes: Tensor,  # (B, k)  the nearest first
    n_classes: int,
) -> Tensor:
    """Return the classes (B,) with most votes; of equal ones that of the nearer images."""
    weights = 1.0 - 1e-3 * torch.arange(classes.shape[1])
    votes = torch.zeros(len(classes), n_classes)
    return votes.scatter_add_(1, classes, weights.expand(classes.shape)).argmax(dim=1)


def train_network(
    known: Labelled, draws: Subsets, *, hidden_units: Sequence[int], learning_rate: float
) -> Classifier:
    """Train classifiers with these hidden layers; take each as it is best on validation images."""
    generator = torch.Generator().manual_seed(_SEED)
    scale = _inverse_spread(known.train)
    sizes = [known.train.shape[1], *hidden_units, known.n_classes]
    parameters: list[Tensor] = []
    for n_in, n_out in pairwise(sizes):
        weights = torch.randn(draws.n_draws, n_in, n_out, generator=generator) / math.sqrt(n_in)
        parameters += [weights, torch.zeros(draws.n_draws, 1, n_out)]
    batch = min(_BATCH, -(-draws.n_images // 8))
    n_steps = max(_LEAST_STEPS, _EPOCHS * draws.n_images // batch)
    parameters = [of.requires_grad_() for of in parameters]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=n_steps)
    best, best_shares = parameters, torch.full((draws.n_draws,), -1.0, dtype=torch.float64)
    for step, rows in enumerate(islice(_minibatches(draws, batch, generator), n_steps), start=1):
        logits = _logits(known.train[rows] * scale, parameters)
        # A sum: each classifier has parameters, and so a loss, of its own.
        loss = functional.cross_entropy(
            logits.flatten(0, 1), known.train_classes[rows].flatten(), reduction="sum"
        )
        optimizer.zero_grad()
        (loss / batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % (n_steps // _CHECKS) == 0:
            found = [of.detach().clone() for of in parameters]
            now = partial(_predict, parameters=found, scale=scale)
            shares = accuracies(now, known.validation, known.validation_classes)
            is_better = (shares > best_shares)[:, None, None]
            best = [torch.where(is_better, *pair) for pair in zip(found, best, strict=True)]
            best_shares = torch.maximum(shares, best_shares)
    return partial(_predict, parameters=[of.detach() for of in best], scale=scale)


def _inverse_spread(features: Tensor) -> Tensor:
    """Return what scales features (N, H) to a standard deviation of 1, unless it is negligible."""
    spread = features.std(dim=0, correction=0)
    return 1.0 / spread.clamp(min=_LEAST_SPREAD * float(spread.max().clamp(min=1e-30)))


def _minibatches(draws: Subsets, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield places (R, size) of images for each classifier, without end, shuffled each epoch."""
    first = torch.arange(draws.n_draws)[:, None] * draws.n_images
    while True:
        keys = torch.rand(draws.n_draws, draws.n_images, generator=generator)
        shuffled = first + keys.argsort(dim=1)
        for start in range(0, draws.n_images - size + 1, size):
            yield shuffled[:, start : start + size]


def _logits(
    features: Tensor,  # (B, H) for all classifiers, or (R, B, H)
    parameters: Sequence[Tensor],  # weights (R, n_in, n_out) and biases (R, 1, n_out) in turn
) -> Tensor:
    """Return the logits (R, B, C) of R classifiers."""
    *hidden, last = zip(parameters[::2], parameters[1::2], strict=True)
    for weights, biases in hidden:
        features = (features @ weights + biases).relu()
    weights, biases = last
    return features @ weights + biases


@torch.no_grad()
def _predict(features: Tensor, parameters: Sequence[Tensor], scale: Tensor) -> Tensor:
    parts = batches(features, _PREDICTED)
    return torch.cat([_logits(of * scale, parameters).argmax(dim=2) for of in parts], dim=1)


#: By the name of their field in ``Accuracies``.
CLASSIFIERS: Mapping[str, Callable[[Labelled, Subsets], Classifier]] = {
    "linear": partial(train_network, hidden_units=(), learning_rate=5e-3),
    "neighbours": choose_neighbours,
    "network": partial(train_network, hidden_units=(HIDDEN_UNITS,), learning_rate=2e-3),
}
