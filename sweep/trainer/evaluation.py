"""Measure errors of a model on images that it does not learn from.

Sums of a batch are float32 on the device; batches are added up as float64 on the CPU, in one
transfer, so that the CPU does not wait for the GPU at every batch.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.datasets.images import Labels
from sweep.enums import Output
from sweep.messages import PixelErrors, TestMetrics
from sweep.trainer.data import DeviceData, PixelShares, as_floats, batches
from sweep.trainer.losses import bce_sum
from sweep.trainer.model import Autoencoder
from sweep.trainer.pixels import BLACK, WHITE, psnr, to_bytes


class Errors(NamedTuple):
    """Means per pixel; ``bce`` is None if the output is not in (0, 1)."""

    mse: float
    bce: float | None


@torch.no_grad()
def evaluate(model: Autoencoder, images: Tensor, output: Output) -> Errors:
    """Measure the errors on images (N, D) uint8."""
    squared, entropy = [], []
    for batch in batches(images):
        pixels = as_floats(batch)
        logits = model(pixels)
        reconstruction = model.output(logits)
        if output is Output.SIGMOID:
            entropy.append(bce_sum(logits, reconstruction, pixels))
        errors = reconstruction.sub_(pixels).view(-1)
        squared.append(torch.dot(errors, errors))
    return Errors(
        mse=total(squared) / images.numel(),
        bce=total(entropy) / images.numel() if entropy else None,
    )


@torch.no_grad()
def evaluate_test(model: Autoencoder, data: DeviceData, output: Output) -> TestMetrics:
    """Measure everything that is measured once, at the end of training."""
    per_image, exact, entropy, black, white = [], [], [], [], []
    for batch in batches(data.test):
        pixels = as_floats(batch)
        logits = model(pixels)
        reconstruction = model.output(logits)
        squares = (reconstruction - pixels).square_()
        per_image.append(squares.mean(dim=1))
        black.append((squares * (batch == BLACK)).sum())
        white.append((squares * (batch == WHITE)).sum())
        exact.append((to_bytes(reconstruction) == batch).sum())
        if output is Output.SIGMOID:
            entropy.append(bce_sum(logits, reconstruction, pixels))
    image_mse = torch.cat(per_image).cpu().double().numpy()
    test_mse = float(image_mse.mean())
    return TestMetrics(
        test_mse=test_mse,
        test_bce=total(entropy) / data.test.numel() if entropy else None,
        psnr=psnr(test_mse),
        exact_pixel_share=total(exact) / data.test.numel(),
        per_class_mse=per_class(image_mse, data.test_labels),
        n_parameters=sum(weights.numel() for weights in model.parameters()),
        pixel_errors=pixel_errors(
            data.test_pixels, total(black), total(white), test_mse * data.test.numel()
        ),
    )


def pixel_errors(pixels: PixelShares, black: float, white: float, whole: float) -> PixelErrors:
    """Compute shares of the squared error from its sums over black, white and all pixels."""
    return PixelErrors(
        black_pixels=pixels.black,
        white_pixels=pixels.white,
        black_error=_share(black, whole),
        white_error=_share(white, whole),
    )


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0


def total(sums: list[Tensor]) -> float:
    """Add up the batches' sums in double precision."""
    return float(torch.stack(sums).cpu().double().sum())


def per_class(image_mse: NDArray[np.float64], labels: Labels | None) -> tuple[float, ...]:
    """Return the mean error of each class that occurs, in the order of the labels.

    Empty without labels.
    """
    if labels is None:
        return ()
    return tuple(float(image_mse[labels == label].mean()) for label in np.unique(labels))
