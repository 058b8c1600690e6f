"""What no request may cost: each line of the table of limits in docs/dashboard.md."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest
from flask.testing import FlaskClient

from sweep.analysis.filters import FILTER_LETTERS, Filter
from sweep.analysis.strips import LARGEST_IMAGE
from sweep.dashboard import create_app, limits
from sweep.dashboard.parts.grid_rows import parse_sort
from sweep.dashboard.view import View
from sweep.errors import UsageError
from sweep.findings.conditions import add_typed
from sweep.store.engine import Engine
from tests.support.store_factories import sqlite_store
from tests.support.synthetic import add_study

PASSWORD = "correct-horse-battery"
ROOT = Path(__file__).parents[2]


class Served(NamedTuple):
    """A dashboard in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    temporary: Path
    #: Closed at the end.
    opened: ExitStack

    def ask(self, target: str, **options: str) -> int:
        """The status of an answer."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", target, headers=options)
            with connection.getresponse() as answer:
                return answer.status

    def connect(self, sent: bytes = b"") -> socket.socket:
        """A connection that has sent that much."""
        new = socket.create_connection(("127.0.0.1", self.port), timeout=40)
        self.opened.enter_context(new).sendall(sent)
        return new


#: In place of ``limits.REQUEST_SECONDS``, which takes a quarter of a minute to run out.
REQUEST_SECONDS = 3
#: ``sweep`` with that limit.
COMMAND = (
    "from sweep.dashboard import limits\n"
    f"limits.REQUEST_SECONDS = {REQUEST_SECONDS}\n"
    "from sweep.cli.entry import main\n"
    "main()\n"
)


@contextmanager
def start(folder: Path, **environment: str) -> Iterator[Served]:
    """Start a dashboard, and end it."""
    add_study(sqlite_store(folder), "small", 60)
    temporary = folder / "tmp"
    temporary.mkdir()
    storage = f"sqlite:///{folder / 'sweep.db'}"
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "dashboard", "--port", "0", "--storage", storage],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), **environment},
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", said)
        assert found, said
        with ExitStack() as opened:
            yield Served(process, int(found[1]), temporary, opened)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("guarded")
    with start(folder, SWEEP_DASHBOARD_PASSWORD=PASSWORD) as guarded:
        yield guarded


@pytest.fixture
def guarded(_guarded: Served) -> Iterator[Served]:
    """A dashboard with a password, which this test's connections do not give."""
    with ExitStack() as opened:
        yield _guarded._replace(opened=opened)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A dashboard that is open to all."""
    with start(tmp_path) as served:
        yield served


HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b"


def test_the_documentation_states_each_limit() -> None:
    table = (ROOT / "docs" / "dashboard.md").read_text().split("## Limits")[1].split("\n## ")[0]
    stated = (
        f"{limits.BODY_BYTES // 1024} KiB",
        f"{limits.HEADER_BYTES // 1024} KiB",
        f"{limits.REQUEST_SECONDS} s",
        f"{limits.IDLE_SECONDS} s",
        f"{limits.CONNECTIONS} at once",
        f"{FILTER_LETTERS:,} characters",
        f"{limits.ROWS:,} rows",
        f"{LARGEST_IMAGE} × {LARGEST_IMAGE} pixels",
    )
    assert [of for of in stated if of not in table] == []


def test_strangers_with_half_a_request_lock_nobody_out(guarded: Served) -> None:
    # Compose asks /healthz: without an answer it starts the dashboard again.
    held = [guarded.connect(HALF) for _ in range(110)]
    begun = time.monotonic()
    assert guarded.ask("/healthz") == 200
    assert time.monotonic() - begun < 5
    assert all(of.fileno() > 0 for of in held)


def test_more_strangers_than_connections_lock_nobody_out_either(guarded: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    held = [guarded.connect(HALF) for _ in range(limits.CONNECTIONS + 50)]
    assert guarded.ask("/healthz") == 200
    assert len(held) == limits.CONNECTIONS + 50


def test_a_request_that_a_stranger_does_not_finish_is_given_up(guarded: Served) -> None:
    drip, silent = guarded.connect(HALF), guarded.connect()
    begun = time.monotonic()
    drip.settimeout(1)
    while time.monotonic() - begun < REQUEST_SECONDS + 5:
        try:
            drip.sendall(b"c")  # a byte now and then is not enough
            if drip.recv(100) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    seconds = time.monotonic() - begun
    assert REQUEST_SECONDS - 1 < seconds < REQUEST_SECONDS + 5
    assert silent.recv(100) == b""


def test_a_strangers_body_is_refused_unread_and_never_on_disk(guarded: Served) -> None:
    head = b"POST /_dash-update-component HTTP/1.1\r\nHost: x\r\n"
    large = guarded.connect(head + b"Content-Length: 1000000000\r\n\r\n")
    assert large.recv(100).startswith(b"HTTP/1.1 413")
    chunked = guarded.connect(head + b"Transfer-Encoding: chunked\r\n\r\n")
    block = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    for _ in range(limits.BODY_BYTES // 0x10000 - 1):
        chunked.sendall(block)
    time.sleep(0.5)
    assert [*guarded.temporary.iterdir(), *list_spooled(guarded)] == []
    chunked.sendall(2 * block)
    assert chunked.recv(100).startswith(b"HTTP/1.1 413")


def list_spooled(served: Served) -> list[str]:
    """What the process has open in its temporary folder, without a name there too."""
    files = Path(f"/proc/{served.process.pid}/fd").iterdir()
    names = [str(of.readlink()) for of in files if of.is_symlink()]
    return [of for of in names if of.startswith(str(served.temporary))]


def test_headers_beyond_the_limit_are_refused(guarded: Served) -> None:
    assert guarded.ask("/healthz", Long="x" * (limits.HEADER_BYTES - 1000)) == 200
    assert guarded.ask("/healthz", Long="x" * limits.HEADER_BYTES) == 431


def test_what_is_logged_rewrites_no_terminal_and_forges_no_line(served: Served) -> None:
    for path in ("/_dash-component-suites/x%1b%5d0;PWNED%07%1b%5b31m%0aforged%20line/y", "/%1b%0a"):
        assert served.ask(path) in (200, 404)
    line = b"POST /%1b%0aforged HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://[\r\n\r\n"
    assert served.connect(line).recv(100).startswith(b"HTTP/1.1 403")
    served.process.send_signal(signal.SIGTERM)
    _, said = served.process.communicate(timeout=20)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|^forged", said, re.MULTILINE)


def test_a_proxy_can_say_that_it_was_reached_over_tls(served: Served) -> None:
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=20)) as connection:
        connection.request("GET", "/", headers={"X-Forwarded-Proto": "https"})
        with connection.getresponse() as answer:
            assert "Secure" in answer.headers["Set-Cookie"]


def test_a_filter_has_a_longest_length(view: View) -> None:
    for ask in (Filter.parse, lambda text: add_typed(Filter(), text, view.table("small"))):
        with pytest.raises(UsageError, match="has at most 4,000 letters; this one has 4,001"):
            ask("a" * (FILTER_LETTERS + 1))


def test_a_run_of_spaces_takes_no_time(view: View) -> None:
    text = f"relu{' ' * (FILTER_LETTERS - 9)}tanh"
    begun = time.monotonic()
    for _ in range(10):
        add_typed(Filter(), text, view.table("small"))
    assert time.monotonic() - begun < 0.5


def test_a_column_orders_once() -> None:
    assert [*map(tuple, parse_sort("number,-value," * 1000 + "-number"))] == [
        ("number", False),
        ("value", True),
    ]


def test_a_request_gets_so_many_rows_at_most(tmp_path: Path) -> None:
    engine: Engine = sqlite_store(tmp_path)
    add_study(engine, "many", limits.ROWS + 10)
    client: FlaskClient = create_app(engine).server.test_client()
    answer = client.get("/api/trials?study=many&rows=999999").get_json()
    assert (len(answer["rows"]), answer["n"]) == (limits.ROWS, limits.ROWS + 10)
