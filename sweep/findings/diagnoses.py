"""Word diagnoses: what limits a trial, what another doubling would gain, what to try."""

from collections import Counter
from collections.abc import Sequence
from shlex import quote

from sweep.analysis.diagnosis import Diagnosis, Limit, Remedy
from sweep.analysis.floors import Floors
from sweep.analysis.gains import Doubling
from sweep.analysis.study_diagnosis import DiagnosedTrial
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import change, value
from sweep.findings.cells import count_cell, metric_cell, text_cell, times_floor_cell, trial_cell
from sweep.findings.commands import as_argument, enqueue_command
from sweep.findings.tables import Cell, FindingTable, TableColumn

#: The predicate for each label.
_VERBS = {
    Limit.NOTHING: "has no limit",
    Limit.DIVERGED: "diverged",
    Limit.DEAD_UNITS: "has dead units",
    Limit.SATURATED_UNITS: "has saturated units",
    Limit.SATURATED_OUTPUTS: "has saturated outputs",
    Limit.WORSE_THAN_MEAN: "is worse than the mean image",
    Limit.UNSTABLE: "is unstable",
    Limit.OVERFITS: "overfits",
    Limit.TOO_FEW_EPOCHS: "has too few epochs",
    Limit.TOO_NARROW: "is too narrow",
    Limit.WRONG_LOSS: "has the wrong loss",
    Limit.STUCK: "is stuck",
}

_COLUMNS = (
    TableColumn("hidden_width", "Width", is_number=True),
    TableColumn("number", "Trial", is_number=True),
    TableColumn("test_mse", "Test error", is_number=True),
    TableColumn("times_floor", "vs PCA", is_number=True),
    TableColumn("limit", "Limited by"),
    *(TableColumn(f"gain_{of}", f"2 × {of}", is_number=True) for of in Doubling),
    TableColumn("try", "Try"),
    TableColumn("because", "Because"),
)
_METHOD = "2 × epochs, width, images: the share by which twice as many would lower the error."


def limit_sentence(who: str, diagnosis: Diagnosis) -> str:
    """Say what limits a trial."""
    if diagnosis.limit is None:
        return f"It is unknown what limits {who[0].lower()}{who[1:]}: {diagnosis.because}."
    return f"{who} {_VERBS[diagnosis.limit]}: {diagnosis.because}."


def gains_sentence(diagnosis: Diagnosis) -> str:
    """Say what another doubling would gain; empty if nothing is known."""
    if not diagnosis.gains:
        return ""
    lower, raising = [], []
    for of in Doubling:
        gain = diagnosis.gains.get(of)
        if gain is None:
            lower.append(f"of {of} by an unknown share")
        elif gain.estimate >= 0:
            lower.append(f"of {of} by {gain} ({gain.source})")
        else:
            by = f"{gain.negated()} ({gain.source})"
            raising.append(f"Another doubling of {of} would raise the error by {by}.")
    lowering = [f"Another doubling would lower the error: {', '.join(lower)}."] if lower else []
    return " ".join([*lowering, *raising])


def remedy_sentence(study: str, of: DiagnosedTrial) -> str:
    """Say what to try and the command for it; empty if there is nothing to try."""
    if of.diagnosis.remedy is None:
        return ""
    return f"To try: {_change(of)}: `{_command(study, of)}`."


def _change(of: DiagnosedTrial) -> str:
    """Say in words what the remedy changes."""
    if of.diagnosis.remedy is Remedy.IMAGES:
        return str(Remedy.IMAGES)
    return ", ".join(
        f"{column_named(name).title} {value(of.trial.config.get(name))} → {value(new)}"
        for name, new in of.changes.items()
    )


def _command(study: str, of: DiagnosedTrial) -> str:
    if of.to_enqueue is not None:
        return enqueue_command(study, of.to_enqueue)
    sets = " ".join(f"--set {as_argument(key, new)}" for key, new in of.overrides.items())
    return f"sweep start FILE --name OTHER {sets}"


def counts_sentence(diagnosed: Sequence[DiagnosedTrial]) -> str:
    """Count the labels; empty for a single trial."""
    if len(diagnosed) < 2:
        return ""
    counts = Counter(str(of.diagnosis.limit or "not known") for of in diagnosed)
    said = ", ".join(f"{label} ({n})" for label, n in counts.most_common())
    return f"What limits the best trial of each of {len(diagnosed)} widths: {said}."


def diagnosis_table(
    study: str, diagnosed: Sequence[DiagnosedTrial], floors: Floors | None
) -> FindingTable:
    """Tabulate what limits each trial, one row per trial."""
    note = f"Diagnoses come with the first trial that finishes: `sweep resume {quote(study)}`."
    if diagnosed:
        best = min(diagnosed, key=lambda of: of.trial.value_or_inf)
        who = f"For trial {best.trial.number}"
        remedy = remedy_sentence(study, best).replace("To try:", f"{who}, try")
        note = " ".join(filter(None, [remedy, _METHOD]))
    rows = [_row(of, floors) for of in diagnosed]
    return FindingTable(title="What limits the error", columns=_COLUMNS, rows=rows, note=note)


def _row(of: DiagnosedTrial, floors: Floors | None) -> Sequence[Cell]:
    trial, diagnosis = of.trial, of.diagnosis
    return (
        count_cell(trial.hidden_width),
        trial_cell(trial.number),
        metric_cell(trial, "test_mse"),
        times_floor_cell(trial, floors),
        Cell(diagnosis.limit or "not known", diagnosis.limit),
        *(_gain_cell(diagnosis, doubled) for doubled in Doubling),
        text_cell(_change(of)) if diagnosis.remedy else Cell(),
        text_cell(diagnosis.because),
    )


def _gain_cell(diagnosis: Diagnosis, of: Doubling) -> Cell:
    gain = diagnosis.gains.get(of)
    return Cell("not known") if gain is None else Cell(change(gain.estimate), gain.estimate)
