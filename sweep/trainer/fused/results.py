"""Compute results from a slot's numbers: metrics, pictures, saved weights, reasons of divergence.

All inputs are copies on the CPU: reading the device would wait for its current epoch. Notation: K
slots, D inputs, S seeds of a trial, C classes.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.config import TrialConfig
from sweep.enums import Output
from sweep.messages import Diagnostics, EpochMetrics, TestMetrics, pack_spectrum
from sweep.trainer.data import DeviceData, PixelShares, as_floats
from sweep.trainer.evaluation import pixel_errors
from sweep.trainer.fused.kernels import tables
from sweep.trainer.fused.trials import FusedTrial, Row, Tested
from sweep.trainer.model import Autoencoder
from sweep.trainer.pixels import errors_png, psnr, strip_png, to_bytes
from sweep.trainer.weights import save_model

CPU = torch.device("cpu")


def epoch_metrics(
    row: Row,
    config: TrialConfig,
    validation: Sequence[int],
    seconds: float,
    spectrum: Row | None,  # (N_BANDS,)
) -> EpochMetrics:
    """Compute an epoch's metrics from a slot's row of the report and its error spectrum.

    ``validation`` is the shape of the validation images.
    """
    n_pixels = validation[0] * validation[1]
    return EpochMetrics(
        train_loss=float(row[tables.TRAIN_LOSS]),
        val_mse=float(row[tables.REPORT_SQUARES]) / n_pixels,
        val_bce=_entropy(row, config, n_pixels),
        seconds=seconds,
        spectrum=None if spectrum is None else pack_spectrum(spectrum.tolist()),
    )


def diagnostics(row: Row, config: TrialConfig, n_images: int) -> Diagnostics:
    """Read a slot's diagnostics from its row of the report."""
    pairs = config.hidden_width * n_images
    return Diagnostics(
        dead_share=float(row[tables.DEAD]) / config.hidden_width,
        saturated_share=float(row[tables.SATURATED]) / pairs,
        stuck_share=_share(row[tables.REPORT_STUCK], row[tables.REPORT_SQUARES]),
        encoder_norm=float(np.sqrt(row[tables.ENCODER_SQUARES])),
        decoder_norm=float(np.sqrt(row[tables.DECODER_SQUARES])),
    )


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def test_metrics(
    row: Row,
    class_squares: Row,  # (C,)
    class_sizes: NDArray[np.int64],  # (C,)
    config: TrialConfig,
    data: DeviceData,
    diagnosed: Diagnostics,
    value_squares: Row,  # (N_VALUES,)
    pixels: PixelShares,
) -> TestMetrics:
    """Read a slot's test results from its row of the report."""
    n_inputs = data.n_inputs
    n_pixels = data.test.numel()
    mse = float(row[tables.REPORT_SQUARES]) / n_pixels
    return TestMetrics(
        test_mse=mse,
        test_bce=_entropy(row, config, n_pixels),
        psnr=psnr(mse),
        exact_pixel_share=float(row[tables.REPORT_EXACT]) / n_pixels,
        per_class_mse=tuple((class_squares / (class_sizes * n_inputs)).tolist()),
        n_parameters=(2 * n_inputs + 1) * config.hidden_width + n_inputs,
        diagnostics=diagnosed,
        pixel_errors=pixel_errors(
            pixels,
            float(value_squares[tables.BLACK_SQUARES]),
            float(value_squares[tables.WHITE_SQUARES]),
            float(row[tables.REPORT_SQUARES]),
        ),
    )


def _entropy(row: Row, config: TrialConfig, n_pixels: int) -> float | None:
    if config.output_activation is not Output.SIGMOID:
        return None
    return float(row[tables.REPORT_ENTROPY]) / n_pixels


def divergence(
    trial: FusedTrial, metrics: tuple[EpochMetrics, ...], rows: Row, epoch: int
) -> str | None:
    """Describe what is no longer finite, for the first seed with such a number."""
    for seed, one, row in zip(trial.spec.seeds, metrics, rows, strict=True):
        if (reason := _not_finite(one, row)) is not None:
            of_seed = f" (seed {seed})" if len(metrics) > 1 else ""
            return f"{reason} in epoch {epoch}{of_seed}"
    return None


def _not_finite(metrics: EpochMetrics, row: Row) -> str | None:
    if not math.isfinite(metrics.train_loss):
        return f"training loss became {metrics.train_loss}"
    for name, column in _NOT_FINITE.items():
        if row[column] > 0:
            return f"{name} is no longer finite"
    if not math.isfinite(metrics.val_mse):
        return f"validation error became {metrics.val_mse}"
    return None


#: Columns of the report that count non-finite numbers of a parameter.
_NOT_FINITE = {
    "encoder.weight": tables.ENCODER_NOT_FINITE,
    "encoder.bias": tables.ENCODER_BIAS_NOT_FINITE,
    "decoder.weight": tables.DECODER_NOT_FINITE,
    "decoder.bias": tables.DECODER_BIAS_NOT_FINITE,
}


class Pictures:
    """Pictures of reconstructions, and originals that were copied to the CPU beforehand."""

    def __init__(self, data: DeviceData) -> None:
        self._originals = as_floats(data.strip.to(CPU))
        self._shape = data.shape

    def reconstructions_png(self, tested: Tested) -> bytes:
        """Draw the strip of reconstructions."""
        return strip_png(to_bytes(tested.reconstructions).numpy(), self._shape)

    def errors_png(self, tested: Tested) -> bytes:
        """Draw the strip of error maps."""
        return errors_png(self._originals, tested.reconstructions, self._shape)


def saved_weights(trial: FusedTrial, data: DeviceData) -> bytes:
    """Return the first seed's weights as a file."""
    assert trial.last_weights is not None
    config, weights = trial.spec.config, trial.last_weights[0].as_weights()
    return save_model(Autoencoder(config, weights.layers, CPU), config, trial.spec.seeds[0], data)
