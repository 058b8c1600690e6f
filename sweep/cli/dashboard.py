"""Command dashboard: the pages in a browser."""

import webbrowser
from typing import Annotated

import typer

from sweep.cli import logs
from sweep.cli.options import Storage
from sweep.cli.output import say
from sweep.dashboard import Access, create_app, links, serve
from sweep.files import secret_from_environment
from sweep.store.handle import open_study
from sweep.store.migrate import open_store


def dashboard(
    storage: Storage = None,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; other hosts need a password.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Its port.")] = 8050,
    study: Annotated[
        str | None, typer.Option("--study", metavar="NAME", help="The study to open.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    allow_edit: Annotated[
        bool,
        typer.Option("--allow-edit", help="Allow writing notes, tags, marks and commands."),
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Serve Prometheus metrics at /metrics.")
    ] = False,
) -> None:
    """Watch and review studies in a browser, while they run or later, until Ctrl-C.

    Read-only and only for this machine by default. The password for other hosts is read from
    SWEEP_DASHBOARD_PASSWORD or from the file that SWEEP_DASHBOARD_PASSWORD_FILE names; the browser
    asks for it, with any user name.
    """
    access = Access(
        host=host,
        port=port,
        password=secret_from_environment("SWEEP_DASHBOARD_PASSWORD"),
        allow_edit=allow_edit,
        metrics=metrics,
    )
    engine = open_store(storage)
    if study is not None:
        open_study(engine, study)  # raises NotFoundError that suggests similar names
    path = links.url(links.OVERVIEW, study)

    def ready(url: str) -> None:
        say(f"dashboard at {url}{path} (Ctrl-C ends it)")
        if open_it and not webbrowser.open(url + path):
            say("no browser found.")

    with logs.plain():
        serve(create_app(engine, access), access, ready)
