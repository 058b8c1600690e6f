"""What can be said of one trial from what is known of it: rules, stated plainly.

Each rule is a function that gives a sentence, or "" where it has nothing to say.
"""

from collections.abc import Sequence
from statistics import fmean

from sweep.analysis.floors import Floors, pca_equivalent
from sweep.analysis.verdict import floor_at
from sweep.catalogue.formats import change, count
from sweep.enums import Outcome
from sweep.store.records import CurvePoint, TrialRow

#: Epochs at the end of a curve that its trend is read from.
LAST = 3
#: A fall of the error by more than this share an epoch is one that more epochs would continue.
STILL_FALLING = 0.02
#: One by less than this is none.
_FLAT = 0.002
#: An error at the end so much above its lowest is more than noise.
RISEN = 0.03
#: The width is used up when as many principal components do as well as nearly all hidden units.
USED_UP = 0.9


def diagnose(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    floors: Floors | None = None,
    best_curve: Sequence[CurvePoint] = (),
) -> list[str]:
    """How the trial went and what held it back, in sentences.

    ``curve`` and ``best_curve``, that of the study's best trial, are means over seeds.
    """
    said = {
        "WAITING": [_waits(trial)],
        "RUNNING": [_progress(trial, curve)],
        "FAIL": [_failure(trial, curve)],
        "PRUNED": [_pruning(trial, curve, best_curve)],
    }.get(trial.state, [_trend(curve), _room(trial, floors)])
    return [sentence for sentence in (*said, _retries(trial), _pace(trial, curve)) if sentence]


def _waits(trial: TrialRow) -> str:
    return "It waits for a worker." if trial.attempt == 0 else "It waits to be trained again."


def _progress(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    epochs = trial.config.get("epochs")
    if not curve or not epochs:
        return "It is in its first epoch."
    rest = (epochs - len(curve)) * (_epoch_seconds(curve) or 0.0)
    left = f", about {_number(rest)} s to go" if rest else ""
    return f"{len(curve)} of {epochs} epochs are done{left}."


def _failure(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    reason = f" ({trial.reason.strip().rstrip('.')})" if trial.reason else ""
    if trial.outcome != Outcome.DIVERGED:
        return f"It failed{reason}: its numbers say nothing of the configuration."
    after = f" after {count(len(curve), 'epoch')}" if curve else " in its first epoch"
    optimizer, rate = trial.config.get("optimizer"), trial.config.get("learning_rate")
    advice = f" A lower learning rate than {_number(rate)} would help {optimizer}." if rate else ""
    return f"Training diverged{after}{reason}.{advice}"


def _pruning(trial: TrialRow, curve: Sequence[CurvePoint], best_curve: Sequence[CurvePoint]) -> str:
    if not curve or (error := curve[-1].val_mse) is None:
        return "It was pruned before its first epoch ended."
    epoch = curve[-1].epoch
    planned = trial.config.get("epochs")
    of = f" of {planned}" if planned else ""
    said = f"It was pruned after epoch {epoch}{of}, at a validation error of {_number(error)}"
    then = next((point.val_mse for point in best_curve if point.epoch == epoch), None)
    return f"{said}; the best trial had {_number(then)} then." if then else f"{said}."


def _trend(curve: Sequence[CurvePoint]) -> str:
    """Whether the error was still falling at the end, had settled, or had risen again."""
    errors = [point.val_mse for point in curve if point.val_mse]
    if len(errors) < 2:
        return ""
    lowest = min(errors)
    if errors[-1] > (1 + RISEN) * lowest:
        return (
            f"The validation error was lowest in epoch {errors.index(lowest) + 1} "
            f"({_number(lowest)}) and ended {change(errors[-1] / lowest - 1)} above that: "
            "it learned the training images at the others’ cost, or its steps are too large."
        )
    n_steps, fall = min(LAST, len(errors) - 1), fall_per_epoch(errors) or 0.0
    over = f"over the last {n_steps} epochs" if n_steps > 1 else "in the last epoch"
    if fall > STILL_FALLING:
        return (
            f"It was still improving at its end, by {change(fall)} an epoch {over}: "
            "more epochs would lower the error further."
        )
    if fall < _FLAT:
        return f"It had settled: the error changed by less than {change(_FLAT)} an epoch {over}."
    return f"It had nearly settled: the error fell by {change(fall)} an epoch {over}."


def fall_per_epoch(errors: Sequence[float]) -> float | None:
    """By which share the error fell an epoch over the last ones; None of one epoch alone."""
    n_steps = min(LAST, len(errors) - 1)
    if n_steps < 1 or errors[-1 - n_steps] <= 0:
        return None
    return 1.0 - float((errors[-1] / errors[-1 - n_steps]) ** (1 / n_steps))


def _room(trial: TrialRow, floors: Floors | None) -> str:
    """Whether the width or the training set the limit."""
    width, error = trial.hidden_width, trial.test_mse
    floor = None if floors is None else floor_at(floors, width)
    if floors is None or error is None or width is None or floor is None:
        return ""
    components = pca_equivalent(floors, error)
    if components == 0:
        return "It does no better than answering every image with the mean image."
    if error <= floor:
        return "It beats every linear code of its width: the nonlinear hidden units pay."
    # With as many units as pixels there is no floor: whatever the error is, room is not lacking.
    if components >= USED_UP * width and width < floors.n_inputs:
        return (
            f"It does as well as {components} principal components with {width} hidden units: "
            "the width sets the limit, and a wider layer has room to do better."
        )
    return (
        f"It does only as well as {components} principal components, with {width} hidden units: "
        "training sets the limit, not the width."
    )


def _retries(trial: TrialRow) -> str:
    if trial.attempt < 2:
        return ""
    return f"It was handed out {trial.attempt} times; what earlier attempts did was dropped."


def _pace(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    seconds, each = trial.train_seconds, _epoch_seconds(curve)
    if seconds is None:
        return ""
    an_epoch = f", {_number(each)} s an epoch" if each else ""
    return f"It trained for {_number(seconds)} s{an_epoch}."


def _epoch_seconds(curve: Sequence[CurvePoint]) -> float | None:
    known = [point.seconds for point in curve if point.seconds is not None]
    return fmean(known) if known else None


def _number(value: float) -> str:
    return f"{value:.3g}"
