"""Write sentences about one trial: what limits it, how its training went.

Each rule is a function that returns a sentence, or "" if it does not apply.
"""

from collections.abc import Sequence
from statistics import fmean

from sweep.analysis.diagnosis import RISEN, Diagnosis, Limit
from sweep.analysis.floors import Floors, pca_equivalent
from sweep.analysis.verdict import floor_at
from sweep.catalogue.formats import change, count, duration, number, value
from sweep.enums import Outcome, Output
from sweep.store.records import CurvePoint, TrialRow


def training_sentences(
    trial: TrialRow,
    curve: Sequence[CurvePoint],
    floors: Floors | None = None,
    best_curve: Sequence[CurvePoint] = (),
    diagnosis: Diagnosis | None = None,
) -> list[str]:
    """Describe how the training went and what limited it.

    ``curve`` and ``best_curve``, that of the study's best trial, are means over seeds. The content
    of ``limit_sentence`` about the ``diagnosis`` is not repeated.
    """
    limit = diagnosis.limit if diagnosis else None
    ended = [_trend(curve, limit), _beside_pca(trial, floors, limit), _gap(diagnosis)]
    said = {
        "WAITING": [_wait(trial)],
        "RUNNING": [_progress(trial, curve)],
        "FAIL": [_failure(trial, curve)],
        "PRUNED": [_describe_pruning(trial, curve, best_curve)],
    }.get(trial.state, ended)
    return [sentence for sentence in (*said, _retries(trial), _pace(trial, curve)) if sentence]


def _wait(trial: TrialRow) -> str:
    return "It waits for a worker." if trial.attempt == 0 else "It waits to be trained again."


def _progress(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    epochs = trial.config.get("epochs")
    if not curve or not epochs:
        return "It is in its first epoch."
    rest = (epochs - len(curve)) * (_epoch_seconds(curve) or 0.0)
    left = f", about {duration(rest)} left" if rest else ""
    return f"{len(curve)} of {epochs} epochs are done{left}."


def _failure(trial: TrialRow, curve: Sequence[CurvePoint]) -> str:
    reason = f" ({trial.reason.strip().rstrip('.')})" if trial.reason else ""
    if trial.outcome != Outcome.DIVERGED:
        return f"It failed{reason}, which says nothing about the configuration."
    after = f" after {count(len(curve), 'epoch')}" if curve else " in its first epoch"
    optimizer, rate = trial.config.get("optimizer"), trial.config.get("learning_rate")
    advice = f" A learning rate below {value(rate)} may help {optimizer}." if rate else ""
    return f"Training diverged{after}{reason}.{advice}"


def _describe_pruning(
    trial: TrialRow, curve: Sequence[CurvePoint], best_curve: Sequence[CurvePoint]
) -> str:
    if not curve or (error := curve[-1].val_mse) is None:
        return "It was pruned before its first epoch ended."
    epoch = curve[-1].epoch
    planned = trial.config.get("epochs")
    of = f" of {planned}" if planned else ""
    said = f"It was pruned after epoch {epoch}{of}, at a validation error of {number(error)}"
    then = next((point.val_mse for point in best_curve if point.epoch == epoch), None)
    return f"{said}; the best trial had {number(then)} then." if then else f"{said}."


def _trend(curve: Sequence[CurvePoint], limit: Limit | None) -> str:
    """Say whether the error had risen again at the end."""
    errors = [point.val_mse for point in curve if point.val_mse]
    lowest = min(errors, default=0.0)
    if len(errors) < 2 or limit is Limit.OVERFITS or errors[-1] <= (1 + RISEN) * lowest:
        return ""
    return (
        f"The validation error was lowest in epoch {errors.index(lowest) + 1} "
        f"({number(lowest)}) and ended {change(errors[-1] / lowest - 1)} above that."
    )


def _beside_pca(trial: TrialRow, floors: Floors | None, limit: Limit | None) -> str:
    """Say how many components PCA needs for the same error."""
    width, error = trial.hidden_width, trial.test_mse
    floor = None if floors is None else floor_at(floors, width)
    if floors is None or error is None or width is None or floor is None:
        return ""
    components = pca_equivalent(floors, error)
    if components == 0:
        return "" if limit is Limit.WORSE_THAN_MEAN else "It is no better than the mean image."
    is_bounded = trial.config.get("output_activation") == Output.SIGMOID
    no_floor = "; PCA is no lower bound of sigmoid outputs" if is_bounded else ""
    if error <= floor:
        return f"It beats PCA with as many components as it has hidden units{no_floor}."
    if limit is Limit.STUCK:
        return ""
    return (
        f"It is as good as PCA with {count(components, 'component')}, with "
        f"{count(width, 'hidden unit')}{no_floor}."
    )


def _gap(diagnosis: Diagnosis | None) -> str:
    """Compare the loss on test images with that on training images."""
    gap = None if diagnosis is None else diagnosis.loss_gap
    if diagnosis is None or gap is None or diagnosis.limit is Limit.OVERFITS:
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
