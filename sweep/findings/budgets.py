"""Tabulate a study's budgets: what they allow, and what is left."""

from sweep.catalogue.formats import duration, number
from sweep.coordinator.budget import BudgetStatus, BudgetUsage, Improvement, list_budgets
from sweep.findings.cells import text_cell
from sweep.findings.tables import FindingTable, TableColumn
from sweep.store.handle import StudyHandle
from sweep.store.records import StudySummary
from sweep.studyfile.sections import BudgetSection


def of_study(handle: StudyHandle, study: StudySummary) -> list[BudgetStatus]:
    """Return every budget of a study, and how much of it is used."""
    budget = handle.record().settings.budget
    used = handle.usage()
    improvement = None
    if budget.plateau_trials is not None:
        values = (value for _, value in handle.values_in_order())
        improvement = Improvement(budget.plateau_trials, values).latest
    spent = BudgetUsage(
        n_finished=study.n_finished,
        n_failed=study.n_failed,
        wall_seconds=used.wall_seconds,
        gpu_seconds=used.gpu_seconds,
        best_value=study.best_value,
        best_number=study.best_number,
        improvement=improvement,
    )
    return list_budgets(budget, study.n_trials, spent)


def budget_table(handle: StudyHandle, study: StudySummary) -> FindingTable:
    """Tabulate the budgets; no rows if trials, which are shown anyway, are the only one."""
    is_plain = study.n_failed == 0 and not limits(handle.record().settings.budget)
    shown = [] if is_plain else of_study(handle, study)
    return FindingTable(
        title="Budgets",
        columns=[TableColumn("name", ""), TableColumn("used", "")],
        rows=[(text_cell(status.name), text_cell(_budget_line(status))) for status in shown],
    )


def _budget_line(status: BudgetStatus) -> str:
    match status.name:
        case "trials":
            return f"{status.used:,.0f} of {status.limit:,.0f}, {status.left:,.0f} left"
        case "max_failures":
            return f"{status.used:,.0f} of {status.limit:,.0f} that may fail"
        case "max_seconds":
            used, limit, left = map(duration, (status.used, status.limit, status.left))
            return f"{used} of {limit}, {left} left"
        case "max_gpu_hours":
            used, left = number(status.used, 3), number(status.left, 3)
            return f"{used} of {status.limit:g} GPU-hours, {left} left"
        case "target_value":
            best = "no value yet" if status.used is None else f"best {number(status.used, 4)}"
            return f"{status.limit:g} ({best})"
        case "plateau_improvement":
            fell = "too few trials yet" if status.used is None else f"{number(status.used, 3)}"
            return f"{status.limit:g} (lately: {fell})"
        case _:
            return f"{status.limit:g} s a trial"


def limits(budget: BudgetSection) -> list[str]:
    """List in words what ends a study in addition to its trials."""
    found = []
    if budget.max_seconds is not None:
        found.append(f"after {duration(budget.max_seconds)}")
    if budget.max_gpu_hours is not None:
        found.append(f"after {budget.max_gpu_hours:g} GPU-hours")
    if budget.target_value is not None:
        found.append(f"at a val_mse of {budget.target_value:g}")
    if budget.plateau_improvement is not None:
        found.append(
            f"when {budget.plateau_trials:,} trials improve it by less than "
            f"{budget.plateau_improvement:g}"
        )
    if budget.max_trial_seconds is not None:
        found.append(f"a trial after {duration(budget.max_trial_seconds)}")
    return found
