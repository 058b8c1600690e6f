"""Why a study's error stops: the parts of the answer, as pages show them."""

from collections.abc import Sequence
from shlex import quote
from typing import Any

from dash import dcc, html

from sweep.analysis.atlas import Atlas, AtlasTrial
from sweep.analysis.floors import Floors
from sweep.analysis.study_diagnosis import DiagnosedTrial, best_of_widths, diagnose_trials
from sweep.analysis.study_explanation import StudyExplanation, ignored, study_explanation
from sweep.analysis.study_ties import study_ties
from sweep.analysis.ties import Tied, TieSet
from sweep.analysis.usefulness import Usefulness
from sweep.analysis.verdict import best_number, floor_at
from sweep.analysis.width_law import width_errors, width_law
from sweep.dashboard import links
from sweep.dashboard.parts import cards
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.best import over_floor
from sweep.dashboard.parts.pictures import picture_row
from sweep.dashboard.view import View
from sweep.figures import words
from sweep.figures.usefulness import draw as draw_usefulness
from sweep.figures.usefulness import gather as gather_usefulness
from sweep.figures.waterfall import draw_waterfall, gather_waterfall
from sweep.findings.study import Findings


def gather_findings(view: View, study: str, *, in_short: bool = False) -> Findings:
    """What is known by now; nothing is trained or downloaded for it.

    In short without what fills a paragraph of its own: where the error goes, what codes are worth.
    """
    table, floors = view.table(study), view.floors(study)
    best = best_number(table)
    return Findings(
        width=width_law(width_errors(table)),
        limits=diagnose_trials(view.study(study), best_of_widths(table), floors),
        ties=study_ties(view.study(study)),
        explained=None if in_short else study_explanation(view.study(study), best),
        ignored=() if in_short else ignored(view.study(study)),
        useful=None if in_short else view.usefulness(study),
    )


def not_yet(why: str, command: str) -> Any:
    """A part that has nothing to show yet, and the command that makes it."""
    return html.Div([html.P(why), html.Code(command)], className="empty")


# --- causes ---------------------------------------------------------------------------------------


def causes(study: str, explained: StudyExplanation | None, ignored: Sequence[str] = ()) -> Any:
    """What the error comes from, change by change, and back; or why nothing is shown."""
    if explained is None:
        why = (
            "It takes runs of its own: what lies between the baseline and the "
            "best, change by change, with several seeds."
        )
        why = " ".join([why, *ignored])
        card = not_yet(why, f"sweep explain {quote(study)} --run")
        return cards.card("Where the error goes, change by change", card)
    paths = (gather_waterfall(explained), gather_waterfall(explained, reverse=True))
    ids = ("why-waterfall", "why-waterfall-back")
    return html.Div(
        [
            cards.figure_card(id, draw_waterfall(path), note=path.about)
            for id, path in zip(ids, paths, strict=True)
        ],
        className="row",
    )


# --- code -----------------------------------------------------------------------------------------


def code(study: str, useful: Usefulness | None) -> Any:
    """What the codes tell of the labels."""
    if useful is None:
        why = (
            "The best network of each width is analysed before the study ends, and all with "
            "study.probe. What is missing is analysed when you ask:"
        )
        card = not_yet(why, f"sweep analyse {quote(study)}")
        return cards.card("Is the code worth anything?", card)
    chart = gather_usefulness(useful)
    return cards.figure_card("why-code", draw_usefulness(chart), note=chart.about)


# --- labels ---------------------------------------------------------------------------------------


def limits_table(study: str, limits: Sequence[DiagnosedTrial], floors: Floors | None) -> Any:
    """What limits the best trial of each width."""
    if not limits:
        return not_yet("Labels come with the first trial that finishes.", resume(study))
    head = [
        html.Th("Width", className="number"),
        html.Th("Trial"),
        html.Th("Test error", className="number"),
        html.Th("vs PCA floor", className="number"),
        html.Th("Limited by"),
        html.Th("Because"),
    ]
    return _table(head, [_limited(study, of, floors) for of in limits], "stacked")


def _labelled(label: str) -> dict[str, Any]:
    """On a phone a cell stands under no heading."""
    return attributes(data_label=label)


def _limited(study: str, of: DiagnosedTrial, floors: Floors | None) -> Any:
    row = of.trial
    floor = None if floors is None else floor_at(floors, row.hidden_width)
    return html.Tr(
        [
            html.Td(_width(row.hidden_width), className="number", **_labelled("width")),
            html.Td(trial_link(study, row.number), className="trial"),
            html.Td(words.number(row.test_mse), className="number", **_labelled("test error")),
            html.Td(over_floor(row.test_mse, floor), className="number", **_labelled("vs PCA")),
            html.Td(html.B(str(of.diagnosis.limit or "not known")), className="label"),
            html.Td(of.diagnosis.because, className="because"),
        ]
    )


# --- ties -----------------------------------------------------------------------------------------


def ties_table(study: str, ties: TieSet | None) -> Any:
    """The best configurations beside the best."""
    if ties is None:
        why = (
            "It takes two configurations with three seeds each. The best can be trained again, "
            "with several."
        )
        return not_yet(why, f"sweep ties {quote(study)} --run")
    head = [
        html.Th("Trial"),
        *(
            html.Th(of, className="number")
            for of in ("Seeds", "Validation error", "Times best", "p")
        ),
        html.Th("Ties"),
    ]
    rows = [_tied(study, of, ties) for of in ties.compared]
    seeds = "the seeds" if ties.retrained_in is None else f"fresh seeds (study {ties.retrained_in})"
    note = (
        f"Welch’s t test of log validation errors over {seeds}, corrected after Holm over all "
        f"pairs. {ties.left_open}"
    )
    return [_table(head, rows, "stacked"), html.P(note, className="note")]


def _tied(study: str, of: Tied, ties: TieSet) -> Any:
    number = of.candidate.number
    roles = {"smallest": ties.smallest, "cheapest to train": ties.cheapest}
    said = ", ".join(["yes", *(role for role, n in roles.items() if n == number)])
    cells = {
        "seeds": str(len(of.candidate.errors)),
        "validation error": words.number(of.error, 4),
        "times best": f"{of.times_best:.3f}",
        "p": f"{of.p:.3f}",
    }
    return html.Tr(
        [
            html.Td(trial_link(study, number), className="trial"),
            *(
                html.Td(cell, className="number", **_labelled(label))
                for label, cell in cells.items()
            ),
            html.Td(said if of.is_tied else "no", **_labelled("ties")),
        ]
    )


# --- atlas ----------------------------------------------------------------------------------------


def stages(study: str, atlas: Atlas, shown: int) -> list[Any]:
    """The pictures of each width, one above the other; the browser shows one of them."""
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
            html.B(f"{_width(of.trial.hidden_width)} units"),
            trial_link(study, of.trial.number),
            f" · test error {words.number(of.trial.test_mse)} · of these ten images "
            f"{words.number(mse)}, {words.percent(exact)} of their pixels exact",
        ],
        className="why-caption",
        **attributes(aria_live="polite"),
    )


def no_pictures(study: str) -> Any:
    """Before there are any."""
    return not_yet(
        "Pictures come with the first trial that finishes, and are kept of the best of each width.",
        resume(study),
    )


# --- small ones -----------------------------------------------------------------------------------


def resume(study: str) -> str:
    """The command that goes on with a study."""
    return f"sweep resume {quote(study)}"


def trial_link(study: str, number: int) -> Any:
    """To the trial's page."""
    return dcc.Link(f"Trial {number}", href=links.url(links.TRIAL, study, number))


def _width(width: int | None) -> str:
    return "–" if width is None else f"{width:,}"


def _table(head: list[Any], rows: list[Any], kind: str = "") -> Any:
    body = [html.Thead(html.Tr(head)), html.Tbody(rows)]
    table = html.Table(body, className=f"plain {kind}".strip())
    return html.Div(table, className="scroll")
