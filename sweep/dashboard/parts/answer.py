"""Lay out the parts of the answer to why a study's error stops."""

from shlex import quote
from typing import Any

from dash import html

from sweep.analysis.atlas import Atlas, AtlasTrial
from sweep.catalogue import formats
from sweep.dashboard.parts import cards, charts
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.findings import finding_table, missing, trial_link
from sweep.dashboard.parts.pictures import picture_row
from sweep.dashboard.view import PageReader
from sweep.findings.ablation import FORWARD
from sweep.findings.study import StudyFindings


def causes(reader: PageReader, found: StudyFindings) -> Any:
    """Draw the effects of causes and the ablation paths, or say how to get them."""
    drawn = []
    if (cells := found.cell_table) is not None:
        card = charts.card_of("why-factorial", charts.figure_of(reader, "factorial"))
        drawn += [card, cards.card(cells.title, finding_table(found.study.name, cells, "stacked"))]
    if found.ablation is not None:
        drawn += [
            charts.card_of(graph_id, charts.figure_of(reader, "ablation", reverse=reverse))
            for graph_id, reverse in _PATHS.items()
        ]
    if not drawn:
        return cards.card(FORWARD, missing(found.no_ablation))
    return html.Div(drawn, className="row")


#: Whether the path is the one back, by the id of its chart.
_PATHS = {"why-waterfall": False, "why-waterfall-back": True}


def code(reader: PageReader, found: StudyFindings) -> Any:
    """Draw how well the codes predict the labels, or say what would measure it."""
    if found.probes is None:
        return cards.card(
            "How well does the code predict the labels?", missing(found.probe_table.note)
        )
    near = charts.figure_of(reader, "neighbours")
    return html.Div(
        [
            charts.card_of("why-code", charts.figure_of(reader, "code")),
            None if near.data is None else charts.card_of("why-neighbours", near),
        ],
        className="row",
    )


# --- atlas ----------------------------------------------------------------------------------------


def stages(study: str, atlas: Atlas, shown: int) -> list[Any]:
    """Lay out the pictures of each width on top of each other; the browser shows one of them."""
    return [
        html.Div(
            [
                _caption(study, of),
                picture_row("copies", "reconstructions", study, of.trial.number),
                picture_row("errors", "apart", study, of.trial.number),
            ],
            className="why-stage",
            hidden=place != shown,
        )
        for place, of in enumerate(atlas.trials)
    ]


def _caption(study: str, of: AtlasTrial) -> Any:
    mse, exact = float(of.image_mse.mean()), float(of.image_exact.mean())
    return html.P(
        [
            html.B(f"{of.trial.hidden_width or 0:,} units"),
            trial_link(study, of.trial.number, f"Trial {of.trial.number}"),
            f" · test error {formats.number(of.trial.test_mse)} · of these ten images "
            f"{formats.number(mse)}, {formats.percent(exact)} of their pixels exact",
        ],
        className="why-caption",
        **attributes(aria_live="polite"),
    )


def no_pictures(study: str) -> Any:
    """Say when pictures appear, before there are any."""
    return missing(
        "Pictures appear with the first trial that finishes, and are kept for the best of each "
        f"width: `sweep resume {quote(study)}`."
    )
