"""Tabulate one trial: its settings, measurements, networks, probe, seeds and provenance."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.analysis.floors import ROUNDING, Floors, pca_equivalent
from sweep.analysis.verdict import floor_at
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, moment, number, value
from sweep.catalogue.metrics import MEASURED, METRICS, Metric
from sweep.catalogue.records import Format
from sweep.catalogue.settings import by_setting, in_use
from sweep.enums import EventKind
from sweep.findings.cells import metric_cell, number_cell, quantity_cell, share_cell, text_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.records import CurvePoint, SeedResult, TrialDetail, TrialRow, mean_diagnostics

_LABEL = TableColumn("label", "")
_NAME = TableColumn("name", "", is_name=True)
_VALUE = TableColumn("value", "")


def _numbers(titles: Mapping[str, str]) -> list[TableColumn]:
    return [TableColumn(name, title, is_number=True) for name, title in titles.items()]


def settings_table(trial: TrialRow) -> FindingTable:
    """Tabulate the settings in use, searched ones first and marked."""
    searched = by_setting(trial.params)
    used = in_use({**searched, **trial.config})
    mark = {True: Cell("searched", True), False: Cell("", False)}
    return FindingTable(
        title="Settings",
        columns=(_NAME, _VALUE, TableColumn("searched", "")),
        rows=[
            (Cell(column_named(name).title, name), Cell(value(of), of), mark[name in searched])
            for name, of in sorted(used.items(), key=lambda item: item[0] not in searched)
        ],
        note="" if used else "Not chosen yet: the sampler chooses when the trial is dispatched.",
    )


def measured_table(trial: TrialRow, floors: Floors | None) -> FindingTable:
    """Tabulate metrics with their lower bounds: PCA's error and the pixels' entropy."""
    known = [metric for metric in MEASURED if getattr(trial, metric.name) is not None]
    rows = [_measured_cells(trial, metric, floors) for metric in known]
    if floors is not None and trial.test_mse is not None:
        rows.append(_pca_equivalent(floors, trial.test_mse, trial.hidden_width))
    later = trial.state in ("WAITING", "RUNNING")
    missing = (
        "Measured when training ends."
        if later
        else "Not measured: only trials whose training finishes are."
    )
    return FindingTable(
        title="Metrics and lower bounds",
        columns=(
            _NAME,
            *_numbers({"value": "this trial", "floor": "floor"}),
            TableColumn("beside", "comparison"),
        ),
        rows=rows,
        note="" if rows else missing,
    )


def _measured_cells(trial: TrialRow, metric: Metric, floors: Floors | None) -> Sequence[Cell]:
    title = f"{metric.title} ({metric.unit})" if metric.format is Format.NUMBER else metric.title
    label, cell = Cell(title, metric.name), quantity_cell(trial, metric.name)
    floor = None if floors is None else _floor(metric.name, trial.hidden_width, floors)
    if floor is None:
        return label, cell, Cell(""), Cell("")
    return label, cell, number_cell(floor), _beside(metric.name, cell.value, floor)


def _floor(name: str, width: int | None, floors: Floors) -> float | None:
    """Return a metric's lower bound: PCA's error at the trial's width, or the pixels' entropy."""
    return {
        "val_mse": floor_at(floors, width, validation=True),
        "test_mse": floor_at(floors, width),
        "test_bce": floors.test_entropy,
    }.get(name)


def _beside(name: str, value: float, floor: float) -> Cell:
    """Compare a metric with its lower bound: a difference in nats, a ratio of errors."""
    if name == "test_bce":
        return Cell(f"{number(value - floor)} above the pixels’ entropy", value - floor)
    if floor <= ROUNDING:  # a ratio to it is meaningless
        return Cell("PCA copies exactly")
    return Cell(f"{number(value / floor)} times PCA", value / floor)


def _pca_equivalent(floors: Floors, test_mse: float, width: int | None) -> Sequence[Cell]:
    components = pca_equivalent(floors, test_mse)
    unit = "component" if components == 1 else "components"
    said = unit if width is None else f"{unit}, with {count(width, 'hidden unit')}"
    label = Cell("as good as PCA with", "pca_components")
    return label, Cell(f"{components:,}", components), Cell(""), text_cell(said)


def classes_table(errors: Sequence[float] | None, class_names: Sequence[str]) -> FindingTable:
    """Tabulate test errors by class, named by the labels themselves if their meaning is unknown."""
    errors = errors or ()
    names = class_names if len(class_names) == len(errors) else map(str, range(len(errors)))
    return FindingTable(
        title="Test error by class",
        columns=(_LABEL, *_numbers({"test_mse": ""})),
        rows=[(text_cell(of), number_cell(error)) for of, error in zip(names, errors, strict=True)],
    )


_SEED_METRICS = {
    name: METRICS[name].heading
    for name in ("val_mse", "test_mse", "test_bce", "psnr", "exact_pixel_share")
}
_SHARES = {
    "dead_share": ("dead units", "no image activates them"),
    "saturated_share": ("saturated", "(unit, image) pairs with almost no slope"),
    "stuck_share": ("stuck outputs", "share of the error from saturated outputs"),
}
_NORMS = {"encoder_norm": "encoder norm", "decoder_norm": "decoder norm"}
_DIAGNOSTICS = {name: label for name, (label, _) in _SHARES.items()} | _NORMS


def seeds_table(results: Sequence[SeedResult]) -> FindingTable:
    """Tabulate the results and diagnostics of each seed, if there are several seeds."""
    diagnostics = _DIAGNOSTICS if any(result.diagnostics for result in results) else {}
    return FindingTable(
        title="Seeds",
        columns=_numbers({"seed": "seed", **_SEED_METRICS, **diagnostics}),
        rows=[
            (
                Cell(str(result.seed), result.seed),
                *(metric_cell(result, name) for name in _SEED_METRICS),
                *(_diagnostic(result.diagnostics or {}, name) for name in diagnostics),
            )
            for result in (results if len(results) > 1 else ())
        ],
    )


def _diagnostic(found: Mapping[str, float], name: str) -> Cell:
    return (share_cell if name in _SHARES else number_cell)(found.get(name))


def network_table(trial: TrialDetail) -> FindingTable:
    """Diagnostics, means over the seeds, and the decomposition of the first seed's network."""
    found = {
        **_health(mean_diagnostics(trial.results)),
        **_ranks(trial.decomposition, trial.hidden_width),
        **_missing_analysis(trial),
    }
    return FindingTable(
        title="Inside its network",
        columns=(_LABEL, *_numbers({"found": "found"}), TableColumn("meaning", "what it means")),
        rows=[
            (text_cell(label), cell, text_cell(meaning)) for label, (cell, meaning) in found.items()
        ],
    )


#: Label -> value and its meaning.
_Found = dict[str, tuple[Cell, str]]


def _health(found: Mapping[str, float] | None) -> _Found:
    if found is None:
        return {}
    shares = {label: (share_cell(found.get(of)), say) for of, (label, say) in _SHARES.items()}
    return {**shares, "norms of the weights": _pair([found.get(name) for name in _NORMS])}


def _pair(values: Sequence[float | None]) -> tuple[Cell, str]:
    return Cell(", ".join(number(of, 4) for of in values), values), "encoder, decoder"


#: Maximum number of listed singular values.
_N_VALUES = 8


def _ranks(found: Mapping[str, Any] | None, width: int | None) -> _Found:
    if found is None:
        return {}
    units = "" if width is None else f", of {count(width, 'unit')}"
    ranks: _Found = {
        "effective rank of the code": (
            number_cell(found["code_rank"]),
            f"directions in use{units}",
        ),
        "effective rank of the weights": _pair([found["encoder_rank"], found["decoder_rank"]]),
    }
    values = found["end_to_end"]
    if not values:
        return ranks
    listed = " ".join(map(number, values[:_N_VALUES]))
    rest = f" … {number(values[-1])}" if len(values) > _N_VALUES else ""
    label, meaning = f"{len(values)} singular values end to end", "1 copies a direction unchanged"
    return {**ranks, label: (Cell(listed + rest, values), meaning)}


def _missing_analysis(trial: TrialDetail) -> _Found:
    """Say why the network has no analysis, if none is possible."""
    why = [event.message for event in trial.events if event.kind is EventKind.CODE_NOT_FINITE]
    return {"analysis of the network": (Cell("none", None), why[-1])} if why else {}


_CURVE = {
    "train_loss": "training loss",
    "val_mse": "validation error",
    "val_bce": "validation BCE",
    "seconds": "seconds",
}


def curve_table(curve: Sequence[CurvePoint]) -> FindingTable:
    """Tabulate the learning curve, the mean over the seeds."""
    return FindingTable(
        title="Learning curve",
        columns=_numbers({"epoch": "epoch", **_CURVE}),
        rows=[
            (
                Cell(str(point.epoch), point.epoch),
                *(number_cell(getattr(point, name)) for name in _CURVE),
            )
            for point in curve
        ],
    )


def course_table(trial: TrialRow) -> FindingTable:
    """Tabulate when the trial was dispatched, began and ended, and why it ended so."""
    times = {"began": trial.datetime_start, "ended": trial.datetime_complete}
    cells = {
        "dispatched": text_cell(count(trial.attempt, "time") if trial.attempt else "not yet"),
        **{label: Cell(moment(at), at, at=at) for label, at in times.items() if at is not None},
        **({"reason": text_cell(trial.reason)} if trial.reason else {}),
    }
    rows = [(text_cell(label), cell) for label, cell in cells.items()]
    return FindingTable(title="Attempts", columns=(_LABEL, _VALUE), rows=rows)


def provenance_table(
    trial: TrialDetail, dataset: str, provenance: Mapping[str, Any]
) -> FindingTable:
    """Tabulate what is needed to train the trial again, in addition to its settings."""
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
    rows = [(text_cell(label), Cell(str(of), of)) for label, of in pairs.items() if of]
    return FindingTable(title="Provenance", columns=(_LABEL, _VALUE), rows=rows)
