"""What a code tells of the labels, which training never sees: accuracies of two simple classifiers.

Notation: N images to learn from, H features of each (hidden units, PCA components or pixels), C
classes. The linear classifier is ridge regression to centred class indicators, in closed form: with
the covariance X'X / N = V L V', its weights are V (L + p m)^-1 V' X'Y / N, where m is the mean of L
and the penalty p the one of PENALTIES that does best on the validation images (Hoerl and Kennard
1970). The other is the vote of the NEIGHBOURS nearest images (Cover and Hart 1967). Both learn from
the first MOST_TRAIN training images and are measured on all test images.
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


class Prober:
    """Probes networks that were trained on one data set; what they are set beside is kept."""

    def __init__(self, data: DeviceData) -> None:
        self.data = data
        self._train = data.train[:MOST_TRAIN]
        labels = (data.train_labels, data.validation_labels, data.test_labels)
        self._classes = np.unique(np.concatenate(labels))
        self._of_pca: dict[int, Accuracies] = {}

    def probe(self, model: Autoencoder) -> Probe | None:
        """What the network's code tells; None where the code is not finite."""
        data = self.data
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
        """Of as many principal components; of all of them, they are the pixels turned round."""
        if width >= self.data.n_inputs:
            return self._of_pixels
        if width not in self._of_pca:
            axes = self._directions[:, :width]
            self._of_pca[width] = self._accuracies(
                Features(*(part @ axes for part in self._pixels))
            )
        return self._of_pca[width]

    @cached_property
    def _of_pixels(self) -> Accuracies:
        return self._accuracies(self._pixels)

    @cached_property
    def _pixels(self) -> Features:
        parts = (self._train, self.data.validation, self.data.test)
        return Features(*(as_floats(part) for part in parts))

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
        centre = features.train.mean(dim=0)
        centred = Features(*(part - centre for part in features))
        # Neither classifier minds the scale, but squares of a large code would not be finite.
        scale = centred.train.abs().max().clamp(min=1e-30)
        centred = Features(*(part / scale for part in centred))
        return Accuracies(linear=self._linear(centred), neighbours=self._neighbours(centred))

    def _linear(self, features: Features) -> float:
        """Test accuracy of the ridge classifier with the penalty that validation chooses."""
        known = functional.one_hot(self._known, len(self._classes)).float()
        means, n = known.mean(dim=0), len(known)
        covariance = (features.train.T @ features.train).double() / n
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp(min=0.0)
        turned = vectors.T @ ((features.train.T @ (known - means)).double() / n)
        scale = values.mean().clamp(min=1e-30)  # of a code that never changes, not 0
        found = [
            self._told(
                features, (vectors @ (turned / (values + p * scale)[:, None])).float(), means
            )
            for p in PENALTIES
        ]
        return max(found, key=lambda of: of.validation).test

    def _told(self, features: Features, weights: Tensor, means: Tensor) -> "_Told":
        """Shares told right by a linear classifier of these weights (H, C) and means (C,)."""
        data = self.data
        return _Told(
            *(
                _share((part @ weights + means).argmax(dim=1), self._places(labels))
                for part, labels in (
                    (features.validation, data.validation_labels),
                    (features.test, data.test_labels),
                )
            )
        )

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
        return _share(torch.cat(told), self._places(self.data.test_labels))

    @property
    def _known(self) -> Tensor:
        """The labels that are learnt from, (N,)."""
        return self._places(self.data.train_labels[: len(self._train)])

    def _places(self, labels: NDArray[np.uint8]) -> Tensor:
        """Labels as places among the classes, on the device."""
        places = np.searchsorted(self._classes, labels)
        return torch.from_numpy(places).to(self._train.device)


class _Told(NamedTuple):
    """Shares of images whose label is told right."""

    validation: float
    test: float


def _share(told: Tensor, labels: Tensor) -> float:
    """Of the labels told right."""
    return float((told == labels).double().mean())
