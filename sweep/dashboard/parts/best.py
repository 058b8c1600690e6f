"""The best configurations: settings, errors and pictures, beside a baseline."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from dash import dcc, html

from sweep.analysis.floors import Floors
from sweep.analysis.verdict import baseline_number, floor_at
from sweep.dashboard import links
from sweep.dashboard.parts.pictures import picture_url
from sweep.figures import words
from sweep.findings.configurations import configuration
from sweep.findings.verdict import NOTHING
from sweep.store.handle import StudyHandle
from sweep.store.pareto import unbeaten
from sweep.store.records import TrialRow
from sweep.store.table import TrialTable

N_BEST = 5

BASELINE_NAME = "the baseline"
EARLIEST = "the earliest finished trial"

_KINDS = {
    "reconstructions": "the ten test images as trial {} gives them back",
    "errors": "where trial {} errs: black is right, white is off by half the scale",
}


class Line(NamedTuple):
    """A trial of the ranking."""

    trial: TrialRow
    #: From 1; None for the baseline.
    rank: int | None
    #: What the baseline is; empty for others.
    role: str
    #: PCA's test error at the trial's width.
    floor: float | None
    has_pictures: bool


class Ranking(NamedTuple):
    """The best trials and the baseline."""

    study: str
    #: The best first.
    best: list[Line]
    #: None where it is among the best, or there is nothing yet.
    baseline: Line | None
    has_originals: bool

    @property
    def lines(self) -> list[Line]:
        """In the order in which they are shown."""
        return [*([self.baseline] if self.baseline else []), *self.best]


def best_numbers(table: TrialTable, n: int = N_BEST) -> list[int]:
    """The lowest values of the first objective; with several, of the trials that none beats."""
    rows = np.flatnonzero(table.counting)
    if len(table.objectives) > 1:
        rows = rows[np.isfinite(table.values[rows]).all(axis=1)]
        rows = rows[unbeaten(table.values[rows])]
    ordered = rows[np.argsort(table.value[rows], kind="stable")]
    return [int(number) for number in table.numbers[ordered[:n]]]


def baseline_of(table: TrialTable) -> tuple[int, str] | None:
    """The trial to hold the best against, and what it is."""
    baseline = baseline_number(table)
    if baseline is not None:
        return baseline, BASELINE_NAME
    finished = table.numbers[table.counting]
    return (int(finished[0]), EARLIEST) if finished.size else None


def gather_ranking(study: StudyHandle, table: TrialTable, floors: Floors | None) -> Ranking:
    """The five best, and the baseline."""
    best, base = best_numbers(table), baseline_of(table)
    numbers = {*best, *([base[0]] if base else [])}
    rows = {row.number: row for row in study.trials(numbers=numbers)}
    with_pictures = study.pictured(numbers)

    def line(number: int, rank: int | None, role: str) -> Line:
        row = rows[number]
        floor = floor_at(floors, row.hidden_width) if floors else None
        return Line(row, rank, role, floor, number in with_pictures)

    role = {base[0]: base[1]} if base else {}
    return Ranking(
        study=study.name,
        best=[
            line(number, rank, role.get(number, "")) for rank, number in enumerate(best, start=1)
        ],
        baseline=line(base[0], None, base[1]) if base and base[0] not in best else None,
        has_originals=study.record().originals_png is not None,
    )


def draw_ranking(ranking: Ranking, kind: str = "reconstructions") -> Any:
    """A table with a trial a row; ``kind`` says which of its pictures stand in it."""
    has_pictures = ranking.has_originals and any(line.has_pictures for line in ranking.lines)
    rows = [_row(ranking.study, line, kind if has_pictures else None) for line in ranking.lines]
    if has_pictures:
        rows.insert(0, _originals(ranking.study))
    cells = [html.Th("Trial"), html.Th("Configuration")]
    cells += [html.Th(head, className="number") for head in _NUMBERS]
    if has_pictures:
        cells.append(html.Th("Test images", className="pictures"))
    return html.Table([html.Thead(html.Tr(cells)), html.Tbody(rows)], className="plain ranking")


_OVER_FLOOR = "vs PCA floor"
_NUMBERS = ("Validation", "Test", _OVER_FLOOR, "PSNR")


def _originals(study: str) -> Any:
    return html.Tr(
        [
            html.Td("Originals", colSpan=6, className="originals"),
            html.Td(_picture("originals", study, None, "ten test images as they are")),
        ]
    )


def _row(study: str, line: Line, kind: str | None) -> Any:
    row = line.trial
    cells = [
        html.Td(_name(study, line)),
        html.Td(configuration(row)),
        _number(words.number(row.val_mse), "Validation"),
        _number(words.number(row.test_mse), "Test"),
        _number(over_floor(row.test_mse, line.floor), _OVER_FLOOR),
        _number("–" if row.psnr is None else f"{words.number(row.psnr)} dB", "PSNR"),
    ]
    if kind is not None:
        alt = _KINDS[kind].format(row.number)
        shown = _picture(kind, study, row.number, alt) if line.has_pictures else "no pictures"
        cells.append(html.Td(shown))
    return html.Tr(cells, className="baseline" if line.rank is None else "")


def _name(study: str, line: Line) -> list[Any]:
    href = links.url(links.TRIAL, study, line.trial.number)
    rank = [] if line.rank is None else [html.Span(f"{line.rank}.", className="rank"), " "]
    role = [html.Div(line.role, className="role")] if line.role else []
    return [*rank, dcc.Link(f"Trial {line.trial.number}", href=href), *role]


def over_floor(error: float | None, floor: float | None) -> str:
    """How many times the floor an error is."""
    if error is None or floor is None:
        return "–"
    return "floor is 0" if floor < NOTHING else f"{words.number(error / floor, 2)}×"


def _number(text: str, label: str) -> Any:
    said: dict[str, Any] = {"data-label": label}
    return html.Td(text, className="number", **said)


def _picture(kind: str, study: str, number: int | None, alt: str) -> Any:
    return html.Img(
        src=picture_url(kind, study, number),
        alt=alt,
        title=alt,
        className="strip-picture",
    )


def compare_url(study: str, lines: Sequence[Line]) -> str:
    """The page that lays these trials side by side."""
    trials = ",".join(str(line.trial.number) for line in lines)
    return links.url(links.COMPARE, study, trials=trials)
