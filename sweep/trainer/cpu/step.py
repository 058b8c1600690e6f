"""Take a training step with gradients computed by hand.

Notation: B examples in a batch, D inputs, H hidden units, x (B, D) the pixels; W, V (H, D) and b, c
the layers' weights and biases. z = x W' + b, h = f(z), o = h V + c. With g = dL/do: dL/dV = h' g,
dL/dh = g V', dL/dz = f'(z) dL/dh, dL/dW = (dL/dz)' x; dL/db and dL/dc are the sums of dL/dz and g
over the examples. Pixels stay levels, 255 x, and the products apply the factor 1/255 at no cost.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.trainer.cpu import activations, losses
from sweep.trainer.cpu.losses import LEVEL, LossBuffers
from sweep.trainer.cpu.optimizers import OPTIMIZERS
from sweep.trainer.cpu.parameters import FlatParameters
from sweep.trainer.randomness import initial_weights


class Buffers(NamedTuple):
    """Intermediate results of a step on B examples."""

    bytes: Tensor  # (B, D) uint8
    levels: Tensor  # (B, D)
    inputs: Tensor  # (B, H), inputs of the hidden units
    hidden: Tensor  # (B, H)
    by_hidden: Tensor  # (B, H)
    logits: Tensor  # (B, D)
    outputs: Tensor  # (B, D)
    errors: Tensor  # (B, D)
    slopes: Tensor  # (B, D)
    ones: Tensor  # (B,)

    @property
    def loss(self) -> LossBuffers:
        """Return the buffers that the loss works in."""
        return LossBuffers(self.outputs, self.errors, self.slopes)

    def of_size(self, n_examples: int) -> "Buffers":
        """Return views of the same memory for a smaller batch."""
        if n_examples == len(self.levels):
            return self
        return Buffers(*(buffer[:n_examples] for buffer in self))


class ManualStep:
    """Training step with hand-written gradients, which allocates nothing of a batch's size."""

    def __init__(
        self,
        config: TrialConfig,
        seed: int,
        images: Tensor,  # (N, D) uint8
    ) -> None:
        initial = initial_weights(config, images.shape[1], seed)
        self._images = images
        self._config = config
        self._parameters = FlatParameters(initial)
        self.model = self._parameters.as_model(config)
        self._activation = activations.KERNELS[config.activation]
        self._loss = losses.KERNELS[config.loss]
        self._optimizer = OPTIMIZERS[config.optimizer](self._parameters, config)
        self._whole = _buffers(min(config.batch_size, len(images)), images.shape[1], config)

    def __call__(self, rows: Tensor, learning_rate: float) -> Tensor:
        """Update the parameters; return the mean loss before that, a scalar."""
        loss = self._gradients(rows, self._whole.of_size(len(rows)))
        self._optimizer.step(learning_rate)
        return loss

    def _gradients(self, rows: Tensor, buffers: Buffers) -> Tensor:
        """Return the loss; write all parameters' gradients to where the optimizer reads them."""
        parts, gradients = self._parameters.parts, self._parameters.gradients
        forward, backward = self._activation

        levels = buffers.levels.copy_(torch.index_select(self._images, 0, rows, out=buffers.bytes))
        z = torch.addmm(
            parts.encoder_bias, levels, parts.encoder.t(), alpha=LEVEL, out=buffers.inputs
        )
        h = forward(z, buffers.hidden)
        o = torch.addmm(parts.decoder_bias, h, parts.decoder, out=buffers.logits)

        loss, by_o, scale = self._loss(o, levels, buffers.loss, self._config)
        _sum_products(h, by_o, scale, out=gradients.decoder)
        _sum_examples(by_o, scale, buffers.ones, out=gradients.decoder_bias)
        by_h = torch.mm(by_o, parts.decoder.t(), out=buffers.by_hidden)
        by_z = backward(by_h, z, h)
        _sum_products(by_z, levels, scale * LEVEL, out=gradients.encoder)
        _sum_examples(by_z, scale, buffers.ones, out=gradients.encoder_bias)
        return loss


def _sum_products(
    by_unit: Tensor,  # (B, H)
    by_pixel: Tensor,  # (B, D)
    scale: float,
    *,
    out: Tensor,  # (H, D)
) -> None:
    """Compute a layer's gradient: ``scale`` times the sum over examples of outer products."""
    torch.addmm(out, by_unit.t(), by_pixel, beta=0.0, alpha=scale, out=out)


def _sum_examples(
    derivatives: Tensor,  # (B, K)
    scale: float,
    ones: Tensor,  # (B,)
    *,
    out: Tensor,  # (K,)
) -> None:
    """Compute a bias's gradient: ``scale`` times the sum of derivatives over examples."""
    torch.addmv(out, derivatives.t(), ones, beta=0.0, alpha=scale, out=out)


def _buffers(n_examples: int, n_inputs: int, config: TrialConfig) -> Buffers:
    by_pixel, by_unit = (n_examples, n_inputs), (n_examples, config.hidden_width)
    return Buffers(
        bytes=torch.empty(by_pixel, dtype=torch.uint8),
        levels=torch.empty(by_pixel),
        inputs=torch.empty(by_unit),
        hidden=torch.empty(by_unit),
        by_hidden=torch.empty(by_unit),
        logits=torch.empty(by_pixel),
        outputs=torch.empty(by_pixel),
        errors=torch.empty(by_pixel),
        slopes=torch.empty(by_pixel),
        ones=torch.ones(n_examples),
    )
