"""What a code tells of the labels, which training never sees: accuracies of two simple classifiers.

Notation: N images to learn from, H features of each (hidden units, PCA components or pixels), C
classes. The linear classifier is ridge regression to centred class indicators, in closed form: its
weights are (S + p m I)^-1 X'Y / N with the covariance S = X'X / N, where m is the mean of S's
eigenvalues and the penalty p the one of PENALTIES that does best on the validation images (Hoerl
and Kennard 1970). The other is the vote of the NEIGHBOURS nearest images (Cover and Hart 1967).
Both learn from the first MOST_TRAIN training images and are measured on all test images.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sweep.messages import Accuracies, Probe
from sweep.trainer.data import DeviceData, as_floats, batches
from sweep.trainer.decomposition import codes
from sweep.trainer.model import Autoencoder

#: So that a probe stays a small part of a trial's time.
MOST_TRAIN = 5_000
NEIGHBOURS = 5
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


class Features(NamedTuple):
    """Of the images that are learnt from, chosen by, and measured on: (N, H) float32 each."""

    train: Tensor
    validation: Tensor
    test: Tensor


class Problem(NamedTuple):
    """What the classifiers learn from, choose by, and are measured on."""

    #: Centred on the mean of the images that are learnt from, whose largest is 1.
    features: Features
    #: Of those images, (H, H) float64.
    covariance: Tensor
    #: Mean products of their features and centred class indicators, (H, C) float64.
    moments: Tensor

    def of_first(self, n: int) -> "Problem":
        """Return the problem of the first n features alone."""
        features = Features(*(part[:, :n] for part in self.features))
        return Problem(features, self.covariance[:n, :n], self.moments[:n])

    def turned(self, axes: Tensor) -> "Problem":
        """Return the problem of the features' components along these axes (H, H)."""
        exact = axes.double()
        return Problem(
            Features(*(part @ axes for part in self.features)),
            exact.T @ self.covariance @ exact,
            exact.T @ self.moments,
        )


class Prober:
    """Probes networks that were trained on one data set; what they are set beside is kept."""

    def __init__(self, data: DeviceData) -> None:
        self.data = data
        self._train = data.train[:MOST_TRAIN]
        labels = [data.train_labels, data.validation_labels, data.test_labels]
        self._labels = [of for of in labels if of is not None]  # all or none
        self._classes = np.unique(np.concatenate(self._labels)) if self._labels else np.empty(0)
        self._of_pca: dict[int, Accuracies] = {}

    def probe(self, model: Autoencoder) -> Probe | None:
        """Measure what the code tells; None with fewer than two classes, or a code not finite."""
        data = self.data
        if len(self._classes) < 2:  # every classifier would be right
            return None
        parts = (self._train, data.validation, data.test)
        code = Features(*(codes(model, images) for images in parts))
        if not all(bool(torch.isfinite(part).all()) for part in code):
            return None
        hidden_width = code.train.shape[1]
        return Probe(
            code=self._accuracies(code),
            pca=self._pca(hidden_width),
            pixels=self._of_pixels,
            n_pixels=data.n_inputs,
            n_train=len(self._train),
            n_test=len(data.test),
        )

    def _pca(self, width: int) -> Accuracies:
        """Probe as many principal components; all of them are the pixels, rotated."""
        if width >= self.data.n_inputs:
            return self._of_pixels
        if width not in self._of_pca:
            self._of_pca[width] = self._classify(self._components.of_first(width))
        return self._of_pca[width]

    @cached_property
    def _of_pixels(self) -> Accuracies:
        return self._classify(self._pixels)

    @cached_property
    def _components(self) -> Problem:
        """All principal components, the widest first."""
        return self._pixels.turned(self._directions)

    @cached_property
    def _pixels(self) -> Problem:
        parts = (self._train, self.data.validation, self.data.test)
        return self._problem(Features(*(as_floats(part) for part in parts)))

    @cached_property
    def _directions(self) -> Tensor:
        """Principal directions (D, D) of all training images, the widest first."""
        parts = batches(self.data.train)
        n = len(self.data.train)
        mean = torch.stack([as_floats(part).sum(dim=0) for part in parts]).sum(dim=0) / n
        covariance = torch.zeros(len(mean), len(mean), device=mean.device)
        for part in parts:
            centred = as_floats(part) - mean
            covariance.addmm_(centred.T, centred)
        vectors: Tensor = torch.linalg.eigh(covariance.double()).eigenvectors
        return vectors.flip(1).float()

    def _accuracies(self, features: Features) -> Accuracies:
        return self._classify(self._problem(features))

    def _problem(self, features: Features) -> Problem:
        centre = features.train.mean(dim=0)
        centred = Features(*(part - centre for part in features))
        # Neither classifier minds the scale, but squares of a large code would not be finite.
        scale = centred.train.abs().max().clamp(min=1e-30)
        train, _, _ = centred = Features(*(part.div_(scale) for part in centred))
        indicators, n = self._indicators - self._class_shares, len(train)
        # A product with few rows is several times as fast as one with few columns.
        moments = (indicators.T @ train).T.double() / n
        return Problem(centred, (train.T @ train).double() / n, moments)

    def _classify(self, problem: Problem) -> Accuracies:
        return Accuracies(
            linear=self._linear(problem), neighbours=self._neighbours(problem.features)
        )

    def _linear(self, problem: Problem) -> float:
        """Test accuracy of the ridge classifier with the penalty that validation chooses."""
        features, means = problem.features, self._class_shares
        weights = _ridge_weights(problem.covariance, problem.moments).float()
        validation, test = (
            _accuracy_by_penalty(part, weights, means, self._places(labels))
            for part, labels in (
                (features.validation, self._labels[1]),
                (features.test, self._labels[2]),
            )
        )
        return float(test[np.argmax(validation)])

    def _neighbours(self, features: Features) -> float:
        """Test accuracy of the vote of the nearest; of equal votes the nearer ones count."""
        known = self._known
        k = min(NEIGHBOURS, len(known))
        lengths = features.train.square().sum(dim=1)
        weights = 1.0 + 1e-3 * torch.arange(k, 0, -1, device=lengths.device)
        told = []
        for chunk in batches(features.test):
            # The squared distance, without the part that is the same for all of them.
            distances = torch.addmm(lengths, chunk, features.train.T, alpha=-2.0)
            nearest = distances.topk(k, dim=1, largest=False).indices
            votes = torch.zeros(len(chunk), len(self._classes), device=lengths.device)
            votes.scatter_add_(1, known[nearest], weights.expand(len(chunk), k))
            told.append(votes.argmax(dim=1))
        return _share(torch.cat(told), self._places(self._labels[2]))

    @cached_property
    def _indicators(self) -> Tensor:
        """Return indicators of the classes of the images that are learnt from, (N, C) float32."""
        return functional.one_hot(self._known, len(self._classes)).float()

    @cached_property
    def _class_shares(self) -> Tensor:
        """Among the images that are learnt from, (C,)."""
        return self._indicators.mean(dim=0)

    @cached_property
    def _known(self) -> Tensor:
        """The labels that are learnt from, (N,)."""
        return self._places(self._labels[0][: len(self._train)])

    def _places(self, labels: NDArray[np.uint8]) -> Tensor:
        """Labels as places among the classes, on the device."""
        places = np.searchsorted(self._classes, labels)
        return torch.from_numpy(places).to(self._train.device)


def _ridge_weights(
    covariance: Tensor,  # (H, H) float64
    moments: Tensor,  # (H, C) float64
) -> Tensor:
    """Return the weights (P, H, C) of P of the penalties, in their order.

    A penalty below the covariance's rounding, which may leave it indefinite, is left out.
    """
    mean_eigenvalue = covariance.diagonal().mean().clamp(min=1e-30)  # 0 if a code never changes
    weights = []
    for penalty in PENALTIES:
        penalised = covariance.clone()
        penalised.diagonal().add_(penalty * mean_eigenvalue)
        factor, is_indefinite = torch.linalg.cholesky_ex(penalised)
        if not bool(is_indefinite):
            weights.append(torch.cholesky_solve(moments, factor))
    return torch.stack(weights)


def _accuracy_by_penalty(
    features: Tensor,  # (N, H)
    weights: Tensor,  # (P, H, C)
    means: Tensor,  # (C,)
    labels: Tensor,  # (N,)
) -> NDArray[np.float64]:
    """Return the accuracies (P,) of P linear classifiers."""
    n_penalties, _, n_classes = weights.shape
    side_by_side = weights.transpose(0, 1).flatten(start_dim=1)
    scores = (features @ side_by_side).view(-1, n_penalties, n_classes) + means
    accuracies: NDArray[np.float64] = (
        (scores.argmax(dim=2) == labels[:, None]).double().mean(dim=0).cpu().numpy()
    )
    return accuracies


def _share(told: Tensor, labels: Tensor) -> float:
    """Return the share of the labels that are told right."""
    return float((told == labels).double().mean())
