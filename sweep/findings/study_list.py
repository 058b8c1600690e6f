"""Tabulate the studies of a database, one row each."""

from sweep.catalogue.formats import moment, number
from sweep.findings.cells import text_cell, trial_cell
from sweep.findings.progress import study_status, tally, trial_counts
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.records import StudyList, StudySummary

_COLUMNS = (
    TableColumn("study", "study"),
    TableColumn("state", "state"),
    TableColumn("data", "data"),
    TableColumn("tags", "tags"),
    TableColumn("done", "trials"),
    TableColumn("best", "best val_mse", is_number=True),
    TableColumn("number", "trial", is_number=True),
    TableColumn("changed", "last written"),
)


def study_table(found: StudyList, *, with_derived: bool) -> FindingTable:
    """Tabulate studies, each followed by those derived from it, and those that cannot be read."""
    rows = []
    for study, *derived in found.families.values():
        rows.append(study_cells(study))
        if with_derived:
            rows += [study_cells(of) | {"study": text_cell(f"– {of.name}")} for of in derived]
    for of in found.unreadable:
        rows.append({"study": text_cell(of.name), "state": text_cell("unreadable")})
    cells = [[row.get(column.name, Cell()) for column in _COLUMNS] for row in rows]
    return FindingTable(title="Studies", columns=_COLUMNS, rows=cells)


def study_cells(study: StudySummary) -> dict[str, Cell]:
    """Return what lists of studies tell of one, by column."""
    pace, changed = study.trials_per_second, study.updated_at
    past = "" if study.running else "in its last minute"
    return {
        "study": text_cell(study.name),
        "state": text_cell(study_status(study).word),
        "data": text_cell(study.dataset),
        "tags": text_cell(", ".join(study.tags)) if study.tags else Cell(),
        "done": _count_done(study),
        **_best(study),
        "pace": Cell() if pace is None else Cell(number(pace, 2), pace, detail=past),
        "changed": Cell(moment(changed), changed, at=changed),
    }


def _count_done(study: StudySummary) -> Cell:
    others = {kind: n for kind, n in trial_counts(study).items() if kind not in _UNTOLD}
    of = f" of {study.n_trials:,}" if study.n_trials else ""
    share = study.n_finished / study.n_trials if study.n_trials else None
    text = f"{study.n_finished:,}{of} done"
    return Cell(text, study.n_finished, detail=tally(others), share=share)


#: What the number of done trials implies.
_UNTOLD = ("complete", "waiting")


def _best(study: StudySummary) -> dict[str, Cell]:
    value, trial = study.best_value, study.best_number
    if value is None or trial is None:
        return {}
    best = Cell(number(value, 4), value, trial=trial, detail=f"trial {trial}")
    return {"best": best, "number": trial_cell(trial)}
