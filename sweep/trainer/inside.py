"""All that is looked for inside a trained network beyond what every trial is measured by."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from sweep.config import TrialConfig
from sweep.datasets import Images
from sweep.errors import DataError
from sweep.messages import Decomposition, Probe
from sweep.trainer.data import DeviceData
from sweep.trainer.decomposition import decompose
from sweep.trainer.model import Autoencoder
from sweep.trainer.probe import Prober
from sweep.trainer.weights import load_model


class Inside(NamedTuple):
    """What was found; None where the code is not finite, or nobody looked."""

    decomposition: Decomposition | None = None
    probe: Probe | None = None


def look_into(model: Autoencoder, config: TrialConfig, prober: Prober) -> Inside:
    """A network on the device of the prober's data."""
    return Inside(decompose(model, prober.data.validation, config), prober.probe(model))


def look_into_saved(
    contents: Sequence[bytes],
    images: Images,
    split: tuple[float, int, int | None],  # the arguments of Images.split
) -> list[Inside]:
    """Networks whose weights were kept, on the CPU.

    Raises DataError for weights that are none, or were trained on other images than these.
    """
    cpu = torch.device("cpu")
    prober = Prober(DeviceData.of(images, split, cpu))
    found = []
    for content in contents:
        saved = load_model(content)
        if saved.data_sha256 != images.sha256:
            raise DataError(
                f"{images.name}: SHA-256 {images.sha256[:12]}…, but the trial was trained on "
                f"{saved.data_sha256[:12]}…. Put the old files back."
            )
        model = Autoencoder(saved.config, saved.weights, cpu)
        found.append(look_into(model, saved.config, prober))
    return found
