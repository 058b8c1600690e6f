"""The two-layer autoencoder D -> H -> D.

``forward`` gives the output units' inputs (logits), because binary cross-entropy is computed from
them; ``reconstruct`` gives pixels. Constants: leaky_relu has slope 0.01, elu alpha 1, gelu is the
exact one (with erf).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sweep.config import TrialConfig
from sweep.enums import Activation, Output
from sweep.trainer.initialisation import Weights

Function = Callable[[Tensor], Tensor]


class Autoencoder(nn.Module):
    """Encoder, activation, decoder, output."""

    def __init__(self, config: TrialConfig, weights: Weights, device: torch.device) -> None:
        super().__init__()
        self.encoder = _linear(weights.encoder_weight, weights.encoder_bias, device)
        self.decoder = _linear(weights.decoder_weight, weights.decoder_bias, device)
        self.activation = ACTIVATIONS[config.activation]
        self.output = OUTPUTS[config.output_activation]

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, D) of inputs (B, D)."""
        logits: Tensor = self.decoder(self.activation(self.encoder(inputs)))
        return logits

    def reconstruct(self, inputs: Tensor) -> Tensor:
        """Pixels (B, D) of inputs (B, D), on the [0, 1] scale."""
        return self.output(self(inputs))


class TrainedAutoencoder(nn.Module):
    """A trained network as its users see it: images to codes, codes to pixels.

    Images are floats on the [0, 1] scale, (B, D) or (B, height, width).
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def encode(self, images: Tensor) -> Tensor:
        """Return codes (B, H) of images."""
        inner = self.autoencoder
        return inner.activation(inner.encoder(images.flatten(start_dim=1)))

    def decode(self, codes: Tensor) -> Tensor:
        """Return pixels (B, D) of codes (B, H)."""
        return self.autoencoder.output(self.autoencoder.decoder(codes))

    def forward(self, images: Tensor) -> Tensor:
        """Return pixels (B, D) of images."""
        return self.decode(self.encode(images))


def _linear(weight: Tensor, bias: Tensor, device: torch.device) -> nn.Linear:
    """A layer of these weights; made on the meta device, so no global random number is drawn."""
    n_outputs, n_inputs = weight.shape
    layer = nn.Linear(n_inputs, n_outputs, device="meta")
    layer.weight = nn.Parameter(weight.to(device, copy=True))
    layer.bias = nn.Parameter(bias.to(device, copy=True))
    return layer


def identity(inputs: Tensor) -> Tensor:
    return inputs


ACTIVATIONS: dict[Activation, Function] = {
    Activation.LINEAR: identity,
    Activation.RELU: functional.relu,
    Activation.LEAKY_RELU: functional.leaky_relu,
    Activation.ELU: functional.elu,
    Activation.GELU: functional.gelu,
    Activation.SILU: functional.silu,
    Activation.TANH: torch.tanh,
    Activation.SIGMOID: torch.sigmoid,
    Activation.MISH: functional.mish,
}

OUTPUTS: dict[Output, Function] = {
    Output.SIGMOID: torch.sigmoid,
    Output.LINEAR: identity,
}
