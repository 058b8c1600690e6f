"""One trial: what it was, how it trained, what came out, and what people say of it."""

from collections.abc import Callable, Mapping, Sequence
from shlex import quote
from typing import Any

import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update

from sweep.catalogue.formats import count
from sweep.catalogue.settings import by_setting
from sweep.dashboard import edits, links
from sweep.dashboard.links import Place, TrialPlace
from sweep.dashboard.parts import cards, copies, states, trial_facts
from sweep.dashboard.parts.answer import not_yet
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.moments import exact, since
from sweep.dashboard.parts.network import found_rows, told_rows
from sweep.dashboard.parts.pictures import picture_row
from sweep.dashboard.parts.remarks import remarks
from sweep.dashboard.parts.trial_facts import TrialFacts, gather_trial
from sweep.dashboard.view import View
from sweep.figures import style, words
from sweep.figures.classes import draw_classes, gather_classes
from sweep.figures.seeds import SeedCurves, draw_seeds, gather_seed_curves
from sweep.store.records import EventRow, SeedResult, TrialRow


def layout(view: View, place: Place) -> Any:
    """The page. Raises NotFoundError without the trial."""
    facts = gather_trial(view, place.name, place.trial)
    part = {name: html.Div(make(facts), id=name) for name, make in _parts(view).items()}
    drawn = figures(facts)
    charts = [
        cards.figure_card(name, drawn[name], height=drawn[name].layout.height) for name in _CURVES
    ]
    classes = cards.figure_card("trial-classes", drawn["trial-classes"])
    return html.Div(
        [
            part["trial-head"],
            edits.trial_controls(view, facts.study, facts.trial),
            part["trial-tiles"],
            html.Div(
                [
                    cards.card("Diagnosis", part["trial-diagnosis"]),
                    cards.card(
                        "Measured, and what nothing of its kind can beat", part["trial-measured"]
                    ),
                ],
                className="row",
            ),
            html.Div(charts, id="trial-curves", className="row curves", hidden=not _trains(facts)),
            part["trial-pictures"],
            html.Div(
                [
                    cards.card("Settings", part["trial-settings"]),
                    html.Div(classes, id="trial-classes-box", hidden=not facts.trial.per_class_mse),
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
            cards.card("Provenance", part["trial-provenance"]),
            dcc.Store(id="trial-mark", data=facts.mark),
        ],
        className="page",
    )


def register(app: Dash, view: View) -> None:
    """Its callbacks."""
    parts = _parts(view)

    @app.callback(
        Output("trial-mark", "data"),
        *(Output(name, "children") for name in parts),
        *(Output(f"{name}-note", "children") for name in _CURVES),
        *(Output(name, "figure") for name in (*_CURVES, "trial-classes")),
        Output("trial-classes-box", "hidden"),
        Output("trial-curves", "hidden"),
        Input("revision", "data"),
        State("place", "data"),
        State("trial-mark", "data"),
        prevent_initial_call=True,
    )
    def update(_: Any, place: TrialPlace, before: str | None) -> Any:
        facts = gather_trial(view, place.name, place.trial)
        if facts.mark == before:  # something else in the study is new
            return no_update
        drawn = figures(facts)
        return (
            facts.mark,
            *(make(facts) for make in parts.values()),
            *(style.subtitle_of(drawn[name]) for name in _CURVES),
            *map(cards.fresh, drawn.values()),
            not facts.trial.per_class_mse,
            not _trains(facts),
        )


def _trains(facts: TrialFacts) -> bool:
    """Whether there are curves, or soon will be."""
    return bool(facts.seed_curves) or facts.trial.state == "RUNNING"


def _parts(view: View) -> Mapping[str, Callable[[TrialFacts], Any]]:
    """The parts of the page that change, by the id they stand under."""
    return {
        "trial-head": head,
        "trial-tiles": tiles,
        "trial-diagnosis": diagnosis,
        "trial-measured": measured,
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


def figures(facts: TrialFacts) -> dict[str, go.Figure]:
    """The charts by the ids of their graphs."""
    curves: SeedCurves = gather_seed_curves(facts.seed_curves, facts.trial, facts.floors)
    drawn = {name: draw_seeds(getattr(curves, of)) for name, of in _CURVES.items()}
    trial, best = facts.trial, facts.best
    shown: dict[str, TrialRow] = {f"trial {trial.number}": trial}
    if best is not None and best.number != trial.number:
        shown[f"the best (trial {best.number})"] = best
    classes = gather_classes(shown, facts.class_names, facts.baseline)
    return {**drawn, "trial-classes": draw_classes(classes)}


# --- parts ----------------------------------------------------------------------------------------


def head(facts: TrialFacts) -> list[Any]:
    """Which trial, how it ended, where to go from here."""
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
        html.P(words.short_name(trial), className="about trial-name"),
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


def _compare(facts: TrialFacts) -> Any:
    best, number = facts.best, facts.trial.number
    if best is None or best.number == number:
        return None
    return dcc.Link(
        html.Span("Compare with the best", **attributes(data_key="compare")),
        href=links.url(links.COMPARE, facts.study, trials=f"{best.number},{number}"),
        className="button",
        title=f"Trials {best.number} and {number} side by side",
    )


def _banner(facts: TrialFacts) -> Any:
    trial = facts.trial
    if not trial.invalid:
        return None
    reason = trial.invalid_reason or "no reason was given"
    return html.P(
        [html.Strong("Invalid: "), reason, ". Left out of best, sampling and analysis."],
        className="banner",
        role="note",
    )


def tiles(facts: TrialFacts) -> Any:
    """The numbers to remember."""
    trial = facts.trial
    by_label = {row.label: row for row in trial_facts.measured(trial, facts.floors)}
    chosen = [by_label[label] for label in _TILES if label in by_label]
    if not chosen:
        return None
    return cards.strip([cards.tile(_TILES[of.label], of.value, _detail(of)) for of in chosen])


def _detail(of: trial_facts.MeasuredRow) -> str:
    return " ".join(filter(None, (of.unit, of.beside)))


#: What is measured, by what a tile calls it.
_TILES = {
    "validation error (MSE)": "Validation error",
    "test error (MSE)": "Test error",
    "as good as PCA with": "As good as PCA with",
    "test cross-entropy (BCE)": "Test cross-entropy",
    "test PSNR": "Signal to noise",
    "exact pixels": "Exact pixels",
    "training time": "Training time",
}


def diagnosis(facts: TrialFacts) -> Any:
    """Sentences."""
    return html.Ul([html.Li(sentence) for sentence in facts.diagnosis], className="said")


def measured(facts: TrialFacts) -> Any:
    """Each number beside its floor."""
    rows = trial_facts.measured(facts.trial, facts.floors)
    if not rows:
        when = (
            "Measured when its training ends."
            if facts.trial.state in ("WAITING", "RUNNING")
            else "Not measured: only a trial that is trained to its end is."
        )
        return html.P(when, className="note")
    header = ("", "this trial", "floor", "beside it")
    cells = [(row.label, f"{row.value} {row.unit}".strip(), row.floor, row.beside) for row in rows]
    return _table(header, cells, numbers=(1, 2))


def pictures(facts: TrialFacts) -> Any:
    """What it gives back, and where it errs, beside the originals."""
    number = facts.trial.number
    if not facts.has_pictures:
        return None
    rows = [
        picture_row("Originals", "originals", facts.study),
        picture_row(f"Trial {number}", "reconstructions", facts.study, number),
        picture_row("Its errors", "errors", facts.study, number),
    ]
    note = html.P(
        "Test images. Errors: black is right, white is off by half the scale or more.",
        className="note",
    )
    return cards.card("Reconstructions", html.Div([*rows, note]))


def settings(facts: TrialFacts) -> Any:
    """What it was trained with; to be copied."""
    rows = [
        html.Tr(
            [
                html.Th(row.name, scope="row"),
                html.Td(row.value, className="value"),
                html.Td(html.Span("searched", className="tag") if row.is_searched else ""),
            ],
            className="searched" if row.is_searched else "",
        )
        for row in trial_facts.settings(facts.trial)
    ]
    if not rows:
        return html.P("Not chosen yet: the sampler does when it is handed out.", className="note")
    return [html.Table(html.Tbody(rows), className="plain settings"), _copies(facts)]


def _copies(facts: TrialFacts) -> Any:
    searched = by_setting(facts.trial.params)
    texts = {"Copy “sweep show”": copies.show_command(facts.study, facts.trial.number)}
    if searched:
        texts = {
            "Copy as TOML": copies.as_toml(searched),
            "Copy “sweep enqueue”": copies.enqueue_command(facts.study, searched),
            **texts,
        }
    buttons = [
        html.Button(label, className="plain", title=text, **attributes(data_copy=text))
        for label, text in texts.items()
    ]
    return html.Div(buttons, className="line copies")


def network(facts: TrialFacts) -> Any:
    """What was found in its networks, and what its code is worth."""
    found, told = found_rows(facts.trial), told_rows(facts.trial)
    both = []
    if found:
        header = ("", "found", "what it means")
        both.append(cards.card("Inside its network", _table(header, found, numbers=(1,))))
    if told:
        header = ("told from", "by a linear classifier", "by the nearest images")
        both.append(cards.card("Labels told right", _table(header, told, numbers=(1, 2))))
    elif facts.trial.artifact_id is not None:
        command = f"sweep analyse {quote(facts.study)} {facts.trial.number}"
        both.append(cards.card("Labels told right", not_yet("Not analysed yet.", command)))
    return html.Div(both, className="row") if both else None


def seeds(facts: TrialFacts) -> Any:
    """Each seed's result, where there are several."""
    results = facts.trial.results
    if len(results) < 2:
        return None
    header = ("seed", "validation error", "test error", "test BCE (nats)", "PSNR", "exact pixels")
    table = _table(header, [_seed(result) for result in results], numbers=(1, 2, 3, 4, 5))
    return cards.card("Seeds", table)


def _seed(result: SeedResult) -> tuple[str, ...]:
    share = result.exact_pixel_share
    return (
        str(result.seed),
        words.number(result.val_mse, 4),
        words.number(result.test_mse, 4),
        words.number(result.test_bce, 4),
        "–" if result.psnr is None else f"{result.psnr:.2f} dB",
        "–" if share is None else words.percent(share, 1),
    )


def events(facts: TrialFacts) -> list[Any]:
    """When it was handed out, and what happened to it."""
    trial = facts.trial
    times = [
        ("handed out", count(trial.attempt, "time") if trial.attempt else "not yet"),
        ("began", exact(trial.datetime_start)),
        ("ended", exact(trial.datetime_complete)),
        ("reason", trial.reason or ""),
    ]
    happened = [html.Li(_event(event)) for event in trial.events]
    return [
        _pairs([(label, said) for label, said in times if said and said != "–"]),
        html.Ol(happened, className="said") if happened else None,
    ]


def _event(event: EventRow) -> list[Any]:
    by = f" ({event.worker})" if event.worker else ""
    return [html.Strong(event.kind), f"{by}: {event.message} ", since(event.at)]


def provenance(facts: TrialFacts) -> Any:
    """Versions, code, data."""
    return _pairs(trial_facts.provenance(facts))


def _pairs(pairs: list[tuple[str, str]]) -> Any:
    rows = [html.Tr([html.Th(label, scope="row"), html.Td(said)]) for label, said in pairs]
    return html.Table(html.Tbody(rows), className="plain pairs")


def _table(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: tuple[int, ...] = ()
) -> Any:
    """A table; the cells of these columns are numbers."""
    kind = ["number" if place in numbers else "" for place in range(len(header))]
    heads = [
        html.Th(label, scope="col", className=of) for label, of in zip(header, kind, strict=True)
    ]
    body = [
        html.Tr([html.Td(cell, className=of) for cell, of in zip(row, kind, strict=True)])
        for row in rows
    ]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(body)], className="plain")
    return html.Div(table, className="scroll")
