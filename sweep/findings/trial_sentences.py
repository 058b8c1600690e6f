"""Sentences about one trial: what limits it, how its training went.

Each rule is a function that returns a sentence, or "" where it has nothing to say.
"""

from collections.abc import Sequence
from statistics import fmean

from sweep.analysis.diagnosis import (
    RISEN,
    STILL_FALLING,
    USED_UP,
    Diagnosis,
    Limit,
    fall_per_epoch,
    last_epochs,
)
from sweep.analysis.floors import Floors, pca_equivalent
from sweep.analysis.verdict import floor_at
from sweep.catalogue.formats import change, count, duration, number, value
from sweep.enums import Outcome
from sweep.store.records import CurvePoint, TrialRow

#: The error has settled when it falls by a smaller share per epoch.
_FLAT = 0.002
#: Labels that say that it has.
_SETTLED = (Limit.CAPACITY, Limit.LOSS_FLOOR, Limit.OPTIMISATION)


def limit_sentence(diagnosis: Diagnosis) -> str:
    """Say what limits a trial; nothing where that is not known."""
    return f"Limited by {diagnosis.limit}: {diagnosis.because}." if diagnosis.limit else ""


def training_sentences(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    floors: Floors | None = None,
    best_curve: Sequence[CurvePoint] = (),
    diagnosis: Diagnosis | None = None,
) -> list[str]:
    """Say how the training went and what held it back.

    ``curve`` and ``best_curve``, that of the study's best trial, are means over seeds. What
    ``limit_sentence`` says of the ``diagnosis`` is not repeated.
    """
    limit = diagnosis.limit if diagnosis else None
    said = {
        "WAITING": [_wait(trial)],
        "RUNNING": [_progress(trial, curve)],
        "FAIL": [_failure(trial, curve)],
        "PRUNED": [_pruning(trial, curve, best_curve)],
    }.get(trial.state, [_trend(curve, limit), _room(trial, floors, limit), _gap(diagnosis)])
    return [sentence for sentence in (*said, _retries(trial), _pace(trial, curve)) if sentence]


def _wait(trial: TrialRow) -> str:
    return "It waits for a worker." if trial.attempt == 0 else "It waits to be trained again."


def _progress(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    epochs = trial.config.get("epochs")
    if not curve or not epochs:
        return "It is in its first epoch."
    rest = (epochs - len(curve)) * (_epoch_seconds(curve) or 0.0)
    left = f", about {duration(rest)} to go" if rest else ""
    return f"{len(curve)} of {epochs} epochs are done{left}."


def _failure(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    reason = f" ({trial.reason.strip().rstrip('.')})" if trial.reason else ""
    if trial.outcome != Outcome.DIVERGED:
        return f"It failed{reason}, which says nothing about the configuration."
    after = f" after {count(len(curve), 'epoch')}" if curve else " in its first epoch"
    optimizer, rate = trial.config.get("optimizer"), trial.config.get("learning_rate")
    advice = f" A learning rate below {value(rate)} may help {optimizer}." if rate else ""
    return f"Training diverged{after}{reason}.{advice}"


def _pruning(trial: TrialRow, curve: Sequence[CurvePoint], best_curve: Sequence[CurvePoint]) -> str:
    if not curve or (error := curve[-1].val_mse) is None:
        return "It was pruned before its first epoch ended."
    epoch = curve[-1].epoch
    planned = trial.config.get("epochs")
    of = f" of {planned}" if planned else ""
    said = f"It was pruned after epoch {epoch}{of}, at a validation error of {number(error)}"
    then = next((point.val_mse for point in best_curve if point.epoch == epoch), None)
    return f"{said}; the best trial had {number(then)} then." if then else f"{said}."


def _trend(curve: Sequence[CurvePoint], limit: Limit | None) -> str:
    """Whether the error was still falling at the end, had settled, or had risen again."""
    errors = [point.val_mse for point in curve if point.val_mse]
    if len(errors) < 2 or limit is Limit.BUDGET:
        return ""
    lowest = min(errors)
    if errors[-1] > (1 + RISEN) * lowest:
        return (
            f"The validation error was lowest in epoch {errors.index(lowest) + 1} "
            f"({number(lowest)}) and ended {change(errors[-1] / lowest - 1)} above that: "
            "the network overfits, or its steps are too large."
        )
    fall, when = fall_per_epoch(errors) or 0.0, last_epochs(errors)
    if fall > STILL_FALLING:
        return (
            f"It was still improving at the end, by {change(fall)} per epoch {when}: "
            "more epochs would lower the error further."
        )
    is_flat = fall < _FLAT
    moved = f"changed by less than {change(_FLAT)}" if is_flat else f"fell by {change(fall)}"
    said = f"error {moved} per epoch {when}."
    if limit in _SETTLED:
        return f"The {said}"
    return f"It had {'settled' if is_flat else 'nearly settled'}: the {said}"


def _room(trial: TrialRow, floors: Floors | None, limit: Limit | None) -> str:
    """Whether the width or the training sets the limit."""
    width, error = trial.hidden_width, trial.test_mse
    floor = None if floors is None else floor_at(floors, width)
    if floors is None or error is None or width is None or floor is None:
        return ""
    components = pca_equivalent(floors, error)
    if components == 0:
        return "It does no better than the mean image."
    if error <= floor:
        return "It beats PCA with as many components as it has hidden units."
    if limit in (Limit.CAPACITY, Limit.OPTIMISATION):
        return ""
    as_well = f"as well as PCA with {count(components, 'component')}"
    units = count(width, "hidden unit")
    # With as many units as pixels there is no floor: the width never limits the error.
    if components >= USED_UP * width and width < floors.n_inputs:
        return (
            f"It does {as_well}, with {units}: "
            "the width sets the limit, and a wider layer has room to do better."
        )
    return f"It does only {as_well}, with {units}: training sets the limit, not the width."


def _gap(diagnosis: Diagnosis | None) -> str:
    """How much worse the loss is on test images than on training images."""
    gap = None if diagnosis is None else diagnosis.loss_gap
    if diagnosis is None or gap is None or diagnosis.limit is Limit.GENERALISATION:
        return ""
    return (
        f"The excess loss is {number(gap, 2)} times as high on test images as on training images."
    )


def _retries(trial: TrialRow) -> str:
    if trial.attempt < 2:
        return ""
    return f"It took {trial.attempt} attempts; the results of earlier ones were discarded."


def _pace(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    seconds, each = trial.train_seconds, _epoch_seconds(curve)
    if seconds is None:
        return ""
    per_epoch = f", {duration(each)} per epoch" if each else ""
    return f"Training took {duration(seconds)}{per_epoch}."


def _epoch_seconds(curve: Sequence[CurvePoint]) -> float | None:
    known = [point.seconds for point in curve if point.seconds is not None]
    return fmean(known) if known else None
