"""Count units that no longer learn: dead, saturated, and stuck.

Notation: N images of D pixels x, H hidden units; z (N, H) are the units' inputs, before their
activation, and o (N, D) those of the output units. Hidden units are those of the code, also in a
deep network. All trainers measure by these definitions, on the validation images after the last
epoch.
"""

import math

import torch
from torch import Tensor, nn

from sweep.catalogue.choices import ACTIVATIONS
from sweep.config import TrialConfig
from sweep.enums import Activation, Output
from sweep.messages import Diagnostics
from sweep.trainer.data import as_floats, batches
from sweep.trainer.model import Autoencoder

#: Input from which a sigmoid output is saturated.
OUTPUT_SATURATES_AT = ACTIVATIONS[Activation.SIGMOID].saturates_at or math.inf

#: A sigmoid output is stuck if it is saturated and its error is larger than this: nearly all of its
#: slope is gone, and it is far from its pixel.
STUCK_FROM = 0.1


@torch.no_grad()
def diagnose(
    model: Autoencoder,
    images: Tensor,  # (N, D) uint8
    config: TrialConfig,
) -> Diagnostics:
    """Measure a network's units and weights."""
    facts = ACTIVATIONS[config.activation]
    limit = facts.saturates_at or math.inf
    active = torch.zeros(config.hidden_width, dtype=torch.bool, device=images.device)
    n_saturated = torch.zeros((), dtype=torch.int64, device=images.device)
    stuck, whole = torch.zeros(2, dtype=torch.float64, device=images.device)
    for batch in batches(images):
        pixels = as_floats(batch)
        z = model.encoder(pixels)
        active |= (z > 0).any(dim=0)
        n_saturated += (z.abs() > limit).sum()
        if config.output_activation is Output.SIGMOID:
            o = model.decoder(model.activation(z))
            errors = (model.output(o) - pixels).abs_()
            is_stuck = (o.abs() > OUTPUT_SATURATES_AT) & (errors > STUCK_FROM)
            whole += (squares := errors.square_()).sum()
            stuck += (squares * is_stuck).sum()
    n_dead = int((~active).sum()) if facts.can_die else 0
    return Diagnostics(
        dead_share=n_dead / config.hidden_width,
        saturated_share=int(n_saturated) / (config.hidden_width * len(images)),
        stuck_share=float(stuck / whole) if whole > 0 else 0.0,
        encoder_norm=_norm(model.encoder_layers),
        decoder_norm=_norm(model.decoder_layers),
    )


def _norm(layers: list[nn.Linear]) -> float:
    """Compute the norm of all weights of these layers."""
    return math.hypot(*(float(layer.weight.double().norm()) for layer in layers))
