"""All studies of the store: their state and findings."""

import base64
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import dash_mantine_components as dmc
from dash import (
    ALL,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    Patch,
    State,
    ctx,
    dcc,
    html,
    no_update,
)

from sweep.catalogue import formats
from sweep.dashboard import links
from sweep.dashboard.links import Place, join_names, split_names
from sweep.dashboard.parts import cards
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.parts.findings import cell_content
from sweep.dashboard.parts.news import mark_of
from sweep.dashboard.parts.study_state import state_badge
from sweep.dashboard.view import View
from sweep.figures.sparkline import sparkline_svg
from sweep.findings.study_list import study_cells
from sweep.findings.tables import Cell
from sweep.store.engine import format_url
from sweep.store.records import StudyList, StudySummary, UnreadableStudy

#: Further rows are found by searching: a longer page would not be more readable.
MAX_ROWS = 200

#: Column heads that sort; the first is the initial order.
SORTS: Mapping[str, str] = {
    "changed": "Last change",
    "name": "Study",
    "state": "State",
    "done": "Trials",
    "best": "Best value",
    "pace": "Trials/s",
    "data": "Data set",
}
_DEFAULT = "changed"
#: Columns sorted in descending order; a leading "-" in the address reverses any order.
_DESCENDING = {"changed", "done", "pace"}

#: Steps of a study's best, as ``read.best_so_far`` gives them.
Steps = Sequence[tuple[int, float]]


def layout(view: View, place: Place) -> Any:
    """Lay out the page."""
    sort = place.query.get("sort", "")
    found = gather(view, place.query.get("search", ""), sort)
    chosen = split_names(place.query.get("selected"))
    return html.Div(
        [
            html.Div(
                [
                    html.Div(
                        [html.H1("Studies"), html.P(found.summary, id="studies-summary")],
                        className="studies-title",
                    ),
                    html.Span(id="studies-compare-note", className="note", role="status"),
                    dcc.Link(
                        "Compare selected (0)", href="", id="studies-compare", className="button"
                    ),
                    html.Div(
                        dmc.TextInput(
                            id="studies-search",
                            value=place.query.get("search", ""),
                            placeholder="Search names, tags, notes, data sets",
                            debounce=200,
                            **attributes(aria_label="Search studies"),
                        ),
                        className="studies-search",
                        **attributes(data_search=""),
                    ),
                ],
                className="studies-head",
            ),
            html.Div(
                html.Table(
                    [
                        html.Thead(html.Tr([_head(*of, sort) for of in _COLUMNS.items()])),
                        html.Tbody([row(of, chosen) for of in found.studies], id="studies-rows"),
                    ],
                    className="plain studies",
                ),
                id="studies-table",
                className="card scroll",
                hidden=not found.studies,
            ),
            html.Div(found.empty, id="studies-empty"),
            html.Div(unreadable(found), id="studies-unreadable"),
            html.P(f"Database: {format_url(view.engine.url)}", className="note storage"),
            dcc.Store(id="studies-sort", data=sort),
            dcc.Store(id="studies-shown", data=marks(found.studies)),
            dcc.Store(id="studies-chosen", data=chosen),
        ],
        className="page",
    )


def register(app: Dash, view: View) -> None:
    """Register its callbacks."""

    @app.callback(
        Output("studies-rows", "children"),
        Output("studies-shown", "data"),
        Output("studies-summary", "children"),
        Output("studies-empty", "children"),
        Output("studies-table", "hidden"),
        Output("studies-unreadable", "children"),
        Input("revision", "data"),
        Input("studies-search", "value"),
        Input("studies-sort", "data"),
        State("studies-shown", "data"),
        State("studies-chosen", "data"),
    )
    def update(
        _: Any, search: str | None, sort: str, before: list[tuple[str, str]], chosen: list[str]
    ) -> Any:
        found = gather(view, search or "", sort)
        now = marks(found.studies)
        return (
            changed_rows(found.studies, before, now, chosen),
            now,
            found.summary,
            found.empty,
            not found.studies,
            unreadable(found),
        )

    # Separate: ``query`` is on every page, so its callback must not listen to other elements that
    # are on every page too.
    @app.callback(
        Output("query", "data", allow_duplicate=True),
        Input("studies-search", "value"),
        Input("studies-sort", "data"),
        Input("studies-chosen", "data"),
    )
    def keep(search: str | None, sort: str, chosen: list[str]) -> dict[str, str]:
        return {"search": search or "", "sort": sort, "selected": join_names(chosen)}

    app.clientside_callback(
        ClientsideFunction("studies", "choose"),
        Output("studies-chosen", "data"),
        Output("studies-compare", "children"),
        Output("studies-compare", "href"),
        Output("studies-compare", "aria-disabled"),
        Output("studies-compare-note", "children"),
        Input({"type": "studies-choose", "study": ALL}, "checked"),
        State({"type": "studies-choose", "study": ALL}, "id"),
        State("studies-chosen", "data"),
        prevent_initial_call=False,
    )

    @app.callback(
        Output("studies-sort", "data"),
        Output({"type": "studies-head", "by": ALL}, "aria-sort"),
        Input({"type": "studies-sort-by", "by": ALL}, "n_clicks"),
        State("studies-sort", "data"),
    )
    def sort_by(clicks: list[int | None], sort: str) -> Any:
        if not any(clicks):
            return no_update, [no_update] * len(SORTS)
        chosen = turn_order(sort, ctx.triggered_id["by"])
        return chosen, [aria_sort(key, chosen) for key in _COLUMNS if key in SORTS]


class Listed(NamedTuple):
    """A study and the content of its row."""

    study: StudySummary
    steps: Steps
    #: Studies that were trained for it.
    derived: Sequence[StudySummary] = ()


class Found(NamedTuple):
    """The matching studies, in order."""

    studies: list[Listed]
    #: The number of studies, in words.
    summary: str
    #: Content if there are no rows.
    empty: Any
    #: Unreadable studies, regardless of the search.
    unreadable: Sequence[UnreadableStudy] = ()


def gather(view: View, search: str, sort: str) -> Found:
    """Gather the studies that match a search, sorted."""
    stored = view.database.study_list()
    found, folded = _fold(stored, search)
    matching = sort_studies(found, sort)
    steps = view.database.best_so_far() if matching else {}
    return Found(
        studies=[
            Listed(study, steps.get(study.name, ()), folded.get(study.name, ()))
            for study in matching[:MAX_ROWS]
        ],
        summary=summary(stored, matching),
        empty=_empty(view, search, stored) if not matching else None,
        unreadable=stored.unreadable,
    )


def _fold(
    stored: StudyList, search: str
) -> tuple[list[StudySummary], dict[str, list[StudySummary]]]:
    """Return matching studies, and by a parent's name those folded into its row.

    Derived studies have their own rows if the parent does not match.
    """
    found, folded = [], {}
    for parent, *derived in stored.families.values():
        if matches(parent, search):
            found.append(parent)
            folded[parent.name] = derived
        else:
            found += [study for study in derived if matches(study, search)]
    return found, folded


def _empty(view: View, search: str, stored: StudyList) -> Any:
    if stored.studies:
        return _nothing(search)
    return None if stored.unreadable else _first_steps(view)


def unreadable(found: Found) -> list[Any]:
    """Lay out a card for each study that cannot be read, with what is wrong."""
    return [
        html.Div([html.B(study.name), html.P(study.reason)], className="card", role="alert")
        for study in found.unreadable
    ]


def matches(study: StudySummary, search: str) -> bool:
    """Return whether every word occurs in what people wrote about the study."""
    written = (study.name, study.description, study.dataset, study.note or "", *study.tags)
    text = " ".join(written).casefold()
    return all(word in text for word in search.casefold().split())


def sort_studies(studies: Sequence[StudySummary], sort: str) -> list[StudySummary]:
    """Sort by a key of SORTS, reversed after a "-"; studies without the value come last."""
    key = sort.removeprefix("-")
    key = key if key in SORTS else _DEFAULT
    known = [study for study in studies if _KEYS[key](study) is not None]
    unknown = [study for study in studies if _KEYS[key](study) is None]
    reverse = (key in _DESCENDING) != sort.startswith("-")
    return [*sorted(known, key=_KEYS[key], reverse=reverse), *unknown]


_KEYS: Mapping[str, Callable[[StudySummary], Any]] = {
    "changed": lambda study: study.updated_at,
    "name": lambda study: study.name.casefold(),
    "state": lambda study: (not study.running, study.phase),
    "done": lambda study: study.n_finished,
    "best": lambda study: study.best_value,
    "pace": lambda study: study.trials_per_second,
    "data": lambda study: study.dataset,
}


def turn_order(sort: str, by: str) -> str:
    """Return the order after a click on a column's head: by that column, or reversed."""
    return f"-{by}" if (sort or _DEFAULT) == by else by


def aria_sort(key: str, sort: str) -> str:
    """Return the ``aria-sort`` of a column's head."""
    if (sort.removeprefix("-") or _DEFAULT) != key:
        return "none"
    return "descending" if (key in _DESCENDING) != sort.startswith("-") else "ascending"


def summary(stored: StudyList, matching: Sequence[StudySummary]) -> str:
    """Summarise: ``3 studies and 2 derived, 1 running``."""
    every = stored.studies
    if not every:
        return ""
    n, n_running = len(stored.families), sum(study.running for study in every)
    said = "1 study" if n == 1 else f"{n:,} studies"
    said += f" and {len(every) - n:,} derived" if len(every) > n else ""
    said += f", {n_running} running" if n_running else ""
    if len(matching) < n:
        said += f"; {len(matching):,} match"
    if len(matching) > MAX_ROWS:
        said += f"; the first {MAX_ROWS} are shown, search for the others"
    return said


def marks(studies: Sequence[Listed]) -> list[tuple[str, str]]:
    """Return by name a digest of a row's content: unchanged rows need not be sent again."""
    return [(of.study.name, mark_of(of)) for of in studies]


def changed_rows(
    studies: Sequence[Listed],
    before: list[tuple[str, str]],
    now: list[tuple[str, str]],
    chosen: Sequence[str] = (),
) -> Any:
    """Return the rows that changed, or all rows if the list holds other studies now."""
    if [name for name, _ in before] != [name for name, _ in now]:
        return [row(of, chosen) for of in studies]
    rows = Patch()
    changed = [place for place, mark in enumerate(now) if mark != before[place]]
    for place in changed:
        rows[place] = row(studies[place], chosen)
    return rows if changed else no_update


# --- the table ----------------------------------------------------------------------------------

_COLUMNS: Mapping[str, str] = {
    "name": "Study",
    "state": "State",
    "done": "Trials",
    "best": "Best value",
    "history": "Best so far",
    "pace": "Trials/s",
    "data": "Data set",
    "changed": "Last change",
}
_NUMBERS = {"best", "pace"}


def _head(key: str, label: str, sort: str) -> Any:
    kind = f"column-{key} number" if key in _NUMBERS else f"column-{key}"
    if key not in SORTS:
        return html.Th(label, scope="col", className=kind)
    button = html.Button(
        label,
        id={"type": "studies-sort-by", "by": key},
        className="sort-by",
        title=f"Sort by {label.lower()}; again: reverse",
    )
    return html.Th(
        button,
        id={"type": "studies-head", "by": key},
        scope="col",
        className=kind,
        **attributes(aria_sort=aria_sort(key, sort)),
    )


def row(of: Listed, chosen: Sequence[str] = ()) -> Any:
    """Lay out a study's row, ticked if it is among the chosen."""
    study = of.study
    told = study_cells(study)
    cells: Mapping[str, Any] = {
        **{key: cell_content(study.name, told.get(key, Cell())) for key in _COLUMNS},
        "name": _name(of, is_chosen=study.name in chosen),
        "state": _state(study),
        "history": _history(of),
    }
    return html.Tr(
        [
            html.Td(
                cells[key],
                className=f"column-{key} number" if key in _NUMBERS else f"column-{key}",
                **attributes(data_label=label),
            )
            for key, label in _COLUMNS.items()
        ]
    )


def _name(of: Listed, *, is_chosen: bool) -> list[Any]:
    study = of.study
    tick = dmc.Checkbox(
        id={"type": "studies-choose", "study": study.name},
        checked=is_chosen,
        size="xs",
        radius="sm",
        **attributes(aria_label=f"Compare {study.name}"),
    )
    link = html.Div([tick, _link(study.name)], className="line study-line")
    lines = [html.Div(text, className="about") for text in (study.description, study.note) if text]
    tags = [html.Span(tag, className="tag") for tag in study.tags]
    tagged = [html.Div(tags, className="tags")] if tags else []
    return [link, *lines, *tagged, _lay_out_derived(of.derived) if of.derived else None]


def _link(name: str) -> Any:
    return dcc.Link(name, href=links.url(links.OVERVIEW, name), className="study-link")


def _lay_out_derived(studies: Sequence[StudySummary]) -> Any:
    """Lay out the studies of ``sweep ties`` and ``sweep explain``, folded."""
    n = len(studies)
    lines = [
        html.Div(
            [
                _link(study.name),
                state_badge(study),
                html.Span(f"{study.n_finished:,} done", className="about"),
            ],
            className="line",
        )
        for study in studies
    ]
    title = html.Summary("1 derived study" if n == 1 else f"{n} derived studies")
    return html.Details([title, *lines], className="derived")


def _state(study: StudySummary) -> list[Any]:
    waiting = study.n_pending_commands
    return [
        state_badge(study),
        *(
            [html.Div(f"{formats.count(waiting, 'command')} waiting", className="about")]
            if waiting
            else []
        ),
    ]


def _history(of: Listed) -> Any:
    if not of.steps:
        return ""
    last = max(of.steps[-1][0], sum(of.study.counts.values()) - 1)
    svg = base64.b64encode(sparkline_svg(of.steps, last).encode()).decode()
    first, best = of.steps[0][1], of.steps[-1][1]
    fell = f"from {formats.number(first)} to {formats.number(best)}"
    return html.Img(
        src=f"data:image/svg+xml;base64,{svg}",
        alt=f"The best value fell {fell} over {formats.count(last + 1, 'trial')}.",
        title=f"best so far, {fell}",
        className="sparkline",
    )


# --- no rows ------------------------------------------------------------------------------------


def _nothing(search: str) -> Any:
    said = f"No study has “{search.strip()}” in its name, description, tags, note or data set."
    return cards.empty("Nothing found", said)


def _first_steps(view: View) -> Any:
    command = start_command(
        format_url(view.engine.url), has_password=bool(view.engine.url.password)
    )
    return cards.empty(
        "No studies yet",
        [
            "Start one, and it appears here. The first takes some minutes on two cores:",
            html.Pre(command, className="command"),
            html.Button("Copy", className="plain", **attributes(data_copy=command)),
        ],
    )


def start_command(storage: str, *, has_password: bool) -> str:
    """Write how to begin in the page's database, never with a password."""
    begin = "sweep new mine.toml && sweep start mine.toml"
    return begin if has_password else f"{begin} --storage {shlex.quote(storage)}"
