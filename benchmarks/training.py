"""Time the fused trainer and other ways to train small autoencoders, on one card.

    pip install -c constraints.txt -e . && pip install 'jax[cuda12]'   # jax is optional
    python -m benchmarks.training
    python -m benchmarks.training --widths 784 --only fused vmap jax

Each contestant trains the fields of trials of ``benchmarks.fields`` on the same made-up images of
Fashion-MNIST's sizes, in batches of 128 with Adam:

    fused          sweep's fused trainer: a full population, the next epoch always launched ahead
    fused-whole    the same with all that a study needs: validation, the test set, and new trials in
                   the slots of finished ones, a fifth of them every epoch
    reference      sweep's reference trainer
    jax            JAX: vmap over all trials and scan over an epoch's steps; one shape, one choice
    jax-shared     the same with one data order for all trials, so batches are not gathered for each
    jax-buckets    JAX for the mix: widths padded to the next power of 2, one group for each
    jax-padded     JAX for the mix: every width padded to 1024
    graph          the images on the device as bytes; a step captured as a CUDA graph and replayed
    eager          the same without the graph, torch.optim's fused Adam
    vmap           torch.func.vmap over all trials, which must be equal in shape
    vmap-compiled  the same through torch.compile
    tutorial-4     torchvision's loop: PIL images, ToTensor, a DataLoader with 4 persistent workers
    tutorial-0     the same without loader workers

The contestants of a field run in separate processes, one for each group (sweep, JAX, torch, the
tutorial), each with a time limit. Every result is written at once as a line of JSON, so a group
that fails or runs out of time affects neither the other groups nor its own earlier results.

A column gives the number of steps that were timed; the slow contestants' time is scaled to a full
epoch, and contestants that train one trial after another train one trial of a field, or eight of
the mix. The time is the median of repeats after a warm-up, and ends when the losses are on the
host, which means that the device has finished; "device" is the fused trainer's time by the device's
clock. Validation is excluded, except for one image in sweep's trainers, which always validate; it
is timed separately for "reference" and "fused", and included in "fused-whole". sweep's trainers
draw data orders in their time; the others get theirs before it. "first epoch" is the time from the
start to the losses of the first epoch, or of its timed part; only this column includes compilation.
"of floor" is the least memory traffic of a step (``Shape.step_bytes``) over the bandwidth of a
large copy in this run, over the time.

Before that, every contestant trains two trials of the field for a few steps: "differs" is the
relative difference of its mean loss from the reference trainer's; products are tf32, or float32 on
a CPU.

Finally ``benchmarks.whole`` measures what a user waits for: a worker's first epoch, and a study of
1,000 trials. This needs sweep with all its packages; the rest needs torch, Triton, numpy, psutil,
safetensors and Pillow, and torchvision for the tutorial's loop.

Options:

    --widths 32 mix    fields, of 32, 128, 784 and mix (all)
    --only fused jax   contestants (all)
    --slots N          trials of a field (512, 256, 84, and 256 of the mix)
    --steps N          timed steps of an epoch for the slow contestants (100)
    --repeats N        timed epochs, or parts of epochs, of which the median counts (5)
    --limit SECONDS    time limit of one group in one field (300)
    --json FILE        also append each result to this file
    --no-whole         leave out what a user waits for
    --smoke            tiny trials on the CPU, for the tests (fields 9 and mix): needs
                       TRITON_INTERPRET=1; its times mean nothing
"""

import argparse
import importlib.metadata
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton

from benchmarks.contestants import Group, contestants
from benchmarks.fields import (
    EPOCHS,
    FULL,
    SMOKE,
    Sizes,
    copy_bytes_per_second,
    make_data,
    make_trials,
    open_device,
)
from benchmarks.measuring import Bench, Timed
from benchmarks.records import Records, read_records
from benchmarks.whole import measure_all
from sweep.messages import TrialSpec
from sweep.trainer.fused import Shape


class Field(NamedTuple):
    """A set of trials, and each contestant's time or the reason why there is none."""

    name: str
    trials: list[TrialSpec]
    #: Lower bound of the time of a trial's epoch on this card.
    floor_seconds: float
    found: dict[str, Timed | str]


def main() -> None:
    options = _options()
    sizes = SMOKE if options.smoke else FULL
    device = open_device(smoke=options.smoke)
    if options.group is not None:
        _measure_group(options, sizes, device)
        return
    records = Records(options.json, echo=False)
    bandwidth = copy_bytes_per_second(sizes.copy_bytes, device)
    about = _about(device, bandwidth)
    records.add("about", **about)
    print("  ".join(f"{key} {value}" for key, value in about.items()))
    fields = []
    for name in options.widths or sizes.fields:
        trials = make_trials(name, options.slots or sizes.fields[name], sizes)
        field = Field(name, trials, floor_seconds(trials, sizes, bandwidth), {})
        for found in _contest(name, options, sizes):
            field.found.update(found)
            for contestant in found:
                records.add(
                    "contestant",
                    field=name,
                    contestant=contestant,
                    **_plain(field)["contestants"][contestant],
                )
        fields.append(field)
        _print(field, sizes)
    waited = {} if options.no_whole else measure_all(sizes, device)
    for name, found in waited.items():
        records.add(name, **found)
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
    line = {"benchmark": "training", **about, "smoke": options.smoke, **waited}
    print(json.dumps(line | {"fields": {field.name: _plain(field) for field in fields}}))


# Processes


def _contest(
    field: str, options: argparse.Namespace, sizes: Sizes
) -> Iterator[dict[str, Timed | str]]:
    """Measure a field's contestants, each group in a separate process.

    Yield the results of each group.
    """
    chosen = {
        name: contestant.group
        for name, contestant in contestants(sizes).items()
        if name in (options.only or [name])
    }
    for group in dict.fromkeys(chosen.values()):
        names = [name for name, of in chosen.items() if of is group]
        yield _run_group(field, names, group, options)


def _run_group(
    field: str, names: Sequence[str], group: Group, options: argparse.Namespace
) -> dict[str, Timed | str]:
    """Return what the group measured before it ended, and a reason for the rest."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        results.touch()
        command = [sys.executable, "-m", "benchmarks.training", "--group", group, "--only", *names]
        command += ["--field", field, "--json", str(results)]
        command += ["--steps", str(options.steps), "--repeats", str(options.repeats)]
        command += ["--slots", str(options.slots)] if options.slots else []
        command += ["--smoke"] if options.smoke else []
        try:
            code = subprocess.run(command, timeout=options.limit, stdout=sys.stderr).returncode
            reason = f"its process ended with exit status {code}"
        except subprocess.TimeoutExpired:
            reason = f"not done within {options.limit} s"
        found: dict[str, Timed | str] = dict.fromkeys(names, reason)
        for record in read_records(results):
            name, fields = record.pop("what"), record
            found[name] = fields["reason"] if "reason" in fields else Timed(**fields)
    return found


def _measure_group(options: argparse.Namespace, sizes: Sizes, device: torch.device) -> None:
    """Measure some contestants of one field in this process; write each result at once."""
    records = Records(options.json, echo=False)
    bench = Bench(
        sizes=sizes,
        data=make_data(sizes, device),
        device=device,
        n_part_steps=options.steps,
        repeats=options.repeats,
    )
    trials = make_trials(options.field, options.slots or sizes.fields[options.field], sizes)
    known = contestants(sizes)
    for name in options.only:
        records.note(f"{options.field}: {name}")
        outcome = bench.measure(known[name], trials)
        fields = {"reason": outcome} if isinstance(outcome, str) else outcome._asdict()
        records.add(name, **fields)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--widths", nargs="+", metavar="FIELD")
    parser.add_argument("--only", nargs="+", choices=list(contestants(FULL)))
    parser.add_argument("--slots", type=int, help="trials of a field")
    parser.add_argument("--steps", type=int, default=100, help="timed steps for slow contestants")
    parser.add_argument("--repeats", type=int, help="the median counts")
    parser.add_argument("--limit", type=float, default=300, help="time limit of a group in a field")
    parser.add_argument("--json", type=Path, help="append each result to this file")
    parser.add_argument("--no-whole", action="store_true", help="skip the worker and the study")
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU; times mean nothing")
    parser.add_argument("--group", choices=list(Group), help=argparse.SUPPRESS)
    parser.add_argument("--field", help=argparse.SUPPRESS)
    options = parser.parse_args()
    known = (SMOKE if options.smoke else FULL).fields
    if unknown := [name for name in options.widths or () if name not in known]:
        parser.error(f"no field {unknown[0]}. Known: {', '.join(known)}.")
    options.repeats = options.repeats or (1 if options.smoke else 5)
    return options


# Results


def floor_seconds(trials: Sequence[TrialSpec], sizes: Sizes, bytes_per_second: float) -> float:
    """Return the least memory traffic of a trial's epoch, on average, over the copy's bandwidth."""
    shape = Shape(
        n_train=sizes.n_steps * sizes.batch_size,
        n_inputs=sizes.height * sizes.width,
        batch_size=sizes.batch_size,
    )
    traffic = statistics.mean(shape.step_bytes(trial.config.hidden_width) for trial in trials)
    return sizes.n_steps * traffic / bytes_per_second


def _about(device: torch.device, bandwidth: float) -> dict[str, Any]:
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "torch": torch.__version__,
        "triton": triton.__version__,
        "jax": importlib.metadata.version("jax") if importlib.util.find_spec("jax") else None,
        "copy_gb_per_second": round(bandwidth / 1e9, 1),
    }


def _print(field: Field, sizes: Sizes) -> None:
    mean = statistics.mean(trial.config.hidden_width for trial in field.trials)
    print(
        f"\nH = {field.name}: {len(field.trials)} trials, mean width {mean:.0f}, the floor of an"
        f" epoch of {sizes.n_steps} steps {1000 * field.floor_seconds:.3f} ms a trial; trials/s are"
        f" those of {EPOCHS} epochs\n"
    )
    heads = ("ms/epoch", "device", "validation", "trials/s", "fused is", "of floor")
    print(
        f"{'':15}" + "".join(f"{head:>13}" for head in (*heads, "first epoch", "differs")), " timed"
    )
    for name, timed in field.found.items():
        if isinstance(timed, str):
            print(f"{name:15}  {timed}")
            continue
        scaled = ", scaled" if timed.n_steps < sizes.n_steps else ""
        cells = _cells(timed, _compare(field, name, timed))
        timed_over = f"{timed.n_trials} trials, {timed.n_steps} steps{scaled}"
        print(f"{name:15}" + "".join(f"{cell:>13}" for cell in cells) + f"  {timed_over}")
    sys.stdout.flush()


def _cells(timed: Timed, compared: "Compared") -> list[str]:
    return [
        f"{1000 * timed.seconds:.3f}",
        _or_dash(timed.device_seconds, lambda seconds: f"{1000 * seconds:.3f}"),
        _or_dash(timed.validation_seconds, lambda seconds: f"{1000 * seconds:.3f}"),
        f"{timed.trials_per_second:.3f}",
        _or_dash(compared.fused_is_faster, lambda ratio: f"{ratio:.2f} x"),
        f"{100 * compared.share_of_floor:.1f} %",
        f"{timed.first_epoch_seconds:.2f} s",
        _or_dash(compared.loss_differs, lambda share: f"{share:.0e}"),
    ]


def _or_dash(value: float | None, write: Callable[[float], str]) -> str:
    return "–" if value is None else write(value)


class Compared(NamedTuple):
    """A contestant's figures relative to the others of its field."""

    #: How many times as fast the fused trainer is; None without a time of the fused trainer.
    fused_is_faster: float | None
    share_of_floor: float
    #: Relative distance from the reference trainer's losses; None if that did not run, or if the
    #: contestant trains in another order.
    loss_differs: float | None


def _compare(field: Field, name: str, timed: Timed) -> Compared:
    ours, truth = (_time_of(field.found.get(other)) for other in ("fused", "reference"))
    if contestants(FULL)[name].shares_order:
        truth = None
    return Compared(
        fused_is_faster=timed.seconds / ours.seconds if ours else None,
        share_of_floor=field.floor_seconds / timed.seconds,
        loss_differs=max(
            abs(one / other - 1) for one, other in zip(timed.losses, truth.losses, strict=True)
        )
        if truth
        else None,
    )


def _time_of(found: Timed | str | None) -> Timed | None:
    return found if isinstance(found, Timed) else None


def _plain(field: Field) -> dict[str, Any]:
    def one(name: str, timed: Timed | str) -> dict[str, Any]:
        if isinstance(timed, str):
            return {"reason": timed}
        rate = {"trials_per_second": timed.trials_per_second}
        return timed._asdict() | rate | _compare(field, name, timed)._asdict()

    return {
        "n_trials": len(field.trials),
        "mean_hidden_width": statistics.mean(trial.config.hidden_width for trial in field.trials),
        "floor_seconds": field.floor_seconds,
        "contestants": {name: one(name, timed) for name, timed in field.found.items()},
    }


if __name__ == "__main__":
    main()
