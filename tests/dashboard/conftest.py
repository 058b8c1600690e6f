"""A dashboard that runs, and a browser that complains of everything it should not have seen."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from sweep.dashboard import Access, create_app
from sweep.dashboard.view import View
from sweep.store.engine import Engine
from tests.support.dashboard_requests import Serve
from tests.support.store_factories import sqlite_store
from tests.support.synthetic import add_study

#: For a machine that does other things too; what is right comes at once.
_PATIENCE_MILLISECONDS = 40_000

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A store with a study "small" of 60 trials, most of them finished."""
    engine = sqlite_store(tmp_path)
    add_study(engine, "small", 60)
    return engine


@pytest.fixture
def view(engine: Engine) -> View:
    """That store as pages see it."""
    return View(engine=engine)


@pytest.fixture
def client(engine: Engine) -> FlaskClient:
    """Requests to a read-only dashboard, without a browser."""
    return create_app(engine).server.test_client()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts dashboards, on ports that are free: ``serve(engine, allow_edit=True)``."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    stops: list[Callable[[], None]] = []

    def start(engine: Engine, **access: Any) -> str:
        server = make_server(
            "127.0.0.1", 0, create_app(engine, Access(**access)).server, threaded=True
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def stop() -> None:
            server.shutdown()
            thread.join()
            server.server_close()

        stops.append(stop)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def dashboard(serve: Serve, engine: Engine) -> str:
    """The address of a read-only dashboard over the store."""
    return serve(engine)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's browser instead of one that playwright would have to fetch."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    return {"executable_path": path, "args": list(_FLAGS)}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """A laptop's screen."""
    return {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """A tab in which no script may fail, nothing may log an error or leave this machine."""
    seen: list[str] = []
    page.on("pageerror", lambda error: seen.append(f"script: {error}"))
    page.on(
        "console", lambda said: seen.append(f"console: {said.text}") if said.type == "error" else ()
    )
    page.on("request", lambda request: seen.append(request.url) if _leaves(request.url) else ())
    page.set_default_timeout(_PATIENCE_MILLISECONDS)
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    yield page
    assert seen == []


def _leaves(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1"
