"""Time each configuration of the kernels and the default, on the same card.

   python -m benchmarks.variants 32 784 mix

Trains a full population of a field for a few epochs with each variant. Prints one line of JSON for
each variant and field, the default first. ``step_us`` is the device's time for a step: the median
over the epochs after the first, in which kernels are compiled. ``same`` says whether the weights
after the first epoch equal the default's bit by bit. ``differs`` is the largest relative difference
of its losses from the default's: blocks of other sizes sum in another order.

Options:

   --only NAME …   variants (all)
   --json FILE     append each result to it
   --smoke         tiny fields (9, mix) on the CPU, for the tests: needs TRITON_INTERPRET=1
"""

import gc
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.contact.options import stage_parser
from benchmarks.contestants.fused import admit, default_config, make_population
from benchmarks.fields import (
    FULL,
    SMOKE,
    Sizes,
    make_data,
    make_trials,
    open_device,
    without_validation,
)
from benchmarks.records import Records
from sweep.messages import EpochDone
from sweep.trainer.fused import KernelConfig

DEFAULT = "default"

#: Each variant and what it changes of the default, the most promising first.
VARIANTS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "graph variants": {"step_variants": True},
    "2 branches": {"branches": 2},
    "4 branches": {"branches": 4},
    "cheap loss": {"cheap_loss": True},
    "variants, 2 branches, cheap loss": {
        "step_variants": True,
        "branches": 2,
        "cheap_loss": True,
    },
    "chains of 16": {"chain_steps": 16},
    "chains of 430": {"chain_steps": 430},
    "96 registers": {"registers": 96},
    "4 warps": {"warps": 4, "registers": 255},
    "3 stages": {"single_block_stages": 3},
    "1 stage": {"single_block_stages": 1},
    "chains of 16, 16 outputs at a time": {"chain_steps": 16, "chain_outputs": 16},
    "32 outputs": {"outputs": 32},
}
#: Variants that differ only on a card, or that are part of another variant.
LEFT_OUT_OF_SMOKE = {
    "graph variants",
    "2 branches",
    "cheap loss",
    "96 registers",
    "4 warps",
    "3 stages",
    "1 stage",
    "chains of 430",
    "4 branches",
    "chains of 16, 16 outputs at a time",
    "32 outputs",
}
#: Number of epochs; the first is not timed.
N_EPOCHS = 4


class Trained(NamedTuple):
    """Times and numbers of a population."""

    #: All trials' weights after their first epoch, on the CPU.
    weights: list[Tensor]
    losses: list[float]
    step_us: float


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("fields", nargs="*", metavar="FIELD")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="NAME")
    options = parser.parse_args()
    sizes = SMOKE if options.smoke else FULL
    records, device = Records(options.json), open_device(smoke=options.smoke)
    skipped = LEFT_OUT_OF_SMOKE if options.smoke else set()
    chosen = {DEFAULT, *(options.only or VARIANTS)} - skipped
    expected: dict[str, Trained] = {}
    for name in [name for name in VARIANTS if name in chosen]:
        for field in options.fields or sizes.fields:
            config = replace(default_config(device), **VARIANTS[name])
            try:
                trained = train(field, config, sizes, device, 2 if options.smoke else N_EPOCHS)
            except Exception as error:  # too many registers, too much shared memory
                reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
                records.add("variant", variant=name, field=field, reason=reason)
            else:
                beside = expected.setdefault(field, trained)
                records.add("variant", variant=name, field=field, **compare(trained, beside))
            clean_up(device)


def train(
    field: str, config: KernelConfig, sizes: Sizes, device: torch.device, n_epochs: int
) -> Trained:
    """Train a field for some epochs, validating on one image."""
    trials = make_trials(field, sizes.fields[field], sizes)
    trainer = make_population(trials, without_validation(make_data(sizes, device)), device, config)
    for trial in trials:
        admit(trainer, trial)
    events = trainer.train_epoch()
    weights = [part for trial in trials for part in trainer.weights(trial.number)[0]]
    seconds = []
    for _ in range(n_epochs - 1):
        before = trainer.trained_seconds
        trainer.train_epoch()
        seconds.append(trainer.trained_seconds - before)
    trainer.close()
    losses = [e.metrics[0].train_loss for e in events if isinstance(e, EpochDone)]
    return Trained(weights, losses, median(seconds) / sizes.n_steps * 1e6)


def compare(trained: Trained, default: Trained) -> dict[str, object]:
    """Return a variant's record, relative to the default."""
    pairs = list(zip(trained.losses, default.losses, strict=True))
    return {
        "step_us": trained.step_us,
        "over_default": trained.step_us / default.step_us,
        "same": all(map(torch.equal, trained.weights, default.weights)),
        "differs": max(abs(one / other - 1) for one, other in pairs),
    }


def clean_up(device: torch.device) -> None:
    """Free the card's memory for the next variant."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
