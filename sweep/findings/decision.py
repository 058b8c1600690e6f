"""Decide which trial of a study to take: a sentence, and a table with the alternatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any, NamedTuple

import numpy as np

from sweep.analysis.floors import Floors
from sweep.analysis.ties import NEAR, TieSet
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.findings.cells import count_cell, text_cell, trial_cell
from sweep.findings.configurations import configuration, short_name
from sweep.findings.ranking import best_numbers
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.findings.ties import next_ties
from sweep.findings.weights import command_to_train
from sweep.store.handle import StudyHandle
from sweep.store.records import StudySummary, TrialRow
from sweep.store.table import TrialTable

TAKE, BEST = "take", "best"
#: Limits on the number of parameters, as shares of the chosen trial's.
_SHARES = {0.5: "half", 0.25: "a quarter of", 0.1: "a tenth of"}


class Alternative(NamedTuple):
    """A trial of the decision."""

    #: Why it is listed: ``take``, ``best``, or what it is the best of.
    role: str
    trial: TrialRow
    has_weights: bool


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The trial to take, compared with the best and the best with fewer parameters."""

    study: StudySummary
    #: Number of the trial to take; None if there is no single one.
    take: int | None
    #: Which one to take and why, or why none.
    sentence: str
    #: The trial to take comes first.
    alternatives: Sequence[Alternative]
    #: Where its weights are, what would support the decision, and how to ask with another limit.
    notes: Sequence[str]

    @property
    def table(self) -> FindingTable:
        """Tabulate the trial to take and its alternatives, one row each."""
        objectives = [
            TableColumn(name, column_named(name).heading, is_number=True)
            for name in self.study.objectives
        ]
        size = TableColumn("n_parameters", "Parameters", is_number=True)
        return FindingTable(
            title="Which trial to take",
            columns=(
                TableColumn("role", ""),
                TableColumn("number", "Trial", is_number=True),
                *objectives,
                *([] if size.name in self.study.objectives else [size]),
                TableColumn("weights", "Weights"),
                TableColumn("configuration", "Configuration"),
            ),
            rows=[self._row(of) for of in self.alternatives],
            note=" ".join(self.notes),
        ).without_empty()

    def _row(self, of: Alternative) -> list[Cell]:
        size = "n_parameters"
        return [
            text_cell(of.role),
            trial_cell(of.trial.number),
            *(
                Cell(formats.quantity(column_named(name), value), value)
                for name, value in zip(self.study.objectives, of.trial.values, strict=True)
            ),
            *([] if size in self.study.objectives else [count_cell(of.trial.n_parameters)]),
            Cell("kept" if of.has_weights else "not kept", of.has_weights),
            text_cell(configuration(of.trial)),
        ]

    def to_json(self) -> dict[str, Any]:
        """Convert to plain values."""
        return {
            "take": self.take,
            "sentence": self.sentence,
            "notes": self.notes,
            "alternatives": self.table.records(),
        }


def gather_decision(
    study: StudyHandle,
    summary: StudySummary,
    table: TrialTable,
    ties: TieSet | None,
    floors: Floors | None,
) -> Decision | None:
    """Decide which trial to take; None while no trial counts."""
    has_front = len(table.objectives) > 1
    front = best_numbers(table, len(table) if has_front else 1)
    if not front:
        return None
    compared = None if has_front else _current(ties, table, front[0])
    take = front[0] if compared is None else _smallest(compared)
    if has_front:
        roles = _front_roles(table, front)
    else:
        roles = _roles(table, take, front[0] if compared is None else _first(compared))
    rows = {row.number: row for row in study.trials(roles)}
    if len(rows) < len(roles):  # deleted meanwhile
        return None
    kept = set(study.trials_with_weights())
    alternatives = [Alternative(role, rows[of], of in kept) for of, role in roles.items()]
    is_useless = _is_useless(rows[take], floors)
    if is_useless:
        sentence = "Take none: the best trial's error is above that of the mean image."
    elif has_front:
        sentence = _of_front(summary, front)
    else:
        sentence = _sentence(summary, rows[take], compared)
    is_settled = has_front or table.counting.sum() < 2 or _n_tied(compared) == 1
    sizes = table.metrics["n_parameters"][table.counting]
    notes = (
        _weights(study.name, summary.running, alternatives),
        "" if is_settled else next_ties(study, compared),
        _ask_for_smaller(study.name) if len(np.unique(sizes)) > 1 else "",
    )
    return Decision(
        study=summary,
        take=take if len(front) == 1 and not is_useless else None,
        sentence=sentence,
        alternatives=alternatives,
        notes=[note for note in notes if note],
    )


def _current(ties: TieSet | None, table: TrialTable, best: int) -> TieSet | None:
    """Return the tie set if it compared the best trial and all that tie with it still count."""
    if ties is None or best not in {of.candidate.number for of in ties.compared}:
        return None
    counting = set(table.numbers[table.counting].tolist())
    tied = {of.candidate.number for of in ties.compared if of.is_tied}
    return ties if tied <= counting else None


def _smallest(ties: TieSet) -> int:
    return _first(ties) if ties.smallest is None else ties.smallest


def _first(ties: TieSet) -> int:
    return ties.compared[0].candidate.number


def _roles(table: TrialTable, take: int, best: int) -> dict[int, str]:
    """Name the trial to take, the best, and the best with a share of the parameters."""
    row = table.row_of(take)
    assert row is not None
    roles, sizes = {take: TAKE}, table.metrics["n_parameters"]
    roles.setdefault(best, BEST)
    smaller = {}
    for share, words in _SHARES.items():
        fits = np.flatnonzero(table.counting & (sizes <= share * sizes[row]))
        if fits.size:  # of equal trials the strictest limit remains
            number = int(table.numbers[fits[np.argmin(table.value[fits])]])
            smaller[number] = f"at most {words} the parameters"
    return roles | {number: role for number, role in smaller.items() if number not in roles}


def _front_roles(table: TrialTable, front: Sequence[int]) -> dict[int, str]:
    """Name for each objective the best trial of the Pareto set."""
    rows = [row for number in front if (row := table.row_of(number)) is not None]
    roles: dict[int, str] = {}
    for place, name in enumerate(table.objectives):
        number = front[int(np.argmin(table.values[rows, place]))]
        said = f"lowest {column_named(name).title}"
        roles[number] = f"{roles[number]}, {said}" if number in roles else said
    return roles


def _is_useless(row: TrialRow, floors: Floors | None) -> bool:
    """Return whether the mean image has as low an error."""
    error = row.test_mse
    return floors is not None and error is not None and error >= floors.test_pca_mse[0]


def _of_front(study: StudySummary, front: Sequence[int]) -> str:
    titles = " and ".join(column_named(name).title for name in study.objectives)
    if len(front) == 1:
        return f"{_lead(study)}ake trial {front[0]}: no other is better in {titles}."
    return (
        f"{'So far, no' if study.running else 'No'} one trial is best in {titles}: of the "
        f"{len(front):,} trials of the Pareto set, take the one whose trade-off suits."
    )


def _lead(study: StudySummary) -> str:
    return "So far, t" if study.running else "T"


def _sentence(study: StudySummary, take: TrialRow, ties: TieSet | None) -> str:
    objective = column_named(study.objectives[0])
    assert take.value is not None  # it counts
    value = f"{objective.title} {formats.quantity(objective, take.value)}"
    lead = f"{_lead(study)}ake trial {take.number}: {short_name(take)}, {value}."
    n_tied = _n_tied(ties)
    if ties is None or n_tied is None:
        return f"{lead[:-1]}, the lowest{' so far' if study.running else ''}."
    if n_tied == 1:
        others = formats.count(len(ties.compared) - 1, "other")
        why = f"the best; none of {others} compared ties with it over {ties.n_seeds} seeds"
    elif take.number == _first(ties):
        why = (
            f"the best; of the {n_tied} that tie over {ties.n_seeds} seeds no smaller one comes "
            f"within {formats.change(NEAR - 1)} of its error"
        )
    else:
        best = ties.compared[0].candidate
        fewer = _fewer(take.n_parameters, best.n_parameters)
        return (
            f"{lead} It ties with the best, trial {best.number}, over {ties.n_seeds} seeds{fewer}."
        )
    return f"{lead} It is {why}."


def _n_tied(ties: TieSet | None) -> int | None:
    return None if ties is None else sum(of.is_tied for of in ties.compared)


def _fewer(taken: int | None, best: int | None) -> str:
    if not taken or not best or taken >= best:
        return ""
    return f" and has {formats.change(1 - taken / best)} fewer parameters"


def _ask_for_smaller(study: str) -> str:
    return f"Under another limit: `sweep best {quote(study)} --where 'n_parameters<50000'`."


def _weights(study: str, is_running: bool, alternatives: Sequence[Alternative]) -> str:
    """Say which commands write the weights of the alternatives."""
    first = alternatives[0].trial.number
    kept = next((of.trial.number for of in alternatives if of.has_weights), None)
    missing = next((of.trial.number for of in alternatives if not of.has_weights), None)
    write = f"`sweep model {quote(study)} {kept}` writes"
    train = "" if missing is None or is_running else _train_again(study, missing)
    if kept is None:
        return f"Weights of these trials are not kept. {train}" if train else ""
    if kept == first:
        said = f"{write} its weights and a program that loads them."
    else:
        said = f"The weights of trial {first} are not kept; {write} those of trial {kept}."
    return f"{said} {train}".rstrip()


def _train_again(study: str, number: int) -> str:
    command = command_to_train(study, number)
    return f"`{command}` trains trial {number} again and writes its weights."
