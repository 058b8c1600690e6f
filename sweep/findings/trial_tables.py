"""Tables about one trial: its settings, measurements, networks, probe, seeds and provenance."""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from sweep.analysis.floors import ROUNDING, Floors, pca_equivalent
from sweep.analysis.verdict import floor_at
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, number, percent, value
from sweep.catalogue.metrics import MEASURED, METRICS, Metric
from sweep.catalogue.records import Format
from sweep.catalogue.settings import by_setting, in_use
from sweep.enums import EventKind
from sweep.findings.cells import metric_cell, quantity_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.records import CurvePoint, SeedResult, TrialDetail, TrialRow, mean_diagnostics

_EMPTY = Cell("")
_LABEL = TableColumn("label", "")
_NAME = TableColumn("name", "", is_name=True)
_VALUE = TableColumn("value", "")


def settings_table(trial: TrialRow) -> FindingTable:
    """Settings in use, searched ones first and marked."""
    searched = by_setting(trial.params)
    used = in_use({**searched, **trial.config})
    names = sorted(used, key=lambda name: name not in searched)
    mark = {True: Cell("searched", True), False: Cell("", False)}
    return FindingTable(
        title="Settings",
        columns=(_NAME, _VALUE, TableColumn("searched", "")),
        rows=[
            (
                Cell(column_named(name).title, name),
                Cell(value(used[name]), used[name]),
                mark[name in searched],
            )
            for name in names
        ],
        note="" if used else "Not chosen yet: the sampler chooses when the trial is handed out.",
    )


def measured_table(trial: TrialRow, floors: Floors | None) -> FindingTable:
    """Metrics beside their floors: the lower bounds that PCA and the pixels' entropy set."""
    rows = [_measured(trial, metric, floors) for metric in MEASURED]
    rows = [row for row in rows if row[1].value is not None]
    if floors is not None and trial.test_mse is not None:
        rows.append(_pca_equivalent(floors, trial.test_mse, trial.hidden_width))
    ahead = trial.state in ("WAITING", "RUNNING")
    return FindingTable(
        title="Measured, beside its floor",
        columns=(
            _NAME,
            TableColumn("value", "this trial", is_number=True),
            TableColumn("floor", "floor", is_number=True),
            TableColumn("beside", "beside it"),
        ),
        rows=rows,
        note=""
        if rows
        else "Measured when training ends."
        if ahead
        else "Not measured: only a trial whose training finishes is.",
    )


def _measured(trial: TrialRow, metric: Metric, floors: Floors | None) -> Sequence[Cell]:
    title = f"{metric.title} ({metric.unit})" if metric.format is Format.NUMBER else metric.title
    cell, floor = quantity_cell(trial, metric.name), _floor(trial, metric.name, floors)
    if floor is None or cell.value is None:
        return Cell(title, metric.name), cell, _EMPTY, _EMPTY
    beside = _beside(metric.name, cell.value, floor)
    return Cell(title, metric.name), cell, Cell(number(floor, 4), floor), Cell(beside, beside)


def _floor(trial: TrialRow, name: str, floors: Floors | None) -> float | None:
    """The floor of a metric: PCA at the trial's width, the entropy of the pixels."""
    if floors is None:
        return None
    width = trial.hidden_width
    match name:
        case "val_mse":
            return None if width is None else floors.val_pca_mse[min(width, floors.n_inputs)]
        case "test_mse":
            return floor_at(floors, width)
        case "test_bce":
            return floors.test_entropy
    return None


def _beside(name: str, value: float, floor: float) -> str:
    if name == "test_bce":
        return f"{number(value - floor)} above the pixels’ entropy"
    # A ratio to a floor that is only rounding means nothing.
    return f"{number(value / floor)} times PCA" if floor > ROUNDING else "PCA copies exactly"


def _pca_equivalent(floors: Floors, test_mse: float, width: int | None) -> Sequence[Cell]:
    components = pca_equivalent(floors, test_mse)
    label = "as good as PCA with"
    said = "" if width is None else f"with {count(width, 'hidden unit')}"
    return (
        Cell(label, label),
        Cell(count(components, "component"), components),
        _EMPTY,
        Cell(said, said),
    )


def classes_table(errors: Sequence[float] | None, class_names: Sequence[str]) -> FindingTable:
    """Test error by class, named by the labels themselves where their meaning is not known."""
    errors = errors or ()
    names = class_names if len(class_names) == len(errors) else list(map(str, range(len(errors))))
    return FindingTable(
        title="Test error by class",
        columns=(_LABEL, TableColumn("test_mse", "", is_number=True)),
        rows=[
            (Cell(name, name), Cell(number(error, 4), error))
            for name, error in zip(names, errors, strict=True)
        ],
    )


_SEED_METRICS = tuple(
    METRICS[name] for name in ("val_mse", "test_mse", "test_bce", "psnr", "exact_pixel_share")
)
_SHARES = {
    "dead_share": ("dead units", "no image activates them"),
    "saturated_share": ("saturated", "(unit, image) pairs with hardly any slope left"),
    "stuck_share": ("stuck outputs", "share of the error that saturated outputs make"),
}
_NORMS = {"encoder_norm": "encoder norm", "decoder_norm": "decoder norm"}


def seeds_table(results: Sequence[SeedResult]) -> FindingTable:
    """Results of each seed with the diagnostics of its network, where there are several seeds."""
    metrics = [(of.name, of.heading) for of in _SEED_METRICS]
    found: list[tuple[str, str]] = []
    if any(result.diagnostics for result in results):
        found = [*((name, label) for name, (label, _) in _SHARES.items()), *_NORMS.items()]
    return FindingTable(
        title="Seeds",
        columns=[
            TableColumn("seed", "seed", is_number=True),
            *(TableColumn(name, title, is_number=True) for name, title in (*metrics, *found)),
        ],
        rows=[
            (
                Cell(str(result.seed), result.seed),
                *(metric_cell(result, name) for name, _ in metrics),
                *(_diagnostic(result.diagnostics or {}, name) for name, _ in found),
            )
            for result in (results if len(results) > 1 else ())
        ],
    )


def _diagnostic(diagnostics: Mapping[str, float], name: str) -> Cell:
    found = diagnostics.get(name)
    if found is None:
        return Cell()
    return Cell(percent(found, 1) if name in _SHARES else number(found, 4), found)


#: Singular values that are listed.
_N_VALUES = 8


def network_table(trial: TrialDetail) -> FindingTable:
    """Diagnostics, means over the seeds, and the decomposition of the first seed's network."""
    return FindingTable(
        title="Inside its network",
        columns=(
            _LABEL,
            TableColumn("found", "found", is_number=True),
            TableColumn("meaning", "what it means"),
        ),
        rows=[
            *_health(mean_diagnostics(trial.results)),
            *_ranks(trial.decomposition, trial.hidden_width),
            *_missing_analysis(trial),
        ],
    )


def _missing_analysis(trial: TrialDetail) -> list[Sequence[Cell]]:
    """Why the network has no analysis, where none can be made."""
    why = [event.message for event in trial.events if event.kind is EventKind.CODE_NOT_FINITE]
    return [_found("analysis of the network", Cell("none", None), why[-1])] if why else []


def _found(label: str, cell: Cell, meaning: str) -> Sequence[Cell]:
    return Cell(label, label), cell, Cell(meaning, meaning)


def _health(found: Mapping[str, float] | None) -> list[Sequence[Cell]]:
    if found is None:
        return []
    norms = [found.get(name) for name in _NORMS]
    return [
        *(
            _found(label, _diagnostic(found, name), meaning)
            for name, (label, meaning) in _SHARES.items()
        ),
        _found("norms of the weights", _pair(norms), "encoder, decoder"),
    ]


def _pair(values: Sequence[float | None]) -> Cell:
    return Cell(", ".join(number(of, 4) for of in values), list(values))


def _ranks(found: Mapping[str, Any] | None, width: int | None) -> list[Sequence[Cell]]:
    if found is None:
        return []
    rank, units = found["code_rank"], "" if width is None else f", of {count(width, 'unit')}"
    weights = _pair([found["encoder_rank"], found["decoder_rank"]])
    rows = [
        _found(
            "effective rank of the code", Cell(number(rank, 4), rank), f"directions in use{units}"
        ),
        _found("effective rank of the weights", weights, "encoder, decoder"),
    ]
    if values := found["end_to_end"]:
        listed = " ".join(number(of, 3) for of in values[:_N_VALUES])
        rest = f" … {number(values[-1], 3)}" if len(values) > _N_VALUES else ""
        label = f"{len(values)} singular values end to end"
        rows.append(_found(label, Cell(listed + rest, values), "1 copies a direction as it is"))
    return rows


_CODES = {"code": "this code", "pca": "PCA code of that size", "pixels": "all pixels"}
_CLASSIFIERS = {"linear": "linear", "neighbours": "nearest images"}


def probe_table(study: str, trial: TrialDetail) -> FindingTable:
    """Accuracies of two classifiers on codes and pixels of the test images."""
    probe, note = trial.probe, ""
    if probe is None and trial.artifact_id is not None:
        note = f"Not analysed yet: `sweep analyse {quote(study)} {trial.number}` does it."
    return FindingTable(
        title="Labels told right",
        columns=(
            TableColumn("code", "from"),
            *(TableColumn(name, title, is_number=True) for name, title in _CLASSIFIERS.items()),
        ),
        rows=[]
        if probe is None
        else [
            (
                Cell(label, code),
                *(Cell(percent(probe[code][by], 1), probe[code][by]) for by in _CLASSIFIERS),
            )
            for code, label in _CODES.items()
        ],
        note=note,
    )


_CURVE = {
    "train_loss": "training loss",
    "val_mse": "validation error",
    "val_bce": "validation BCE",
    "seconds": "seconds",
}


def curve_table(curve: Sequence[CurvePoint]) -> FindingTable:
    """Learning curve, the mean over the seeds."""
    return FindingTable(
        title="Learning curve",
        columns=[
            TableColumn("epoch", "epoch", is_number=True),
            *(TableColumn(name, title, is_number=True) for name, title in _CURVE.items()),
        ],
        rows=[
            (
                Cell(str(point.epoch), point.epoch),
                *(Cell(number(of, 4), of) for of in (getattr(point, name) for name in _CURVE)),
            )
            for point in curve
        ],
    )


def provenance_table(
    trial: TrialDetail, dataset: str, provenance: Mapping[str, Any]
) -> FindingTable:
    """What is needed to train the trial again, besides its settings."""
    packages = provenance.get("packages") or {}
    pairs = {
        "data set": dataset,
        "data SHA-256": provenance.get("data_sha256"),
        "seeds" if len(trial.seeds) > 1 else "seed": ", ".join(map(str, trial.seeds)),
        "worker": trial.worker,
        "attempt": trial.attempt or None,
        "weights": "kept" if trial.artifact_id else "not kept",
        "sweep": provenance.get("sweep"),
        "git commit": provenance.get("git_commit"),
        "Python": provenance.get("python"),
        "platform": provenance.get("platform"),
        "packages": ", ".join(f"{name} {of}" for name, of in packages.items() if of),
    }
    return FindingTable(
        title="Provenance",
        columns=(_LABEL, _VALUE),
        rows=[(Cell(label, label), Cell(str(of), of)) for label, of in pairs.items() if of],
    )
