"""show: everything about one trial."""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from sweep.catalogue.metrics import MEASURED
from sweep.catalogue.settings import by_setting, in_use
from sweep.cli import words
from sweep.cli.options import Json, Number, Storage, StudyName, stored_study
from sweep.cli.output import section, show_json, show_pairs, show_titled_table
from sweep.cli.records import trial_json
from sweep.enums import Outcome

if TYPE_CHECKING:
    from sweep.analysis.diagnosis import Diagnosis
    from sweep.analysis.floors import BesideFloors
    from sweep.store.records import CurvePoint, EventRow, SeedResult, TrialDetail


def show(name: StudyName, number: Number, storage: Storage = None, as_json: Json = False) -> None:
    """Show everything about one trial: settings, metrics, learning curve, events, notes."""
    from sweep.analysis.diagnosis import diagnose
    from sweep.analysis.floors import beside_floors
    from sweep.analysis.study_floors import study_floors
    from sweep.store.records import mean_diagnostics

    study = stored_study(name, storage)
    trial = study.trial(number)
    curve = study.curves([number]).get(number, [])
    floors = study_floors(study) if trial.test_mse is not None else None
    beside = (
        beside_floors(floors, trial.hidden_width, trial.test_mse, trial.test_bce)
        if floors
        else None
    )
    diagnosis = diagnose(trial, curve, mean_diagnostics(trial.results), floors)
    if as_json:
        about = {
            "artifact_id": trial.artifact_id,
            "results": trial.results,
            "decomposition": trial.decomposition,
            "probe": trial.probe,
            "beside_floors": beside,
            "diagnosis": diagnosis,
        }
        history = {"notes": trial.notes, "events": trial.events}
        show_json({**trial_json(trial), **about, "curve": curve, **history})
        return
    show_pairs({"trial": f"{number} of study '{name}'", **_summary(trial)})
    section("Settings", _settings(trial))
    section("Measured", _metrics(trial))
    if trial.per_class_mse:
        from sweep.datasets import class_names

        classes = class_names(study.record().dataset)
        section("Test error by class", _by_class(trial.per_class_mse, classes))
    if beside is not None:
        section("Beside the floors", _beside(beside))
    if said := _ending(diagnosis):
        section("What limits it", said)
    if len(trial.results) > 1:
        show_titled_table("Seeds", _SEED_HEADER, map(_seed_cells, trial.results), left=0)
    if networks := [_network_cells(result) for result in trial.results if result.diagnostics]:
        show_titled_table("Networks", _NETWORK_HEADER, networks, left=0)
    if trial.decomposition is not None:
        section("Inside the first seed's network", _inside(trial.decomposition))
    elif trial.artifact_id is not None and trial.probe is None:
        command = f"sweep analyse {quote(name)} {number}"
        section("Inside the first seed's network", {"not analysed yet": f"`{command}` does it"})
    if trial.probe is not None:
        table = [_told_cells(kind, trial.probe[kind]) for kind in ("code", "pca", "pixels")]
        show_titled_table("Labels told right", _TOLD_HEADER, table, left=1)
    if curve:
        show_titled_table("Learning curve", _CURVE_HEADER, map(_curve_cells, curve), left=0)
    if trial.notes:
        section("Notes", {words.moment(note.created_at): note.text for note in trial.notes})
    if trial.events:
        show_titled_table("Events", _EVENT_HEADER, map(_event_cells, trial.events), left=4)


def _summary(trial: "TrialDetail") -> dict[str, str]:
    invalid = f"left out: {trial.invalid_reason or 'no reason given'}" if trial.invalid else ""
    pairs = {
        "state": trial.state.lower() + (f", {trial.outcome}" if trial.outcome in _FINER else ""),
        "reason": trial.reason or "",
        "invalid": invalid,
        "value": ", ".join(words.number(value, 6) for value in trial.values),
        "began": words.moment(trial.datetime_start),
        "ended": words.moment(trial.datetime_complete),
        "attempt": words.text(trial.attempt or None),
        "worker": trial.worker or "",
        "weights": "kept" if trial.artifact_id else "not kept",
        "tags": ", ".join(trial.tags),
    }
    return {name: said for name, said in pairs.items() if said not in ("", words.NOTHING)}


#: Outcomes that say more than the state.
_FINER = (Outcome.DIVERGED, Outcome.REUSED, Outcome.TIMED_OUT)


def _settings(trial: "TrialDetail") -> dict[str, str]:
    """What made the trial; what the sampler chose is marked."""
    searched = by_setting(trial.params)
    known = in_use({**searched, **trial.config})
    said = {
        name: words.text(value) + ("  (searched)" if name in searched else "")
        for name, value in known.items()
    }
    return said | ({"seeds": ", ".join(map(str, trial.seeds))} if trial.seeds else {})


def _metrics(trial: "TrialDetail") -> dict[str, str]:
    said = {metric.name: words.measured(trial, metric.name) for metric in MEASURED}
    return {name: text for name, text in said.items() if text != words.NOTHING}


def _by_class(errors: Sequence[float], classes: Sequence[str]) -> dict[str, str]:
    """By what the labels mean; by the labels themselves where nobody knows, as of a folder."""
    names = classes if len(classes) == len(errors) else [str(of) for of in range(len(errors))]
    return {of: words.number(error, 4) for of, error in zip(names, errors, strict=True)}


def _beside(beside: "BesideFloors") -> dict[str, str]:
    """What no model of its kind can beat, and how far above that the trial is."""
    components = beside.pca_components
    said = {
        "PCA at its width": words.number(beside.pca_floor, 5),
        "error over that": f"{words.number(beside.times_floor, 3)} times",
        "as good as PCA with": words.NOTHING
        if components is None
        else words.count(components, "component"),
        "bce above its floor": f"{words.number(beside.bce_above_floor, 4)} nats",
    }
    return {name: text for name, text in said.items() if not text.startswith(words.NOTHING)}


def _ending(diagnosis: "Diagnosis") -> dict[str, str]:
    """The label with its reason, and how the curves ended."""
    fall = diagnosis.fall_per_epoch
    said = {}
    if diagnosis.limit:
        said["limited by"] = f"{diagnosis.limit}: {diagnosis.because}"
    if fall is not None:
        went = "fell" if fall >= 0 else "rose"
        said["error at the end"] = f"{went} by {words.percent(abs(fall))} an epoch"
    if diagnosis.loss_gap is not None:
        times = words.number(diagnosis.loss_gap, 3)
        said["loss above its floor"] = f"on test images {times} times that on training images"
    return said


_SEED_METRICS = ("val_mse", "test_mse", "test_bce", "psnr", "exact_pixel_share")
_SEED_HEADER = ("seed", *_SEED_METRICS)


def _seed_cells(result: "SeedResult") -> Sequence[str]:
    return (
        str(result.seed),
        *(words.cell(result, metric, 5) for metric in _SEED_METRICS),
    )


_NETWORK_HEADER = (
    *("seed", "dead units", "saturated", "stuck outputs"),
    *("encoder norm", "decoder norm"),
)


def _network_cells(result: "SeedResult") -> Sequence[str]:
    """What the validation images say of it: see trial.Diagnostics."""
    of = result.diagnostics or {}
    return (
        str(result.seed),
        words.percent(of.get("dead_share")),
        words.percent(of.get("saturated_share")),
        words.percent(of.get("stuck_share")),
        words.number(of.get("encoder_norm"), 4),
        words.number(of.get("decoder_norm"), 4),
    )


def _inside(of: Mapping[str, Any]) -> dict[str, str]:
    """Effective ranks, and what a linear network does to an image: see trial.Decomposition."""
    ranks = {
        "effective rank of the code": words.number(of["code_rank"], 4),
        "of the encoder's weights": words.number(of["encoder_rank"], 4),
        "of the decoder's weights": words.number(of["decoder_rank"], 4),
    }
    values = of["end_to_end"]
    if values is None:
        return ranks
    first = " ".join(words.number(value, 3) for value in values[:_N_SINGULAR_VALUES])
    more = f" … {words.number(values[-1], 3)}" if len(values) > _N_SINGULAR_VALUES else ""
    return ranks | {f"{len(values)} singular values end to end": first + more}


_N_SINGULAR_VALUES = 8

_TOLD_HEADER = ("from the", "linear", "neighbours")
_KINDS = {"code": "code", "pca": "PCA code of that size", "pixels": "pixels"}


def _told_cells(kind: str, told: Mapping[str, float]) -> Sequence[str]:
    """By the two classifiers: see trial.Probe."""
    return (_KINDS[kind], *(words.percent(told[by]) for by in ("linear", "neighbours")))


_CURVE_HEADER = ("epoch", "train_loss", "val_mse", "val_bce", "seconds")


def _curve_cells(point: "CurvePoint") -> Sequence[str]:
    return (
        str(point.epoch),
        words.number(point.train_loss, 5),
        words.number(point.val_mse, 5),
        words.number(point.val_bce, 5),
        words.number(point.seconds, 3),
    )


_EVENT_HEADER = ("when", "event", "worker", "what")


def _event_cells(event: "EventRow") -> Sequence[str]:
    return (
        words.moment(event.at),
        event.kind,
        event.worker or words.NOTHING,
        words.unrolled(event.message),
    )
