"""Convert a slot's weights to and from the device's layout: one row per hidden unit."""

from typing import NamedTuple

from torch import Tensor

from sweep.trainer.initialisation import Weights


class RowWeights(NamedTuple):
    """The parameters of one slot. H hidden units, D inputs."""

    encoder: Tensor  # (H, D)
    encoder_bias: Tensor  # (H,)
    decoder: Tensor  # (H, D), transposed
    decoder_bias: Tensor  # (D,)

    @classmethod
    def of(cls, weights: Weights) -> "RowWeights":
        """Convert from PyTorch's layout."""
        return cls(
            encoder=weights.encoder_weight,
            encoder_bias=weights.encoder_bias,
            decoder=weights.decoder_weight.T.contiguous(),
            decoder_bias=weights.decoder_bias,
        )

    def as_weights(self) -> Weights:
        """Convert to PyTorch's layout."""
        return Weights(
            encoder_weight=self.encoder,
            encoder_bias=self.encoder_bias,
            decoder_weight=self.decoder.T.contiguous(),
            decoder_bias=self.decoder_bias,
        )
