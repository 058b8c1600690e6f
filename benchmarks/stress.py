"""Check that a population's numbers are bitwise reproducible with other work on the card.

   python -m benchmarks.stress --repeats 300

Every sum of the kernels has one order, so the same trials must give the same bits whatever else
runs; a race between threads, or a register that is overwritten too early, shows as a difference.
Measures the mix and trains its first epoch repeatedly while another stream multiplies matrices.
Also compares Z of wide and narrow trials with a float64 product of factors cut to tf32. Exits with
1 if anything differs.

   --repeats N   measurements (100); epochs are a hundredth of it, at least 1
   --tiny        three trials of two steps: for tools under which everything is slow
   --json FILE   append each result to it
   --smoke       tiny trials on the CPU, for the tests: needs TRITON_INTERPRET=1
"""

import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.contact.options import stage_parser
from benchmarks.contestants.fused import admit, make_population
from benchmarks.fields import FULL, MIX, SMOKE, TINY, Sizes, make_data, make_trials, open_device
from benchmarks.records import Records
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData
from sweep.trainer.fused import FusedTrainer

#: Largest error of Z relative to its norm, for sums of the same factors in another order.
Z_TOLERANCE = 1e-3

#: Matrix products of the other stream, in turn.
LOADS = (0, 20, 200)


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--tiny", action="store_true", help="three trials of two steps")
    options = parser.parse_args()
    sizes = SMOKE if options.smoke else TINY if options.tiny else FULL
    records, device = Records(options.json), open_device(smoke=options.smoke)
    data = make_data(sizes, device)
    trials = make_trials(MIX, sizes.fields[MIX], sizes)
    load = make_load(device)
    trainer = train(trials, data, device, load, 0)
    differs = [
        repeat(records, "measurement", options.repeats, lambda: measure(trainer), load),
        differs_from_float64(records, trainer, sizes),
        repeat(
            records,
            "training",
            max(1, options.repeats // 100),
            lambda: weights_of(train(trials, data, device, load, LOADS[-1])),
            load,
        ),
    ]
    sys.exit(any(differs))


def make_load(device: torch.device) -> Callable[[int], None]:
    """Return a function that multiplies matrices in a separate stream."""
    if device.type != "cuda":
        return lambda n: None
    stream = torch.cuda.Stream(device)
    factor = torch.randn(4096, 4096, device=device)

    def load(n: int) -> None:
        with torch.cuda.stream(stream):
            for _ in range(n):
                factor @ factor

    return load


def repeat(
    records: Records,
    what: str,
    n: int,
    numbers: Callable[[], Sequence[Tensor]],
    load: Callable[[int], None],
) -> bool:
    """Compute the numbers n times under load; return whether any differ."""
    first, n_different, example = numbers(), 0, None
    for i in range(n):
        load(LOADS[i % len(LOADS)])
        for which, (one, other) in enumerate(zip(first, numbers(), strict=True)):
            # NaN is the same as NaN.
            different = one.view(torch.uint8) != other.view(torch.uint8)
            if bool(different.any()):
                n_different += 1
                example = f"run {i}, array {which}: {int(different.sum())} bytes"
    records.add("repeated", of=what, n=n, different=n_different, example=example)
    return n_different > 0


def train(
    trials: Sequence[TrialSpec],
    data: DeviceData,
    device: torch.device,
    load: Callable[[int], None],
    n_products: int,
) -> FusedTrainer:
    """Return a population after its first epoch."""
    trainer = make_population(trials, data, device)
    for trial in trials:
        admit(trainer, trial)
    load(n_products)
    trainer.train_epoch()
    return trainer


def weights_of(trainer: FusedTrainer) -> list[Tensor]:
    """Return all trials' weights, on the CPU; closes the trainer."""
    found = [one for number in trainer.numbers for one in trainer.weights(number)[0]]
    trainer.close()
    return found


def measure(trainer: FusedTrainer) -> tuple[Tensor, Tensor]:
    """Return the report of the validation images, and Z of their last batch."""
    trials = tuple(trainer._trials.values())
    report = trainer._measure(trials, trainer._validation).report
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return report.clone(), trainer._population.arrays.z.clone()


def differs_from_float64(records: Records, trainer: FusedTrainer, sizes: Sizes) -> bool:
    """Compare Z of the last measured batch with float64.

    Return whether any trial's error is too large.
    """
    population, images = trainer._population, trainer.data.validation
    batch_size = population.shape.batch_size
    x = images[(len(images) - 1) // batch_size * batch_size :].double()
    cuts = trainer.device.type == "cuda"
    worst = 0.0
    for trial in list(trainer._trials.values())[:8]:
        (place,) = trial.places
        weights = trainer.weights(trial.spec.number)[0]
        factor = weights.encoder_weight.to(x.device)
        factor = round_to_tf32(factor) if cuts else factor.double()
        expected = x @ factor.T / 255 + weights.encoder_bias.to(x.device).double()
        tiles = population.arrays.z[list(place.tiles)].permute(1, 0, 2).reshape(batch_size, -1)
        found = tiles[: len(x), : place.hidden_width].double()
        relative = float((found - expected).norm() / expected.norm())
        records.add("encoded", hidden_width=place.hidden_width, relative=relative)
        worst = max(worst, relative)
    return not worst <= Z_TOLERANCE


def round_to_tf32(factor: Tensor) -> Tensor:
    """Round to the 10 fraction bits that tf32 products use, as float64."""
    return (factor.contiguous().view(torch.int32) & -8192).view(torch.float32).double()


if __name__ == "__main__":
    main()
