"""Record every difference between the fused and the reference trainer that a worker checks."""

import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.contact.options import stage_parser
from benchmarks.contestants.fused import INTERPRETED
from benchmarks.fields import FULL, SMOKE, make_data, open_device
from benchmarks.records import Records
from sweep.trainer.fused.compiling import compile_kernels
from sweep.trainer.fused.selfcheck import TOLERANCES, TrainerDifference, compare_trainers


def main() -> None:
    options = stage_parser(__doc__).parse_args()
    sizes = SMOKE if options.smoke else FULL
    records, device = Records(options.json), open_device(smoke=options.smoke)
    data, batch_size = make_data(sizes, device), sizes.batch_size
    # A tile as wide as any trial: fewer programs for the interpreter.
    config = replace(INTERPRETED, units=128) if options.smoke else None
    if device.type == "cuda":
        begun = time.perf_counter()
        compile_kernels(data.train[: 2 * batch_size], batch_size=batch_size, precisions=TOLERANCES)
        records.add("compiled", seconds=time.perf_counter() - begun)
    begun = time.perf_counter()
    differences = compare_trainers(data, device, batch_size=batch_size, config=config)
    seconds = time.perf_counter() - begun
    for one in differences:
        records.add(
            "difference",
            precision=one.precision,
            name=one.name,
            said=str(one),
            relative=one.relative,
            allowed=one.allowed,
        )
    for precision in TOLERANCES:
        of_precision = [one for one in differences if one.precision == precision]
        records.add("checked", precision=precision, seconds=seconds, **worst(of_precision))


def worst(differences: Sequence[TrainerDifference]) -> dict[str, object]:
    """Return how many differences are too large, and the largest as a share of its limit."""
    return {
        "n": len(differences),
        "n_too_large": sum(one.too_large for one in differences),
        "largest_share": max(one.share for one in differences),
    }


if __name__ == "__main__":
    main()
