"""Report which of a study's best configurations tie with the best: sentences and a table."""

from shlex import quote
from typing import Any

from sweep.analysis.study_ties import best_numbers
from sweep.analysis.ties import MIN_SEEDS, NEAR, Tied, TieSet
from sweep.catalogue.formats import change, number
from sweep.findings.cells import trial_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyHandle

_COLUMNS = (
    TableColumn("number", "Trial", is_number=True),
    TableColumn("n_seeds", "Seeds", is_number=True),
    TableColumn("val_mse", "Validation error", is_number=True),
    TableColumn("times_best", "Times best", is_number=True),
    TableColumn("p", "p", is_number=True),
    TableColumn("tied", "Ties"),
)


#: For configurations that may be chosen instead of the best.
_NEAR_IT = f"within {change(NEAR - 1)} of the best error"


def ties_sentence(ties: TieSet | None) -> str:
    """Say how many of the best configurations tie; empty with too few seeds."""
    if ties is None:
        return ""
    n_tied = sum(of.is_tied for of in ties.compared)
    if n_tied < 2:
        return "No other of the best configurations ties with the best over its seeds."
    named = f"; the smallest {_NEAR_IT} is trial {ties.smallest}"
    smallest = "" if ties.smallest is None else named
    n = len(ties.compared)
    which = f"The {n}" if n_tied == n else f"{n_tied} of the {n}"
    return f"{which} best configurations are indistinguishable by their seeds{smallest}."


def ties_table(study: str, ties: TieSet | None) -> FindingTable:
    """Tabulate the best configurations, compared with the best one."""
    return FindingTable(
        title="Which trials tie with the best",
        columns=_COLUMNS,
        rows=[_row(of, ties) for of in ties.compared] if ties else [],
        note=_method(ties) if ties else f"{_TOO_FEW} {_offer(study)}",
    )


def _row(of: Tied, ties: TieSet) -> list[Cell]:
    trial = of.candidate.number
    roles = {"smallest": ties.smallest, "cheapest to train": ties.cheapest}
    said = ", ".join(["yes", *(role for role, its in roles.items() if its == trial)])
    return [
        trial_cell(trial),
        Cell(str(len(of.candidate.errors)), len(of.candidate.errors)),
        Cell(number(of.error, 4), of.error),
        Cell(f"{of.times_best:.3f}", of.times_best),
        Cell(f"{of.p:.3f}", of.p),
        Cell(said if of.is_tied else "no", of.is_tied),
    ]


def _method(ties: TieSet) -> str:
    seeds = "the study’s own seeds"
    if ties.retrained_in is not None:
        seeds = f"new seeds, with which study {ties.retrained_in} retrained them"
    roles = {"smallest that ties": ties.smallest, "cheapest to train": ties.cheapest}
    left_out = ", ".join(map(str, ties.left_out))
    said = (
        f"Welch’s t test of log validation errors over {seeds}; p corrected after Holm over all "
        "pairs.",
        f"Omitted, because they have too few seeds: {left_out}." if left_out else "",
        ties.left_open,
        *(f"The {role} {_NEAR_IT} is trial {of}." for role, of in roles.items() if of is not None),
    )
    return " ".join(sentence for sentence in said if sentence)


_TOO_FEW = (
    f"Nothing to compare: that needs two configurations with {MIN_SEEDS} seeds each, as in a "
    f"study with `study.repeat = {MIN_SEEDS}`."
)


def _offer(study: str) -> str:
    return f"`sweep ties {quote(study)} --run` retrains the best with new seeds."


def ties_json(study: str, ties: TieSet | None) -> dict[str, Any]:
    """Convert the table and what follows from it to plain values."""
    names = ("smallest", "cheapest", "retrained_in", "left_out")
    facts = {name: getattr(ties, name, None) for name in names}
    table = ties_table(study, ties)
    sentences = [of for of in (ties_sentence(ties), table.note) if of]
    return {"compared": table.records(), **facts, "sentences": sentences}


def next_ties(study: StudyHandle, ties: TieSet | None) -> str:
    """Name the command that would tell more; empty for a derived study."""
    command = f"sweep ties {quote(study.name)} --run --top"
    if ties is None or ties.retrained_in is None:
        return "" if study.retrains() or study.explains() else _offer(study.name)
    trained = {*ties.left_out, *(of.candidate.number for of in ties.compared)}
    n = len(trained)
    if trained != {*best_numbers(study, n)}:
        return f"They are no longer the study’s {n} best: `{command} {n}` trains those."
    if ties.left_open:
        return f"With twice as many seeds: `{command} {n} --seeds {2 * ties.n_seeds}`."
    return ""
