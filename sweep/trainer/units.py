"""Hidden units that no longer learn: what counts as dead, and as saturated.

Notation: N images, H hidden units; z (N, H) are the units' inputs, before their activation. Both
trainers measure by these definitions, on the validation images after the last epoch.
"""

import math

import torch
from torch import Tensor

from sweep.names import Activation
from sweep.trainer.data import as_floats, batches
from sweep.trainer.model import Autoencoder
from sweep.trial import Diagnostics, TrialConfig

#: Units whose slope vanishes, or nearly does, below 0.
CAN_DIE = {
    Activation.RELU,
    Activation.LEAKY_RELU,
    Activation.ELU,
    Activation.GELU,
    Activation.SILU,
}

#: A bounded unit is saturated where its slope is below about a fiftieth of the largest: where |z|
#: is above this.
SATURATED_FROM = {
    Activation.TANH: 2.65,
    Activation.SIGMOID: 5.3,
}


@torch.no_grad()
def diagnose(
    model: Autoencoder,
    images: Tensor,  # (N, D) uint8
    config: TrialConfig,
) -> Diagnostics:
    """How a network's units and weights are."""
    limit = SATURATED_FROM.get(config.activation, math.inf)
    active = torch.zeros(config.hidden_width, dtype=torch.bool, device=images.device)
    n_saturated = torch.zeros((), dtype=torch.int64, device=images.device)
    for batch in batches(images):
        z = model.encoder(as_floats(batch))
        active |= (z > 0).any(dim=0)
        n_saturated += (z.abs() > limit).sum()
    n_dead = int((~active).sum()) if config.activation in CAN_DIE else 0
    return Diagnostics(
        dead_share=n_dead / config.hidden_width,
        saturated_share=int(n_saturated) / (config.hidden_width * len(images)),
        encoder_norm=_norm(model.encoder.weight),
        decoder_norm=_norm(model.decoder.weight),
    )


def _norm(weight: Tensor) -> float:
    return float(weight.double().norm())
