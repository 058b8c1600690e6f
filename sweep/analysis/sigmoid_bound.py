"""Compute the lower bound of linear codes with sigmoid outputs, trained on binary cross-entropy.

Notation: N images x of D pixels in [0, 1]; a linear code of any width has logits z = W x + b, and B
= mean of ln(1 + e^z) - x z. B is convex in (W, b): D logistic regressions with soft targets, one
per pixel, so that no width and no training reaches below its minimum. PCA's line is not a bound of
such a network, because PCA has linear outputs and is exact at D components; this bound stays above
the pixels' entropy, because logit(x) is not linear in x. The minimum is approached by L-BFGS (Liu
and Nocedal 1989) in whitened coordinates, in which the regressions are well conditioned. The value
after the last step is above the minimum.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sweep.analysis.floors import Floors, SigmoidBound, principal_directions
from sweep.datasets import Images

#: Steps. Ten more lowered the cross-entropy of 5,400 images of 784 pixels by less than 1e-3 of it.
N_STEPS = 30
#: Directions with a smaller variance, as a share of the largest, are not scaled.
_LEAST_VARIANCE = 1e-7
_CHUNK = 2_000

Floats = NDArray[np.float32]


def with_sigmoid_bound(
    floors: Floors, images: Images, fraction: float, seed: int, train_limit: int | None = None
) -> Floors:
    """Return floors with the bound of the same split; takes minutes."""
    train_rows, _ = images.split(fraction, seed, train_limit)
    bound = sigmoid_bound(images.train_images[train_rows], images.test_images)
    return replace(floors, sigmoid=bound)


def sigmoid_bound(
    train: NDArray[np.uint8],  # (N, D)
    test: NDArray[np.uint8],  # (M, D)
    n_steps: int = N_STEPS,
) -> SigmoidBound:
    """Fit the best linear code to the training images and measure it."""
    from scipy.optimize import minimize  # takes a quarter of a second

    mean, directions = principal_directions(train)
    inputs, pixels = _whiten(train, train, mean, directions), _floats(train)
    share = np.clip(pixels.mean(axis=0), 1e-4, 1 - 1e-4)
    start = np.zeros((inputs.shape[1], pixels.shape[1]))
    start[-1] = np.log(share / (1 - share))

    def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        bce, gradient, _ = _measure(flat.reshape(start.shape), inputs, pixels)
        return bce * pixels.shape[1], gradient.ravel() * pixels.shape[1]

    found = minimize(
        value, start.ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": n_steps, "maxfun": 2 * n_steps, "ftol": 0.0, "gtol": 0.0},
    )  # fmt: skip
    weights = found.x.reshape(start.shape)
    train_bce, _, _ = _measure(weights, inputs, pixels)
    of_test = _whiten(test, train, mean, directions)
    test_bce, _, test_mse = _measure(weights, of_test, _floats(test))
    return SigmoidBound(train_bce=train_bce, test_bce=test_bce, test_mse=test_mse)


def _floats(pixels: NDArray[np.uint8]) -> Floats:
    return pixels.astype(np.float32) / np.float32(255)


def _whiten(
    pixels: NDArray[np.uint8],
    train: NDArray[np.uint8],
    mean: NDArray[np.float64],
    directions: NDArray[np.float64],
) -> Floats:
    """Return scores along the principal directions, of variance 1 in training, and a 1."""
    squares = np.zeros(directions.shape[1])
    for start in range(0, len(train), _CHUNK):
        squares += np.square((train[start : start + _CHUNK] - mean) @ directions).sum(axis=0)
    variance = squares / len(train)
    scale = directions / np.sqrt(np.maximum(variance, _LEAST_VARIANCE * variance[0]))
    inputs = np.ones((len(pixels), directions.shape[1] + 1), np.float32)
    for start in range(0, len(pixels), _CHUNK):
        rows = slice(start, start + _CHUNK)
        inputs[rows, :-1] = (pixels[rows] - mean) @ scale
    return inputs


def _measure(
    weights: NDArray[np.float64], inputs: Floats, pixels: Floats
) -> tuple[float, NDArray[np.float64], float]:
    """Return the cross-entropy per pixel, its gradient, and the squared error per pixel."""
    narrow = weights.astype(np.float32)
    bce, mse, gradient = 0.0, 0.0, np.zeros_like(narrow)
    for start in range(0, len(inputs), _CHUNK):
        rows = slice(start, start + _CHUNK)
        logits = inputs[rows] @ narrow
        bce += float(np.sum(np.logaddexp(0, logits) - pixels[rows] * logits, dtype=np.float64))
        errors = expit(logits) - pixels[rows]
        mse += float(np.vdot(errors, errors))
        gradient += inputs[rows].T @ errors
    return bce / pixels.size, gradient.astype(np.float64) / pixels.size, mse / pixels.size
