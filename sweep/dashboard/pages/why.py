"""Why the error stops where it stops: the answer in words, and its evidence.

``?by=activation`` separates the choices of a setting, ``width=64`` is the position of the slider
for the pictures. Each part is filled by a separate callback, so that none waits for another.
"""

from collections.abc import Sequence
from shlex import quote
from typing import Any, NamedTuple

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from sweep.analysis.atlas import Atlas
from sweep.analysis.width_law import SPLITS
from sweep.catalogue.columns import column_named
from sweep.dashboard.links import Place, StudyPlace
from sweep.dashboard.parts import answer, cards, charts, standing
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.charts import PageFigure
from sweep.dashboard.parts.findings import finding_table, sentence
from sweep.dashboard.parts.news import mark_of
from sweep.dashboard.parts.pictures import picture_row
from sweep.dashboard.view import PageReader, View
from sweep.figures.atlas import atlas_note, best_place
from sweep.findings.study import StudyFindings, gather_study
from sweep.store.table import Choices, TrialTable

_ALL = "all"
#: Charts of the atlas.
_LINES = {"why-classes": "classes_by_width", "why-kinds": "pixels_by_width"}
_HEIGHT = 460
#: Labels under the slider: more would overlap on a phone.
_MAX_MARKS = 6


def layout(view: View, place: Place) -> Any:
    """Lay out the page; callbacks fill its parts."""
    study = view.study(place.name).summary()
    return html.Div(
        [
            html.Section(
                [
                    html.H1("Why the error stops where it stops"),
                    html.Div(_waits(), id="why-words"),
                ],
                className="card verdict",
            ),
            charts.pending_card(
                "why-width",
                "width_law",
                controls=_choose_setting(view.table(place.name), place.query.get("by")),
                height=_HEIGHT,
            ),
            html.Div(_waits(), id="why-causes"),
            cards.card("What limits the error at each width", html.Div(_waits(), id="why-limits")),
            charts.pending_card("why-front", "front", hidden=True),
            html.Div(_waits(), id="why-worth"),
            cards.card("Which trials tie with the best", html.Div(_waits(), id="why-ties")),
            _atlas_card(study.name),
            html.Div(
                [charts.pending_card(of, name, hidden=True) for of, name in _LINES.items()],
                className="row",
            ),
            dcc.Store(id="why-scale"),
            dcc.Store(id="why-mark"),
            dcc.Store(id="why-trained"),
            dcc.Store(id="why-wanted", data=place.query.get("width")),
            dcc.Store(id="why-query"),
        ],
        className="why",
    )


def _waits() -> Any:
    return dmc.Loader(type="dots")


def _choose_setting(table: TrialTable, chosen: str | None) -> Any:
    offered = [setting for setting in SPLITS if _varies(table, setting)]
    choices = {_ALL: "all trials", **{of: f"by {column_named(of).title}" for of in offered}}
    return dmc.Select(
        id="why-by",
        data=[{"value": value, "label": label} for value, label in choices.items()],
        value=chosen if chosen in choices else _ALL,
        allowDeselect=False,
        size="xs",
        className="by",
        **attributes(aria_label="Draw apart"),
    )


def _varies(table: TrialTable, setting: str) -> bool:
    column = table.settings.get(setting)
    return isinstance(column, Choices) and len(column.names) > 1


def _atlas_card(study: str) -> Any:
    slider = html.Div(
        dmc.Slider(
            id="why-at",
            min=0,
            max=1,
            step=1,
            value=0,
            label=None,
            updatemode="drag",
            thumbLabel="Hidden width",
        ),
        id="why-slider",
        className="why-slider",
        hidden=True,
    )
    return cards.card(
        "The same test images at every width",
        html.Div(
            [
                slider,
                html.Div(picture_row("originals", "originals", study), id="why-originals"),
                html.Div(_waits(), id="why-stages"),
                html.P("", id="why-atlas-note", className="note"),
            ]
        ),
    )


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""
    _register_words(app, view)
    _register_atlas(app, view)
    charts.opens_trials(app, "why-width", "why-classes", "why-kinds", "why-code")

    @app.callback(
        *charts.outputs("why-width"),
        Input("revision", "data"),
        Input("why-by", "value"),
        State("place", "data"),
        prevent_initial_call=False,
    )
    def width(_: Any, by: str, place: StudyPlace) -> Any:
        return charts.fill(width_figure(view, place.name, by))

    charts.register_figure(app, view, "why-front", "front", Input("revision", "data"))
    for graph_id, name in _LINES.items():  # they change with the pictures
        charts.register_figure(app, view, graph_id, name, Input("why-mark", "data"))

    # Separate, because every page has a query: Dash would call the next one on other pages too.
    app.clientside_callback(
        ClientsideFunction("why", "remember"),
        Output("query", "data", allow_duplicate=True),
        Input("why-query", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("why", "show"),
        Output("why-query", "data"),
        Input("why-at", "value"),
        Input("why-by", "value"),
        Input("why-stages", "children"),
        State("why-scale", "data"),
    )


def _register_words(app: Dash, view: View) -> None:
    @app.callback(
        Output("why-words", "children"),
        Output("why-limits", "children"),
        Output("why-ties", "children"),
        Output("why-causes", "children"),
        Output("why-worth", "children"),
        Output("why-trained", "data"),
        Input("revision", "data"),
        State("place", "data"),
        State("why-trained", "data"),
        prevent_initial_call=False,
    )
    def tell(_: Any, place: StudyPlace, shown: tuple[str, str] | None) -> Any:
        name = place.name
        reader = PageReader(view, name)
        found = gather_study(reader)
        return (
            verdict(view, found),
            finding_table(name, found.diagnosis_table, "stacked"),
            finding_table(name, found.ties_table, "stacked"),
            *draw_trained(reader, found, shown),
        )


def draw_trained(
    reader: PageReader, found: StudyFindings, shown: Sequence[str] | None
) -> tuple[Any, Any, list[str]]:
    """Draw the charts of causes and of the probe; return them with a mark of each.

    Each is left alone until its mark differs: laid out again, a chart would forget its reader's
    zoom.
    """
    probes = found.probes
    codes = () if probes is None else (*probes.best, *probes.trials)
    marks = [
        mark_of(found.ablation, found.factorial, found.ignored),
        mark_of([(of.number, of.code) for of in codes]),
    ]
    same = [mark == of for mark, of in zip(marks, shown or ("", ""), strict=True)]
    return (
        no_update if same[0] else answer.causes(reader, found),
        no_update if same[1] else answer.code(reader, found),
        marks,
    )


def verdict(view: View, found: StudyFindings) -> list[Any]:
    """Lay out the answer in words, as far as it is known."""
    name, said = found.study.name, found.sentences[1:]
    lacks_floors = found.verdict is not None and found.floors is None
    return [
        html.P(sentence(found.headline), className="explained"),
        html.Ul([html.Li(sentence(of)) for of in said], className="findings") if said else None,
        _about_floors(view, name, found.study.dataset) if lacks_floors else None,
    ]


def _about_floors(view: View, name: str, dataset: str) -> Any:
    if view.computing_floors(name):
        return html.P(standing.COMPUTING, className="note", role="status")
    why = "Without the floors of the data, capacity and the loss’s floor are unknown. "
    command = html.Code(f"sweep data prepare {quote(dataset)}")
    return html.P([why, command, " fetches the data to this machine."], className="note")


def width_figure(view: View, study: str, by: str) -> PageFigure:
    """Draw the law, of all trials or for each choice of a setting."""
    options: dict[str, Any] = {} if by == _ALL else {"setting": by}
    reader = PageReader(view, study)
    figure = charts.figure_of(reader, "width_law", height=_HEIGHT, **options)
    figure.drawn.update_layout(uirevision=f"keep {by}")
    return figure


# --- atlas ----------------------------------------------------------------------------------------


class Scale(NamedTuple):
    """The widths of the slider, and its initial position."""

    widths: list[int]
    start: int


#: Targets of the atlas callback: component and property.
_OF_ATLAS = (
    "why-stages.children",
    "why-originals.hidden",
    "why-slider.hidden",
    "why-at.max",
    "why-at.marks",
    "why-at.value",
    "why-scale.data",
    "why-atlas-note.children",
    "why-mark.data",
)


def _register_atlas(app: Dash, view: View) -> None:
    @app.callback(
        *(Output(id, of) for id, of in (name.split(".") for name in _OF_ATLAS)),
        Input("revision", "data"),
        State("place", "data"),
        State("why-mark", "data"),
        State("why-scale", "data"),
        State("why-at", "value"),
        State("why-wanted", "data"),
        prevent_initial_call=False,
    )
    def pictures(
        _: Any,
        place: StudyPlace,
        mark: list[int] | None,
        scale: Scale | None,
        at: int,
        wanted: str | None,
    ) -> Any:
        here = str(scale.widths[at]) if scale and 0 <= at < len(scale.widths) else wanted
        filled = atlas_parts(view, place.name, here, mark)
        return no_update if filled is None else [filled.get(of, no_update) for of in _OF_ATLAS]


def atlas_parts(
    view: View, name: str, here: str | None, mark: list[int] | None = None
) -> dict[str, Any] | None:
    """Return the slider and the pictures, by component and property.

    ``here`` is the wanted width of the slider. None if ``mark`` says that everything is shown
    already: then the slider stays where its reader moved it.
    """
    shows = view.pictured_widths(name)
    if shows == mark:  # decided without decoding any
        return None
    atlas = view.atlas(name)
    if atlas is None or not atlas.trials:
        absent = dict.fromkeys(("why-originals.hidden", "why-slider.hidden"), True)
        empty = {"why-stages.children": [answer.no_pictures(name)], "why-at.value": no_update}
        return {**absent, **empty, "why-mark.data": shows}
    return {**_slider(name, atlas, here), "why-mark.data": shows}


def _slider(name: str, atlas: Atlas, here: str | None) -> dict[str, Any]:
    widths = [of.trial.hidden_width or 0 for of in atlas.trials]
    best = best_place([of.trial for of in atlas.trials])
    places = {str(width): place for place, width in enumerate(widths)}
    shown = places.get(here or "", best)
    return {
        "why-stages.children": answer.stages(name, atlas, shown),
        "why-originals.hidden": False,
        "why-slider.hidden": len(widths) < 2,
        "why-at.max": max(len(widths) - 1, 1),
        "why-at.marks": marks(widths),
        "why-at.value": shown,
        "why-scale.data": Scale(widths, best)._asdict(),
        "why-atlas-note.children": f"{atlas_note(atlas)} For chosen trials see Compare.",
    }


def marks(widths: list[int]) -> list[dict[str, Any]]:
    """Return a tick for each width; a few have labels, always the first and the last."""
    every = -(-(len(widths) - 1) // (_MAX_MARKS - 1)) or 1
    last = len(widths) - 1
    named = {place for place in range(0, last, every) if last - place >= every} | {0, last}
    return [
        {"value": place, "label": f"{width:,}"} if place in named else {"value": place}
        for place, width in enumerate(widths)
    ]
