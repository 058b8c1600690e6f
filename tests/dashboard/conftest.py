"""A dashboard that runs, and a browser that complains of everything it should not have seen."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect
from werkzeug import Request, Response
from werkzeug.serving import BaseWSGIServer, make_server

from sweep.dashboard import Access, create_app
from sweep.dashboard.view import View
from sweep.store.engine import Engine, connect, storage_url
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
    # No test looks at the pixels of WebGL, which would be computed without a graphics card.
    "--disable-gl-drawing-for-tests",
    # Pages live for seconds: what is compiled, optimised or collected early does not pay off.
    "--js-flags=--no-opt --no-maglev --no-flush-bytecode --single-threaded-gc "
    "--min-semi-space-size=64",
)


@pytest.fixture(scope="session")
def _small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file that the store of each test is copied from: filling one takes half a second."""
    engine = sqlite_store(tmp_path_factory.mktemp("small"))
    add_study(engine, "small", 60)
    engine.dispose()
    return Path(str(engine.url.database)).read_bytes()


@pytest.fixture
def engine(tmp_path: Path, _small: bytes) -> Engine:
    """A store with a study "small" of 60 trials, most of them finished."""
    path = tmp_path / "sweep.db"
    path.write_bytes(_small)
    return connect(storage_url(f"sqlite:///{path}"))


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A store with a study "big" of 10,000 trials, which tests read only."""
    engine = sqlite_store(tmp_path_factory.mktemp("big"))
    add_study(engine, "big", 10_000)
    return engine


@pytest.fixture
def view(engine: Engine) -> View:
    """That store as pages see it."""
    return View(engine=engine)


@pytest.fixture
def client(engine: Engine) -> FlaskClient:
    """Requests to a read-only dashboard, without a browser."""
    return create_app(engine).server.test_client()


@Request.application
def _empty_page(request: Request) -> Response:
    """Answer with an empty page, and no other address."""
    return Response(mimetype="text/html", status=200 if request.path == "/" else 404)


@pytest.fixture(scope="session")
def _server() -> Iterator[BaseWSGIServer]:
    """A server for one dashboard after another.

    Under one address a browser keeps the scripts of all pages, and what it compiled of them.
    """
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", 0, _empty_page, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def serve(_server: BaseWSGIServer) -> Serve:
    """Serves a dashboard, in place of the one before: ``serve(engine, allow_edit=True)``."""

    def start(engine: Engine, **access: Any) -> str:
        _server.app = create_app(engine, Access(**access)).server
        return f"http://127.0.0.1:{_server.server_port}"

    return start


@pytest.fixture
def dashboard(serve: Serve, engine: Engine) -> str:
    """The address of a read-only dashboard over the store."""
    return serve(engine)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's browser instead of one that playwright would have to fetch.

    The one without windows needs three quarters of the other's time.
    """
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    return {"executable_path": path, "args": list(_FLAGS)}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """A laptop's screen."""
    return {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}


@pytest.fixture(scope="session")
def _tab(browser: Browser, browser_context_args: dict[str, Any]) -> Page:
    """A tab for one test after another: a new one would compile all scripts again."""
    page = browser.new_context(**browser_context_args).new_page()
    page.set_default_timeout(_PATIENCE_MILLISECONDS)
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    return page


@pytest.fixture
def page(
    _tab: Page, _server: BaseWSGIServer, browser_context_args: dict[str, Any]
) -> Iterator[Page]:
    """A tab in which no script may fail, nothing may log an error or leave this machine."""
    seen: list[str] = []
    complaints: dict[Any, Callable[[Any], None]] = {
        "pageerror": lambda error: seen.append(f"script: {error}"),
        "console": lambda said: said.type == "error" and seen.append(f"console: {said.text}"),
        "request": lambda request: _leaves(request.url) and seen.append(request.url),
    }
    for event, complain in complaints.items():
        _tab.on(event, complain)
    yield _tab
    for event, complain in complaints.items():
        _tab.remove_listener(event, complain)
    _server.app = _empty_page
    _forget(_tab, f"http://127.0.0.1:{_server.server_port}", browser_context_args)
    assert seen == []


def _forget(tab: Page, empty_page: str, context_args: Mapping[str, Any]) -> None:
    """Leave a tab as it was opened, except that it stays at the address of the scripts it knows."""
    tab.unroute_all(behavior="ignoreErrors")
    tab.goto(empty_page)
    tab.evaluate("localStorage.clear(); sessionStorage.clear()")
    tab.mouse.move(0, 0)
    tab.set_viewport_size(context_args["viewport"])
    tab.emulate_media(color_scheme=context_args["color_scheme"])
    tab.context.set_extra_http_headers({})
    tab.context.clear_permissions()
    tab.context.clear_cookies()


def _leaves(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1"
