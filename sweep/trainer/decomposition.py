"""Decompose a trained network: effective ranks, and the singular values of a linear one.

Notation: N images of D pixels, H hidden units; sigma_1 >= sigma_2 >= ... the singular values of a
matrix. Its effective rank is exp(-sum_i p_i ln p_i) with p_i = sigma_i / sum_j sigma_j (Roy and
Vetterli 2007, "The effective rank: a measure of effective dimensionality", definition 1): 1 if all
lies in one direction, r if r directions have equal parts. In a deep network, the ranks are those of
the two layers adjacent to the code.
"""

import functools

import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.enums import Activation, Output
from sweep.messages import Decomposition
from sweep.trainer.data import as_floats, batches
from sweep.trainer.model import Autoencoder

#: For values up to 1 in float32, a smaller variance is rounding.
_ROUNDING = 1e-12


@torch.no_grad()
def decompose(
    model: Autoencoder,
    images: Tensor,  # (N, D) uint8, where the model is
    config: TrialConfig,
) -> Decomposition | None:
    """Decompose the error of a network of finite weights; None if its code is not finite."""
    code = codes(model, images)
    if not bool(torch.isfinite(code).all()):
        return None
    is_linear = config.activation is Activation.LINEAR and config.output_activation is Output.LINEAR
    encoder, decoder = (
        [layer.weight.double() for layer in layers]
        for layers in (model.encoder_layers, model.decoder_layers)
    )
    return Decomposition(
        code_rank=effective_rank(code_variances(code)),
        encoder_rank=effective_rank(singular_values(encoder[-1])),
        decoder_rank=effective_rank(singular_values(decoder[0])),
        end_to_end=tuple(end_to_end(_product(encoder), _product(decoder)).tolist())
        if is_linear
        else None,
    )


@torch.no_grad()
def codes(model: Autoencoder, images: Tensor) -> Tensor:
    """Compute the hidden units' outputs (N, H) float32 of images (N, D) uint8."""
    return torch.cat([model.activation(model.encoder(as_floats(b))) for b in batches(images)])


def code_variances(code: Tensor) -> Tensor:
    """Return the eigenvalues (H,) of a code's covariance, ascending, divided by its largest square.

    The code is (N, H). Products are float32, which takes a tenth of the time; the loss of precision
    is negligible in an effective rank.
    """
    largest = code.abs().max()
    scaled = code / largest if largest > 0 else code
    centred = scaled - scaled.mean(dim=0)
    covariance = (centred.T @ centred).double() / len(code)
    variances = torch.linalg.eigvalsh(covariance)
    return torch.where(variances > _ROUNDING, variances, 0.0)


def singular_values(matrix: Tensor) -> Tensor:
    """Compute a float64 matrix's singular values, ascending, from its smaller Gram matrix.

    Values below about 1e-8 of the largest are rounding; they are negligible in an effective rank.
    """
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    squares: Tensor = torch.linalg.eigvalsh(gram)
    return squares.clamp_(min=0.0).sqrt_()


def end_to_end(
    encoder: Tensor,  # (H, D) float64
    decoder: Tensor,  # (D, H) float64
) -> Tensor:
    """Return the singular values (min(H, D),) of decoder @ encoder, the largest first."""
    _, outer = torch.linalg.qr(decoder, mode="r")
    _, inner = torch.linalg.qr(encoder.T, mode="r")
    values: Tensor = torch.linalg.svdvals(outer @ inner.T)
    return values


def _product(layers: list[Tensor]) -> Tensor:
    """Multiply the matrices of consecutive layers."""
    return functools.reduce(lambda before, layer: layer @ before, layers)


def effective_rank(values: Tensor) -> float:
    """Compute the effective rank of a matrix with these singular values; 0 where all are 0."""
    total = values.sum()
    if not total > 0:
        return 0.0
    shares = values / total
    return float(torch.special.entr(shares).sum().exp())
