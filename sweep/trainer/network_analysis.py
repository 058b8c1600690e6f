"""Analyse a trained network beyond the measurements of every trial: decomposition and probe."""

from collections.abc import Sequence
from typing import Self

import torch

from sweep.datasets import Images
from sweep.errors import DataError
from sweep.messages import NetworkAnalysis, ProbeBaseline
from sweep.trainer.data import DeviceData
from sweep.trainer.decomposition import decompose
from sweep.trainer.model import Autoencoder
from sweep.trainer.probe import Prober
from sweep.trainer.weights import load_model

CPU = torch.device("cpu")


class NetworkAnalyser:
    """Analyses saved networks that were trained on the same data set."""

    def __init__(self, data: DeviceData, known: Sequence[ProbeBaseline] = ()) -> None:
        """Keep ``data``, which are on the CPU. ``known`` are baselines of these and other data."""
        self._data = data
        self._prober = Prober(data, known)

    @classmethod
    def of(
        cls,
        images: Images,
        split: tuple[float, int, int | None],
        known: Sequence[ProbeBaseline] = (),
    ) -> Self:
        """Split the images; ``split`` is what ``Images.split`` takes."""
        return cls(DeviceData.of(images, split, CPU), known)

    def analyse(self, weights: bytes) -> NetworkAnalysis:
        """Analyse the network of a weights file.

        Raises DataError for other bytes, and for a network that was trained on other images.
        """
        saved = load_model(weights)
        if saved.data_sha256 != self._data.sha256:
            raise DataError(
                f"the images have SHA-256 {self._data.sha256[:12]}…, but the trial was trained on "
                f"{saved.data_sha256[:12]}…. Restore the old files."
            )
        model = Autoencoder(saved.config, saved.layers, CPU)
        probe = self._prober.probe(model)
        return NetworkAnalysis(
            decomposition=decompose(model, self._data.validation, saved.config),
            probe=probe,
            baselines=() if probe is None else self._prober.compare(saved.config.hidden_width),
        )
