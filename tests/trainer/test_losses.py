"""Binary cross-entropy of ours beside torch's."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sweep.trainer.losses import BceWithLogits, bce_sum

#: Logits at which sigmoid rounds to 0 or 1, exp overflows, or nothing special happens.
EXTREMES = (0.0, 1e-30, 1e-4, 1.0, 8.0, 16.5, 17.5, 30.0, 88.0, 104.0, 1e4, 1e30)


def extremes() -> tuple[Tensor, Tensor]:
    """Every extreme logit of either sign with dark, grey and white pixels; (24, 3) each."""
    logits = torch.tensor(EXTREMES)
    pixels = torch.tensor([0.0, 100 / 255, 1.0])
    return torch.cat([logits, -logits])[:, None].expand(-1, 3).clone(), pixels.expand(24, 3).clone()


def spread() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.empty(128, 784).normal_(0.0, 6.0, generator=generator)
    return logits, torch.rand(128, 784, generator=generator)


@pytest.mark.parametrize("made", [extremes, spread])
def test_each_value_is_the_formulas_to_rounding(made: object) -> None:
    logits, pixels = made()  # type: ignore[operator]
    ours = torch.vmap(BceWithLogits.apply)(logits.flatten(), pixels.flatten())
    exact = functional.binary_cross_entropy_with_logits(
        logits.double(), pixels.double(), reduction="none"
    )
    # Rounded where max(o, 0) and o x are subtracted; torch's own values are as far off.
    off = (ours - exact.flatten()).abs() / logits.abs().clamp(min=1.0).flatten()
    assert float(off.max()) < 1.5e-7


def test_the_mean_is_torchs() -> None:
    torchs = functional.binary_cross_entropy_with_logits(*spread())
    assert float(BceWithLogits.apply(*spread())) == pytest.approx(float(torchs), rel=1e-7)


@pytest.mark.parametrize("made", [extremes, spread])
def test_the_gradient_is_torchs(made: object) -> None:
    logits, pixels = made()  # type: ignore[operator]
    ours, torchs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    BceWithLogits.apply(ours, pixels).backward()
    functional.binary_cross_entropy_with_logits(torchs, pixels).backward()
    assert ours.grad is not None and torchs.grad is not None
    torch.testing.assert_close(ours.grad, torchs.grad, rtol=0.0, atol=1e-7 / logits.numel())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_is_no_finite_loss(value: float) -> None:
    logits = torch.tensor([[0.0, value]])
    assert not torch.isfinite(BceWithLogits.apply(logits, torch.zeros(1, 2)))
    assert not torch.isfinite(bce_sum(logits.clone(), torch.sigmoid(logits), torch.zeros(1, 2)))


@pytest.mark.parametrize("shape", [(128, 784), (7, 36), (1, 1), (127, 1), (1000, 3)])
@pytest.mark.parametrize("deviation", [0.01, 4.0, 30.0])
def test_the_sum_is_torchs(shape: tuple[int, int], deviation: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.empty(shape).normal_(0.0, deviation, generator=generator)
    pixels = torch.rand(shape, generator=generator)
    expected = functional.binary_cross_entropy_with_logits(
        logits.double(), pixels.double(), reduction="sum"
    )
    got = bce_sum(logits.clone(), torch.sigmoid(logits), pixels)
    assert float(got) == pytest.approx(float(expected), rel=3e-7)


def test_the_sum_at_extreme_logits_is_torchs() -> None:
    logits, pixels = (one[:-1] for one in extremes())
    expected = functional.binary_cross_entropy_with_logits(logits, pixels, reduction="none")
    for o, x, value in zip(logits, pixels, expected, strict=True):
        got = bce_sum(o[None].clone(), torch.sigmoid(o)[None], x[None])
        assert float(got) == pytest.approx(float(value.sum()), rel=1e-6, abs=3e-7)
