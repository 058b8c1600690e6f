"""Interface of a contestant: its start function, its requirements, and how it is timed."""

import importlib.util
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

import torch
import triton
from torch import Tensor

from benchmarks.fields import alike
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData

#: Trains an epoch in these orders (K, N); returns each trial's mean training loss on the host.
Epoch = Callable[[Tensor | None], list[float]]
#: (trials, data, device) -> an epoch function that can be called repeatedly.
Start = Callable[[Sequence[TrialSpec], DeviceData, torch.device], Epoch]
#: (trials, device) -> why a contestant cannot train them there, or None.
Need = Callable[[Sequence[TrialSpec], torch.device], str | None]


class Group(StrEnum):
    """Contestants that share a process; those that fork share none with those that load JAX."""

    SWEEP = "sweep"
    TORCH = "torch"
    TUTORIAL = "tutorial"
    JAX = "jax"


class Contestant(NamedTuple):
    """One way to train a field."""

    start: Start
    group: Group
    needs: tuple[Need, ...] = ()
    #: Slow: train some of the trials, for some of an epoch's steps.
    in_turn: bool = False
    part: bool = False
    #: Draws its own data orders, so it is given none.
    draws_orders: bool = False
    #: Trains all trials in the first one's order: their losses are not the reference trainer's.
    shares_order: bool = False
    #: Has a validation that can be timed separately.
    validates: bool = False
    #: Include validation in the time.
    whole: bool = False

    def why_not(self, trials: Sequence[TrialSpec], device: torch.device) -> str | None:
        """Return why it cannot train these trials on this device, or None."""
        reasons = (need(trials, device) for need in self.needs)
        return next((reason for reason in reasons if reason is not None), None)


def needs_cuda(_: Sequence[TrialSpec], device: torch.device) -> str | None:
    return None if device.type == "cuda" else "needs a CUDA device"


def needs_triton(_: Sequence[TrialSpec], device: torch.device) -> str | None:
    runs = device.type == "cuda" or triton.knobs.runtime.interpret
    return None if runs else "needs a CUDA device, or TRITON_INTERPRET=1"


def needs_equal(trials: Sequence[TrialSpec], _: torch.device) -> str | None:
    return None if alike(trials) else "needs equal trials"


def needs_different(trials: Sequence[TrialSpec], _: torch.device) -> str | None:
    return "equal trials: see jax" if alike(trials) else None


def needs_torchvision(_: Sequence[TrialSpec], __: torch.device) -> str | None:
    missing = [name for name in ("torchvision", "PIL") if importlib.util.find_spec(name) is None]
    return f"{missing[0]} is not installed" if missing else None


def needs_jax(_: Sequence[TrialSpec], device: torch.device) -> str | None:
    if importlib.util.find_spec("jax") is None:
        return "jax is not installed"
    import jax

    backend = jax.default_backend()
    return (
        None if (backend == "gpu") == (device.type == "cuda") else f"jax only finds the {backend}"
    )
