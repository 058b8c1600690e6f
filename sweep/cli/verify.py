"""Command verify: train a trial again, and check whether the result is the same."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.options import Json, Number, Storage, StudyName
from sweep.cli.output import say, section, show_json, show_pairs
from sweep.coordinator.replay import Agreement, TraceDifference
from sweep.coordinator.verify import Verification, VerifyOptions
from sweep.coordinator.verify import verify as verify_trial
from sweep.enums import Trainer
from sweep.store.migrate import open_store

#: Exit code for a different result.
OTHERWISE = 11
#: What is said in other words, and what is too long to say.
_NO_JSON = ("comparison", "weights")


def verify(
    name: StudyName,
    number: Number,
    gpus: Annotated[
        str | None,
        typer.Option(
            metavar="cpu|0", help="Train on this device.", show_default="as the trial was trained"
        ),
    ] = None,
    trainer: Annotated[
        Trainer | None,
        typer.Option(
            "--trainer", help="Train with this trainer.", show_default="as the trial was trained"
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="RATIO",
            min=0.0,
            max=1.0,
            help="Maximum relative difference of a number (of shares such as "
            "exact_pixel_share: their difference).",
        ),
    ] = 1e-3,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Train a trial again, from its settings and seeds, and compare every epoch and test result.

    The verdict is "equal" (bit for bit), "within tolerance", or "diverged", with the epoch. Says
    too when data, code, versions or the device are others than are on record. Writes nothing. Exits
    with 11 when it diverged.
    """
    options = VerifyOptions(gpus=gpus, trainer=trainer, tolerance=tolerance)
    found = verify_trial(open_store(storage), name, number, options, say=say)
    if as_json:
        show_json(_as_json(found))
    else:
        _show(name, found)
    if found.comparison.agreement is Agreement.DIVERGED:
        raise typer.Exit(OTHERWISE)


def _as_json(found: Verification) -> dict[str, Any]:
    comparison = found.comparison
    return {
        **{key: value for key, value in asdict(found).items() if key not in _NO_JSON},
        "agreement": comparison.agreement,
        "tolerance": comparison.tolerance,
        "n_numbers": comparison.n_numbers,
        "first": comparison.first and comparison.first._asdict(),
        "largest": comparison.largest and comparison.largest._asdict(),
    }


def _show(name: str, found: Verification) -> None:
    seeds = words.count(found.n_seeds, "seed")
    pairs = {
        "trial": f"{found.number} of study '{name}'",
        "trained": f"{found.trainer} trainer on {found.device} ({found.device_name})",
        "compared": f"{words.count(found.comparison.n_numbers, 'number')}: "
        f"{words.count(found.n_epochs, 'epoch')} of {seeds}, and the test results",
        "verdict": _verdict(found),
    }
    show_pairs(pairs)
    others = (line.partition(": ") for line in found.differs)
    section("Different from the record", {what: how for what, _, how in others})


def _verdict(found: Verification) -> str:
    comparison = found.comparison
    if comparison.first is not None:
        where = "in the test results"
        if comparison.first.epoch is not None:
            where = f"at epoch {comparison.first.epoch}"
        return (
            f"diverged {where}: {_describe(comparison.first)}; tolerance {comparison.tolerance:g}"
        )
    if comparison.largest is not None:
        most = f"at most {comparison.largest.size:.2g} different ({_describe(comparison.largest)})"
        return f"within tolerance {comparison.tolerance:g}: {most}"
    return "equal, bit for bit"


def _describe(difference: TraceDifference) -> str:
    then, now = (words.number(n, 8) for n in (difference.stored, difference.again))
    return f"{difference.metric} of seed {difference.seed_index} was {then}, is {now}"
