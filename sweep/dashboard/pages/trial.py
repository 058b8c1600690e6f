"""One trial: its settings, its training, its results, and people's remarks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from sweep.catalogue.settings import by_setting
from sweep.dashboard import edits, links
from sweep.dashboard.links import Place, TrialPlace
from sweep.dashboard.parts import cards, charts, states
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.cards import tiles_of
from sweep.dashboard.parts.charts import PageFigure
from sweep.dashboard.parts.findings import finding_table, sentence
from sweep.dashboard.parts.model import model_links
from sweep.dashboard.parts.news import mark_of
from sweep.dashboard.parts.pictures import picture_row
from sweep.dashboard.parts.remarks import remarks
from sweep.dashboard.view import PageReader, View
from sweep.findings.commands import as_toml, enqueue_command, show_command
from sweep.findings.tables import FindingTable
from sweep.findings.trial import TrialFindings, gather_trial


def layout(view: View, place: Place) -> Any:
    """Lay out the page. Raises NotFoundError without the trial."""
    facts = gather(view, place.name, place.trial)
    part = {name: html.Div(make(facts), id=name) for name, make in _parts(view).items()}
    drawn = figures(view, facts)
    curves = [charts.card_of(graph_id, drawn[graph_id]) for graph_id in _CURVES]
    front, classes, neighbours = (charts.card_of(of, drawn[of], hides=True) for of in _HIDING)
    return html.Div(
        [
            part["trial-head"],
            edits.trial_controls(view, facts.study, facts.trial),
            part["trial-tiles"],
            html.Div(
                [
                    cards.card("Diagnosis", part["trial-diagnosis"]),
                    cards.card(facts.measured.title, part["trial-measured"]),
                ],
                className="row",
            ),
            html.Div(curves, id="trial-curves", className="row curves", hidden=not _trains(facts)),
            front,
            part["trial-pictures"],
            html.Div(
                [
                    cards.card(facts.settings.title, part["trial-settings"]),
                    classes,
                ],
                className="row",
            ),
            part["trial-network"],
            part["trial-seeds"],
            html.Div(
                [
                    cards.card(
                        "Notes and tags",
                        html.Div(
                            [
                                part["trial-remarks"],
                                edits.remark_forms() if view.allow_edit else None,
                            ]
                        ),
                    ),
                    cards.card("Attempts and events", part["trial-events"]),
                ],
                className="row",
            ),
            html.Div(
                [neighbours, cards.card(facts.provenance.title, part["trial-provenance"])],
                className="row",
            ),
            dcc.Store(id="trial-mark", data=mark(facts)),
        ],
        className="page",
    )


def gather(view: View, study: str, number: int) -> TrialFindings:
    """Gather what the page shows. Raises NotFoundError if the study or the trial does not exist."""
    return gather_trial(view.study(study), number, lambda of: view.floors(of.name))


def mark(facts: TrialFindings) -> str:
    """Return a text that differs when the page has something new to show."""
    return mark_of(replace(facts, floors=None), facts.floors is not None)


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""
    parts = _parts(view)

    @app.callback(
        Output("trial-mark", "data"),
        *(Output(name, "children") for name in parts),
        *(of for name in _CURVES for of in charts.outputs(name)),
        *(of for name in _HIDING for of in charts.outputs(name, hides=True)),
        Output("trial-curves", "hidden"),
        Input("revision", "data"),
        State("place", "data"),
        State("trial-mark", "data"),
    )
    def update(_: Any, place: TrialPlace, before: str | None) -> Any:
        facts = gather(view, place.name, place.trial)
        if mark(facts) == before:  # something else in the study is new
            return no_update
        drawn = figures(view, facts)
        return (
            mark(facts),
            *(make(facts) for make in parts.values()),
            *(of for name in _CURVES for of in charts.fill(drawn[name])),
            *(of for name in _HIDING for of in charts.fill(drawn[name], hides=True)),
            not _trains(facts),
        )


def _trains(facts: TrialFindings) -> bool:
    """Return whether there are curves, or soon will be."""
    return bool(facts.curve) or facts.trial.state == "RUNNING"


def _parts(view: View) -> Mapping[str, Callable[[TrialFindings], Any]]:
    """Map the ids of the page's parts that change to the functions that lay them out."""
    return {
        "trial-head": head,
        "trial-tiles": tiles,
        "trial-diagnosis": diagnosis,
        "trial-measured": lay_out_measurements,
        "trial-pictures": pictures,
        "trial-settings": settings,
        "trial-network": network,
        "trial-seeds": seeds,
        "trial-remarks": lambda facts: remarks(
            facts.trial.tags, facts.trial.notes, allow_edit=view.allow_edit
        ),
        "trial-events": events,
        "trial-provenance": provenance,
    }


_CURVES = {"trial-loss": "train_loss", "trial-error": "val_mse", "trial-bce": "val_bce"}
#: Charts that hide while they have nothing to show.
_HIDING = ("trial-front", "trial-classes", "trial-neighbours")


def figures(view: View, facts: TrialFindings) -> dict[str, PageFigure]:
    """Draw the charts, by the ids of their graphs."""
    reader, number = PageReader(view, facts.study), facts.trial.number
    curves = {
        graph_id: charts.figure_of(reader, "seeds", trial=number, curve=curve)
        for graph_id, curve in _CURVES.items()
    }
    best = number if facts.best is None else facts.best.number
    trials = tuple(dict.fromkeys((number, best)))
    return {
        **curves,
        "trial-front": charts.figure_of(reader, "front", trials=(number,)),
        "trial-neighbours": charts.figure_of(reader, "neighbours", trial=number),
        "trial-classes": charts.figure_of(reader, "classes", trials=trials),
    }


# --- parts ----------------------------------------------------------------------------------------


def head(facts: TrialFindings) -> list[Any]:
    """Lay out the trial's number, how it ended, and links to other pages."""
    trial = facts.trial
    rank = "" if facts.rank is None else str(facts.rank)
    return [
        html.Div(
            [
                html.H1(f"Trial {trial.number}"),
                states.badge(trial.state, trial.outcome, trial.invalid),
                html.Span(rank, className="rank"),
                html.Div(
                    [
                        _step("← Previous", facts.study, facts.previous, "previous"),
                        _step("Next →", facts.study, facts.next, "next"),
                        _compare(facts),
                    ],
                    className="line trial-ways",
                ),
            ],
            className="line trial-title",
        ),
        html.P(facts.configuration, className="about trial-name"),
        _banner(facts),
    ]


def _step(label: str, study: str, number: int | None, key: str) -> Any:
    if number is None:
        return html.Span(label, className="button off", **attributes(aria_disabled="true"))
    return dcc.Link(
        html.Span(label, **attributes(data_key=key)),
        href=links.url(links.TRIAL, study, number),
        className="button",
        title=f"Trial {number}",
    )


def _compare(facts: TrialFindings) -> Any:
    best, number = facts.best, facts.trial.number
    if best is None or best.number == number:
        return None
    return dcc.Link(
        html.Span("Compare with the best", **attributes(data_key="compare")),
        href=links.url(links.COMPARE, facts.study, trials=f"{best.number},{number}"),
        className="button",
        title=f"Trials {best.number} and {number} side by side",
    )


def _banner(facts: TrialFindings) -> Any:
    trial = facts.trial
    if not trial.invalid:
        return None
    reason = trial.invalid_reason or "no reason given"
    return html.P(
        [html.Strong("Invalid: "), reason, ". Excluded from best, sampling and analysis."],
        className="banner",
        role="note",
    )


def tiles(facts: TrialFindings) -> Any:
    """Lay out the most important numbers."""
    shown = tiles_of(facts.study, facts.measured.without("floor"))
    return cards.strip(shown) if shown else None


def diagnosis(facts: TrialFindings) -> Any:
    """Lay out the sentences of the diagnosis."""
    return html.Ul([html.Li(sentence(text)) for text in facts.sentences], className="said")


def lay_out_measurements(facts: TrialFindings) -> Any:
    """Lay out each number with its floor."""
    return finding_table(facts.study, facts.measured)


def pictures(facts: TrialFindings) -> Any:
    """Lay out the originals above the reconstructions and their errors."""
    number = facts.trial.number
    if not facts.has_pictures:
        return None
    rows = [
        picture_row("Originals", "originals", facts.study),
        picture_row(f"Trial {number}", "reconstructions", facts.study, number),
        picture_row("Its errors", "errors", facts.study, number),
    ]
    note = html.P(
        "Test images. Errors: black is correct, white is off by half the scale or more.",
        className="note",
    )
    return cards.card("Reconstructions", html.Div([*rows, note]))


def settings(facts: TrialFindings) -> Any:
    """Lay out the settings that it was trained with, with buttons to copy them."""
    table = finding_table(facts.study, facts.settings, "settings")
    if not facts.settings:
        return table
    trial = facts.trial
    kept = trial.artifact_id is not None
    return [table, _copies(facts), model_links(facts.study, trial.number) if kept else None]


def _copies(facts: TrialFindings) -> Any:
    searched = by_setting(facts.trial.params)
    texts = {"Copy “sweep show”": show_command(facts.study, facts.trial.number)}
    if searched:
        texts = {
            "Copy as TOML": as_toml(searched),
            "Copy “sweep enqueue”": enqueue_command(facts.study, searched),
            **texts,
        }
    buttons = [
        html.Button(label, className="plain", title=text, **attributes(data_copy=text))
        for label, text in texts.items()
    ]
    return html.Div(buttons, className="line copies")


def network(facts: TrialFindings) -> Any:
    """Lay out the analysis of its networks, and the probe of its code."""
    shown = [_card(facts, table) for table in (facts.network, facts.pixels, facts.probe)]
    return html.Div(shown, className="row") if any(shown) else None


def seeds(facts: TrialFindings) -> Any:
    """Lay out each seed's result, if there are several."""
    return _card(facts, facts.seeds)


def _card(facts: TrialFindings, table: FindingTable) -> Any:
    if not table and not table.note:
        return None
    return cards.card(table.title, finding_table(facts.study, table))


def events(facts: TrialFindings) -> list[Any]:
    """List when the trial was dispatched, and what happened to it."""
    tables = (facts.course, facts.events)
    return [finding_table(facts.study, table, "pairs") for table in tables if table]


def provenance(facts: TrialFindings) -> Any:
    """Lay out versions, code and data."""
    return finding_table(facts.study, facts.provenance, "pairs")
