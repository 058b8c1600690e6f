"""Define the autoencoder D -> H -> D; a deep one has further layers between pixels and code.

Every hidden layer has the activation, including those of the decoder; the last layer has the output
activation. ``forward`` returns the output units' inputs (logits), from which binary cross-entropy
is computed; ``reconstruct`` returns pixels. Constants: leaky_relu has slope 0.01, elu alpha 1, gelu
is the exact one (with erf).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sweep.config import TrialConfig
from sweep.enums import Activation, Output
from sweep.trainer.initialisation import Layers

Function = Callable[[Tensor], Tensor]


class Autoencoder(nn.Module):
    """Encoder, activation, decoder, output.

    ``encoder`` and ``decoder`` are a ``Linear`` each, or, in a deep network, a ``Sequential`` of
    layers with the activation in between.
    """

    def __init__(self, config: TrialConfig, layers: Layers, device: torch.device) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.output = OUTPUTS[config.output_activation]
        half = len(layers) // 2
        self.encoder = self._stack(layers[:half], device)
        self.decoder = self._stack(layers[half:], device)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (B, D) of inputs (B, D)."""
        logits: Tensor = self.decoder(self.activation(self.encoder(inputs)))
        return logits

    @property
    def encoder_layers(self) -> list[nn.Linear]:
        """The encoder's layers, from the pixels to the code."""
        return _linears(self.encoder)

    @property
    def decoder_layers(self) -> list[nn.Linear]:
        """The decoder's layers, from the code to the pixels."""
        return _linears(self.decoder)

    def reconstruct(self, inputs: Tensor) -> Tensor:
        """Return pixels (B, D) of inputs (B, D), on the [0, 1] scale."""
        return self.output(self(inputs))

    def _stack(self, layers: Layers, device: torch.device) -> nn.Module:
        first, *others = (_linear(weight, bias, device) for weight, bias in layers)
        if not others:
            return first
        activation = Elementwise(self.activation)
        return nn.Sequential(first, *(part for layer in others for part in (activation, layer)))


class Elementwise(nn.Module):
    """Module that applies a function."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self._function = function

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the function."""
        return self._function(inputs)


class TrainedAutoencoder(nn.Module):
    """A trained network for users: images to codes, codes to pixels.

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


def _linears(stack: nn.Module) -> list[nn.Linear]:
    return [part for part in stack.modules() if isinstance(part, nn.Linear)]


def _linear(weight: Tensor, bias: Tensor, device: torch.device) -> nn.Linear:
    """Build a layer with these weights, on the meta device first, without global random numbers."""
    n_outputs, n_inputs = weight.shape
    layer = nn.Linear(n_inputs, n_outputs, device="meta")
    layer.weight = nn.Parameter(weight.to(device, copy=True))
    layer.bias = nn.Parameter(bias.to(device, copy=True))
    return layer


def identity(inputs: Tensor) -> Tensor:
    """Return the inputs."""
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
