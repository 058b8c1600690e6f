"""Lay out the best configurations: settings, errors and pictures, with the baseline."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from dash import html

from sweep.analysis.floors import Floors
from sweep.dashboard.parts.findings import cells, heads, sentence
from sweep.dashboard.parts.pictures import picture
from sweep.findings.ranking import RankedTrial, gather_ranking, ranking_table
from sweep.findings.tables import FindingTable
from sweep.store.handle import StudyHandle
from sweep.store.table import TrialTable

_N_BEST = 5


class BestTrials(NamedTuple):
    """The best trials and the baseline."""

    study: str
    lines: Sequence[RankedTrial]
    table: FindingTable
    #: Trials with pictures.
    pictured: Collection[int]
    has_originals: bool

    def has_pictures(self, line: RankedTrial) -> bool:
        """Tell whether the trial has pictures."""
        return line.trial.number in self.pictured


def gather_best(study: StudyHandle, table: TrialTable, floors: Floors | None) -> BestTrials:
    """Read the five best, and the baseline."""
    lines = gather_ranking(study, table, _N_BEST)
    laid_out = ranking_table(lines, floors, table.objectives)
    return BestTrials(
        study=study.name,
        lines=lines,
        table=laid_out.without("exact_pixel_share", "train_seconds"),
        pictured=study.trials_with_pictures([line.trial.number for line in lines]),
        has_originals=study.record().originals_png is not None,
    )


def draw_best(best: BestTrials, kind: str = "reconstructions") -> Any:
    """Lay out a table with a row for each trial; ``kind`` chooses its pictures."""
    has_pictures = best.has_originals and any(map(best.has_pictures, best.lines))
    head, rows = heads(best.table), []
    if has_pictures:
        head.append(html.Th("Test images", className="pictures"))
        rows.append(_originals(best))
    for line, row in zip(best.lines, best.table.rows, strict=True):
        shown = cells(best.study, best.table, row)
        if has_pictures:
            shown.append(html.Td(_copies(best, line, kind)))
        rows.append(html.Tr(shown, className="baseline" if line.rank is None else ""))
    table = html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)], className="plain ranking")
    return [table, html.P(sentence(best.table.note), className="note")]


def _originals(best: BestTrials) -> Any:
    return html.Tr(
        [
            html.Td("Originals", colSpan=len(best.table.columns), className="originals"),
            html.Td(picture("originals", best.study)),
        ]
    )


def _copies(best: BestTrials, line: RankedTrial, kind: str) -> Any:
    if not best.has_pictures(line):
        return "no pictures"
    return picture(kind, best.study, line.trial.number)
