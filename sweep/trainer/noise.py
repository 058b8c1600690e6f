"""Add noise to the inputs of training; the loss compares copies with the clean images.

Source: Vincent et al. 2010, "Stacked denoising autoencoders", section 4.3. Gaussian noise is not
clipped to [0, 1]. It is drawn on the CPU, so that a seed gives the same noise on every device.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from sweep.config import TrialConfig
from sweep.enums import Noise

#: (pixels (B, D), configuration, generator) -> the inputs (B, D).
Corruption = Callable[[Tensor, TrialConfig, Generator], Tensor]


def none(pixels: Tensor, config: TrialConfig, generator: Generator) -> Tensor:
    """Return the pixels without noise."""
    return pixels


def gaussian(pixels: Tensor, config: TrialConfig, generator: Generator) -> Tensor:
    """Add normal noise with deviation ``noise_std``."""
    noise = torch.randn(pixels.shape, generator=generator).to(pixels.device)
    return pixels + config.noise_std * noise


def mask_pixels(pixels: Tensor, config: TrialConfig, generator: Generator) -> Tensor:
    """Set a random share of the pixels, ``masked_share``, to 0."""
    kept = torch.rand(pixels.shape, generator=generator) >= config.masked_share
    return pixels * kept.to(pixels.device)


NOISES: dict[Noise, Corruption] = {
    Noise.NONE: none,
    Noise.GAUSSIAN: gaussian,
    Noise.MASKING: mask_pixels,
}
