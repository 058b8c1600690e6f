"""Define every metric of a trial, by the name that tables, exports and JSON use."""

from collections.abc import Mapping
from dataclasses import dataclass

from sweep.catalogue.records import Better, Column, Format
from sweep.catalogue.settings import HIDDEN_WIDTH


@dataclass(frozen=True, kw_only=True)
class Metric(Column):
    """A measured quantity."""

    #: The metric whose standard deviation over seeds it is.
    spread_of: str = ""
    #: Whether it is shown initially, if a page has room for only a few columns.
    is_essential: bool = False
    #: Whether its ratio to the best trial's value is informative.
    compares_by_ratio: bool = False


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="val_mse",
            called="validation error",
            unit="MSE per pixel",
            factor=10,
            better=Better.LOWER,
            compares_by_ratio=True,
        ),
        Metric(
            name="val_mse_std",
            called="spread of the validation error over seeds",
            unit="MSE per pixel",
            short="± validation",
            spread_of="val_mse",
            factor=10,
        ),
        Metric(
            name="test_mse",
            called="test error",
            unit="MSE per pixel",
            factor=10,
            better=Better.LOWER,
            is_essential=True,
            compares_by_ratio=True,
        ),
        Metric(
            name="test_mse_std",
            called="spread of the test error over seeds",
            unit="MSE per pixel",
            short="± test",
            spread_of="test_mse",
            factor=10,
        ),
        Metric(
            name="test_bce",
            called="test cross-entropy",
            unit="BCE, nats per pixel",
            short="Test BCE (nats)",
            factor=10,
            better=Better.LOWER,
        ),
        Metric(
            name="psnr",
            called="test PSNR",
            unit="dB",
            short="PSNR (dB)",
            format=Format.DECIBELS,
            better=Better.HIGHER,
            is_essential=True,
        ),
        Metric(
            name="exact_pixel_share",
            called="exact pixels",
            unit="share of the test pixels",
            format=Format.PERCENT,
            better=Better.HIGHER,
            is_essential=True,
        ),
        Metric(
            name="hidden_width",
            unit=HIDDEN_WIDTH.unit,
            factor=HIDDEN_WIDTH.factor,
            better=Better.LOWER,
        ),
        Metric(
            name="n_parameters",
            called="parameters",
            factor=10,
            format=Format.COUNT,
            better=Better.LOWER,
        ),
        Metric(
            name="train_seconds",
            called="training time",
            unit="s",
            short="Training (s)",
            factor=10,
            format=Format.SECONDS,
            better=Better.LOWER,
            is_essential=True,
            compares_by_ratio=True,
        ),
    )
}

#: The metrics that a trial's row has a column for; the width is in its configuration.
STORED: tuple[str, ...] = tuple(name for name in METRICS if name != HIDDEN_WIDTH.name)

#: What is reported about a trained network: without spreads, which follow their means, and the
#: width, which is a setting.
MEASURED: tuple[Metric, ...] = tuple(
    METRICS[name] for name in STORED if not METRICS[name].spread_of
)
