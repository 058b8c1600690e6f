"""Lay out what surrounds every page: header, navigation, keyboard help, and the pulse."""

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

import sweep
from sweep.dashboard import links
from sweep.dashboard.links import Place
from sweep.dashboard.parts.attributes import attributes
from sweep.dashboard.view import View

_TABS = {
    links.OVERVIEW: "Overview",
    links.WHY: "Why",
    links.TRIALS: "Trials",
    links.COMPARE: "Compare",
    links.EXPLORE: "Explore",
    links.WORKERS: "Workers",
}

#: Pages that belong to no single study.
_ALL_STUDIES = {links.STUDIES: "Studies", links.COMPARE_STUDIES: "Compare studies"}

#: Key and its function in sweep.js.
KEYS = (
    ("/", "search or filter"),
    ("j k", "next, previous trial; in the grid, the row below, above"),
    ("Enter Space", "in the grid: open the trial, select it"),
    ("c", "compare what is selected"),
    ("o y t e w", "overview, why, trials, explore, workers"),
    ("?", "these keys"),
)

_THEME = {
    "primaryColor": "blue",
    "defaultRadius": "md",
    "fontFamily": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
}


def layout(view: View, pulse_milliseconds: int) -> Any:
    """Lay out the frame of all pages."""
    return dmc.MantineProvider(
        [
            dcc.Location(id="location", refresh="callback-nav"),
            dcc.Interval(id="pulse", interval=pulse_milliseconds),
            dcc.Store(id="title"),
            html.A("Skip to content", href="#page", className="skip"),
            html.Header(
                [
                    dcc.Link("sweep", href=links.url(), className="brand", title="All studies"),
                    html.Nav(id="navigation", **attributes(aria_label="Pages")),
                    html.Div(
                        [
                            html.Span(
                                "" if view.allow_edit else "read-only",
                                className="mode",
                                title="Start with --allow-edit to write notes, tags and commands.",
                            ),
                            dmc.ColorSchemeToggle(
                                lightIcon="☀",
                                darkIcon="☾",
                                variant="subtle",
                                color="gray",
                                **attributes(aria_label="Light or dark"),
                            ),
                            html.Button(
                                "?",
                                id="show-keys",
                                className="plain",
                                title="Keyboard shortcuts",
                            ),
                        ],
                        className="corner",
                    ),
                ],
                className="header",
            ),
            html.Div(id="problem", role="alert", className="problem"),
            # The pulse runs before the first page exists, and must find its outputs.
            html.Main(
                [dcc.Store(id="place"), dcc.Store(id="revision"), _lay_out_loading()],
                id="page",
                tabIndex="-1",
            ),
            _keys(),
            html.Footer(f"sweep {sweep.__version__}", className="footer"),
        ],
        id="provider",
        theme=_THEME,
        defaultColorScheme="auto",
    )


def _lay_out_loading() -> Any:
    return html.Div(dmc.Loader(type="dots"), className="loading", **attributes(aria_busy="true"))


def _keys() -> Any:
    rows = [html.Tr([html.Td(html.Kbd(key)), html.Td(what)]) for key, what in KEYS]
    return html.Dialog(
        [
            html.H2("Keyboard"),
            html.Table(html.Tbody(rows)),
            html.Form(html.Button("Close", className="plain"), method="dialog"),
        ],
        id="keys",
    )


def title(place: Place) -> str:
    """Write the title of the browser's tab, distinct parts first: "mine · Why · sweep"."""
    if place.study is None:
        return f"{_ALL_STUDIES[place.page]} · sweep" if place.page in _ALL_STUDIES else "sweep"
    page = "Trial" if place.number is None else f"Trial {place.number}"
    parts = (place.study, page if place.page == links.TRIAL else _TABS.get(place.page), "sweep")
    return " · ".join(part for part in parts if part)


def navigation(place: Place) -> list[Any]:
    """List links to the study's pages; empty on the page of all studies."""
    if place.study is None:
        return []
    here = links.TRIALS if place.page == links.TRIAL else place.page
    name = dcc.Link(
        place.study,
        href=links.url(links.OVERVIEW, place.study),
        className="study-name",
        title=place.study,
    )
    # A phone has room for the open page only; sweep.js unfolds the others.
    unfold = html.Button(
        _TABS.get(here, "Pages"),
        id="show-pages",
        className="plain",
        **attributes(aria_expanded="false", aria_controls="page-tabs", data_unfold=""),
    )
    tabs = [_tab(page, place, is_here=page == here) for page in _TABS]
    return [name, unfold, html.Div(tabs, id="page-tabs")]


#: Pages that show filtered trials.
_FILTERED = (links.TRIALS, links.EXPLORE)


def _tab(page: str, place: Place, *, is_here: bool) -> Any:
    # They share the filter; sweep.js keeps these addresses up to date.
    carries = page in _FILTERED and place.page in _FILTERED
    where = place.query.get("where") if carries else None
    link = dcc.Link(
        _TABS[page],
        href=links.url(page, place.study, where=where),
        className="page-tab here" if is_here else "page-tab",
        id=f"tab-{page}",
    )
    # dcc.Link accepts no such attribute itself.
    return html.Span(link, **(attributes(aria_current="page") if is_here else {}))


def dead_end(message: str, study: str | None) -> Any:
    """Lay out a page for an unknown address, with a link to a study that exists."""
    return _lay_out_failure("Nothing here", message, study)


def failure(message: str) -> Any:
    """Lay out a page for a store that does not answer; the pulse reloads it once it does."""
    return _lay_out_failure("The database does not answer", message)


def _lay_out_failure(title: str, message: str, study: str | None = None) -> Any:
    ways = [dcc.Link("All studies", href=links.url(), className="button")]
    if study is not None:
        href = links.url(links.OVERVIEW, study)
        ways.insert(0, dcc.Link(f"Back to {study}", href=href, className="button"))
    return html.Section(
        [
            html.H1(title),
            html.P(message, className="message"),
            html.Div(ways, className="line"),
        ],
        className="stopped",
    )
