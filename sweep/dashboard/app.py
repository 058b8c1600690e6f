"""Create the Dash application: its shell, and the page for each address."""

import logging
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import dash
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, set_props

from sweep.dashboard import edits, guard, links, routes
from sweep.dashboard.access import Access
from sweep.dashboard.application import Application
from sweep.dashboard.pages import (
    compare,
    compare_studies,
    explore,
    overview,
    studies,
    trial,
    trials,
    why,
    workers,
)
from sweep.dashboard.parts import shell
from sweep.dashboard.view import View
from sweep.errors import NotFoundError, StoreError, SweepError
from sweep.store.engine import Engine

#: Each has ``layout(view, place)`` and ``register(app, view)``.
PAGES: Mapping[str, ModuleType] = {
    links.STUDIES: studies,
    links.COMPARE_STUDIES: compare_studies,
    links.OVERVIEW: overview,
    links.WHY: why,
    links.TRIALS: trials,
    links.TRIAL: trial,
    links.COMPARE: compare,
    links.EXPLORE: explore,
    links.WORKERS: workers,
}

#: How often an open page asks for news, which takes one small statement.
PULSE_MILLISECONDS = 1000

_LOG = logging.getLogger(__name__)

_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
{%favicon%}
{%css%}
</head>
<body>
<noscript>The dashboard needs JavaScript; `sweep report NAME` writes a page to keep.</noscript>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>
"""


def create_app(engine: Engine, access: Access | None = None) -> Dash:
    """Create the dashboard over a store. Serve its ``server`` with any WSGI server."""
    access = access or Access()
    view = View(engine=engine, allow_edit=access.allow_edit)
    app = Application(
        __name__,
        title="sweep",
        update_title=None,
        index_string=_INDEX,
        enable_mcp=False,
        serve_locally=True,
        suppress_callback_exceptions=True,
        prevent_initial_callbacks=True,
        on_error=_tell,
    )
    app.layout = shell.layout(view, PULSE_MILLISECONDS)
    _register(app, view)
    for page in PAGES.values():
        page.register(app, view)
    edits.register(app, view)
    routes.register(app.server, view)
    if access.metrics:
        routes.register_metrics(app.server, view)
    guard.protect(app.server, access, app.csp_hashes())
    app.check_requests()
    # At its first request Dash lists its scripts, and answers others meanwhile without them.
    app.server.test_client().get(guard.HEALTH)
    return app


def _register(app: Dash, view: View) -> None:
    @app.callback(
        Output("page", "children"),
        Output("navigation", "children"),
        Output("title", "data"),
        Input("location", "pathname"),
        Input("location", "search"),
        prevent_initial_call=False,
    )
    def show(pathname: str | None, search: str | None) -> tuple[Any, Any, str]:
        place = links.parse(pathname, search)
        title = shell.title(place)
        try:
            return page(view, place), shell.navigation(place), title
        except NotFoundError as error:
            study = place.study if place.study and view.has(place.study) else None
            navigation = shell.navigation(place._replace(study=study))
            return _frame(shell.dead_end(str(error), study)), navigation, title
        except StoreError as error:
            failed = links.Place(links.FAILURE, place.study)
            return _frame(shell.failure(str(error)), failed), [], title
        except SweepError as error:  # an invalid address
            return _frame(shell.dead_end(str(error), place.study)), shell.navigation(place), title

    app.clientside_callback(
        ClientsideFunction("sweep", "entitle"), Input("title", "data"), prevent_initial_call=False
    )

    # Asks for news; reports a lost connection in the page instead of the console.
    app.clientside_callback(
        ClientsideFunction("sweep", "pulse"),
        Output("revision", "data"),
        Output("problem", "children"),
        Input("pulse", "n_intervals"),
        State("place", "data"),
        State("revision", "data"),
        State("problem", "children"),
    )
    # The state that a page keeps in ``query`` is written to the address, to be shared.
    app.clientside_callback(
        ClientsideFunction("sweep", "address"),
        Input("query", "data"),
        State("path", "data"),
    )


def page(view: View, place: links.Place) -> Any:
    """Lay out a page with its place and the revision that it shows, which keep it up to date.

    Raises NotFoundError for an unknown address.
    """
    if place.page == links.UNKNOWN:
        raise NotFoundError("There is no page at this address.")
    # Read before the page: anything written meanwhile is news to it.
    token = view.token(place.name, place.page) if place.study else view.database.revisions()
    return _frame(PAGES[place.page].layout(view, place), place, token)


def _frame(content: Any, place: links.Place | None = None, token: str | None = None) -> Any:
    return html.Div(
        [
            # Without a place the pulse is inactive.
            dcc.Store(id="place", data=place._asdict() if place else None),
            dcc.Store(id="path", data=place.path if place else None),
            dcc.Store(id="revision", data=token),
            dcc.Store(id="query"),
            content,
        ],
        className=f"page page-{place.page}" if place else "page",
    )


def _tell(error: Exception) -> Any:
    """Show on the page why a callback failed; the page does not change."""
    if isinstance(error, SweepError):
        message = str(error)
    else:
        _LOG.exception("a callback failed", exc_info=error)
        message = f"Unexpected {type(error).__name__}: this is a bug. The server's log has more."
    set_props("problem", {"children": message})
    return dash.no_update
