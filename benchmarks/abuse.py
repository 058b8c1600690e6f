"""Send hostile inputs to the dashboard and the store; check that each is answered as documented.

   pip install -c constraints.txt -e '.[bench]'
   python -m benchmarks.abuse --inputs 20000 --seed 0

``KINDS`` has one function for each kind of input. Input n of a kind and a seed is always the same:
``--kind requests --only n`` sends it alone and prints the result. Everything stays on 127.0.0.1 and
in a temporary folder, and ends after ``--minutes``. An answer is wrong if it is not documented or
takes longer than ``SLOW_SECONDS``; so is a server that logs a traceback or stops answering, and a
row that changed without ``--allow-edit``. The last line of the output is JSON.
"""

import argparse
import json
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import make_url, select

from benchmarks.abuse_outcome import Outcome, Task
from benchmarks.abuse_stored import files, rows
from sweep.store import annotate, optuna_rows, schema
from sweep.store.engine import Engine, connect
from sweep.store.migrate import initialise
from tests.support.page_client import UPDATE, Answer, Dashboard, components_of
from tests.support.synthetic import add_study

STUDY = "study"
#: Mappings that a page must never turn into a component.
PLANTED: Mapping[str, Any] = {
    "namespace": "dash_html_components",
    "type": "Iframe",
    "props": {"id": "planted", "src": "javascript:alert(1)"},
}


# --- requests -------------------------------------------------------------------------------------

#: Texts with a special meaning to some layer.
TEXTS = (
    *("", " ", "study", "small", "7", "-1", "0", "999999999999", "1e400", "NaN", "null", "٣"),
    *("..", "../../etc/passwd", "%2e%2e", "a\0b", "a\nb", "a\r\nX: y", "\x1b]0;t\x07", "\u202e"),
    *("<a href='https://evil.example'>x</a>", "<script>alert(1)</script>", "{{7*7}}", "${7*7}"),
    *("' OR 1=1 --", '"; DROP TABLE trials; --', "=cmd|' /C calc'!A0", "javascript:alert(1)"),
    *("number,-value", "val_mse:..0.01", "hidden_width:32..64", "activation:relu,tanh", "state:"),
    *("a" * 300, " " * 3000 + "x", "9" * 4500, "number," * 2000, ";" * 2000, "[" * 3000),
)
VALUES = (
    *(None, True, False, 0, -1, 7, 2**63, -(2**70), 1e308, 0.5, "", [], {}, [[]], [None], {"a": 1}),
    *(PLANTED, [PLANTED], {"function": "alert(1)"}, {"_dash_no_update": "_dash_no_update"}),
)
METHODS = ("GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "X")
PATHS = (
    *("/", f"/study/{STUDY}", f"/study/{STUDY}/trials", f"/study/{STUDY}/trials/7", "/healthz"),
    *(f"/study/{STUDY}/{page}" for page in ("why", "compare", "explore", "workers", "x")),
    *("/api/revision", "/api/trials", "/api/trials.csv", "/metrics", UPDATE, "/_dash-layout"),
    *(f"/api/picture/{kind}.png" for kind in ("originals", "reconstructions", "errors", "x")),
    *("/api/picture/apart.png", "/api/picture/nearer.png", "/_dash-dependencies", "/assets/"),
    *("/assets/sweep.js", "/_favicon.ico", "/_reload-hash", "/_dash-component-suites/x/y"),
    "/_dash-component-suites/plotly/package_data/plotly.min.js",
)
PARAMETERS = (
    *("study", "page", "where", "sort", "columns", "first", "rows", "trial", "beside", "trials"),
    *("selected", "group", "view", "x", "y", "metric", "by", "width", "kind", "search", "error"),
)
HEADERS = (
    *("Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Authorization", "Cookie", "X-CSRFToken"),
    *("Content-Type", "Accept-Encoding", "If-None-Match", "X-Forwarded-Proto", "Range", "Expect"),
    *("X-Forwarded-Host", "X-HTTP-Method-Override", "Transfer-Encoding", "Content-Length", "Host"),
)
HEADER_VALUES = (
    *(
        "http://[",
        "null",
        "http://evil.example",
        "cross-site",
        "navigate",
        "Basic Og==",
        "Bearer ü",
    ),
    *(
        "Basic %%%",
        "Digest x",
        "text/plain",
        "gzip",
        "https",
        "bytes=0-9999999999",
        "chunked",
        "-1",
    ),
    *("100-continue", "_csrf_token=x", "127.0.0.1", "[::1", "evil.example", "\x7f", "a" * 70_000),
)
#: Statuses that a dashboard may answer: neither server errors nor 503, as the database is intact.
EXPECTED = {200, 204, 206, 301, 304, 308, 400, 401, 403, 404, 405, 413, 415, 416, 417, 431, 501}


def requests_read_only(task: Task) -> Outcome:
    """Send fuzzed requests to every route and callback of a read-only dashboard."""
    return _requests(task, allow_edit=False)


def requests_editable(task: Task) -> Outcome:
    """Send fuzzed requests to a dashboard with ``--allow-edit``."""
    return _requests(task, allow_edit=True)


def _requests(task: Task, *, allow_edit: bool) -> Outcome:
    engine = _database(task.folder)
    before = _rows(engine)
    outcome = Outcome()
    with _running_dashboard(task.folder, allow_edit=allow_edit) as (process, port, log):
        attacker = _Attacker(port)
        for number in task:
            what = attacker.ask(task.random(number))
            outcome.add(number, *what)
        _, status, _, wrong = attacker.send("GET", "/healthz", b"", {})
        if status != "200":
            outcome.wrong.append(f"the server stopped answering: {status} {wrong}")
        outcome.most_bytes = _peak_bytes(process.pid)
    logged = log.read_text(errors="replace")
    if "Traceback" in logged:
        outcome.wrong.append(f"a traceback in the log: {logged[-2000:]}")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", logged):
        outcome.wrong.append("a control character in the log")
    if not allow_edit and _rows(engine) != before:
        outcome.wrong.append("a read-only dashboard wrote")
    return outcome


def _database(folder: Path) -> Engine:
    engine = connect(make_url(f"sqlite:///{folder / 'sweep.db'}"))
    initialise(engine)
    add_study(engine, STUDY, 60)
    annotate.tag(engine, STUDY, "a tag", 7)
    return engine


def _rows(engine: Engine) -> dict[str, list[Any]]:
    tables = {*optuna_rows.metadata.sorted_tables, *schema.sweep_metadata.sorted_tables}
    with engine.connect() as connection:
        return {of.name: [*map(tuple, connection.execute(select(of)))] for of in tables}


@contextmanager
def _running_dashboard(
    folder: Path, *, allow_edit: bool
) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """Run a dashboard in a separate process; yield the process, its port and its log file."""
    log = folder / "log"
    command = [sys.executable, "-m", "sweep", "dashboard", "--port", "0", "--metrics"]
    command += ["--storage", f"sqlite:///{folder / 'sweep.db'}"]
    command += ["--allow-edit"] if allow_edit else []
    with log.open("wb") as file, subprocess.Popen(command, stderr=file) as process:
        try:
            yield process, _port(process, log), log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    for _ in range(600):
        if found := re.search(r"127\.0\.0\.1:(\d+)", log.read_text()):
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the dashboard did not start: {log.read_text()}")


def _peak_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(found[1]) if found else 0


#: Status, seconds, and the fault of an answer.
_CheckedAnswer = tuple[str, float, str | None]


class _Attacker:
    """Client with a dashboard's pages and token that sends requests no page would send."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._page = Dashboard(self._plainly)
        self._bodies = [
            body
            for path in PATHS
            if path == "/" or path.startswith("/study/")
            for body in self._page.bodies(self._page.open(path))
        ]

    def _plainly(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        answer, status, _, wrong = self.send(method, target, body or b"", headers)
        assert answer is not None and wrong is None, (method, target, status, wrong)
        return answer

    def ask(self, chance: random.Random) -> _CheckedAnswer:
        """Send one fuzzed request."""
        make = chance.choice((self._route, self._callback, self._callback, self._page_address))
        method, target, body, headers = make(chance)
        if chance.random() < 0.2:
            headers = {**headers, chance.choice(HEADERS): chance.choice(HEADER_VALUES)}
        if chance.random() < 0.02:
            method, target = chance.choice(METHODS), chance.choice(TEXTS)
        return self.send(method, target, body, headers)[1:]

    def _route(self, chance: random.Random) -> tuple[str, str, bytes, Mapping[str, str]]:
        query = "&".join(
            f"{chance.choice(PARAMETERS)}={quote(_text(chance))}"
            for _ in range(chance.randrange(5))
        )
        study = chance.choice(("", f"study={STUDY}&"))
        target = f"{_changed_path(chance)}?{study}{query}"
        return chance.choice(METHODS), target, b"", {}

    def _page_address(self, chance: random.Random) -> tuple[str, str, bytes, Mapping[str, str]]:
        """Make a call, with a fuzzed address, of the callback that renders every page."""
        body = deepcopy(self._bodies[0])
        values = {"pathname": _changed_path(chance), "search": f"?{chance.choice(PARAMETERS)}="}
        values["search"] += quote(_text(chance))
        for part in body["inputs"]:
            part["value"] = values.get(part["property"], part["value"])
        return "POST", UPDATE, json.dumps(body).encode(), self._page.headers

    def _callback(self, chance: random.Random) -> tuple[str, str, bytes, Mapping[str, str]]:
        body = deepcopy(chance.choice(self._bodies))
        for _ in range(chance.randrange(1, 3)):
            _change(body, chance)
        text = json.dumps(body).encode()
        if chance.random() < 0.05:
            place = chance.randrange(len(text))
            text = text[:place] + bytes([chance.randrange(256)]) + text[place + 1 :]
        return "POST", UPDATE, text, self._page.headers

    def send(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[Answer | None, str, float, str | None]:
        """Send a request with its bytes unchanged; return the answer and its faults."""
        given = {"Host": f"127.0.0.1:{self._port}", "Connection": "close", **headers}
        if body or method == "POST":
            given.setdefault("Content-Length", str(len(body)))
        lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items()), "", ""]
        begun = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
                connection.sendall("\r\n".join(lines).encode() + body)
                connection.shutdown(socket.SHUT_WR)
                received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except TimeoutError:
            return None, "none", time.monotonic() - begun, "no answer in 30 s"
        except OSError:  # closed before the request was complete
            return None, "closed", time.monotonic() - begun, None
        return *_read(received), time.monotonic() - begun, _fault(received)


_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _read(received: bytes) -> tuple[Answer | None, str]:
    received = received.removeprefix(_CONTINUE)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    found = re.fullmatch(r"HTTP/1\.[01] (\d{3}) .*", first)
    if not found:
        return None, "closed"
    headers = dict(line.lower().split(": ", 1) if ": " in line else (line, "") for line in lines)
    if "set-cookie" in headers:  # a value whose case matters
        headers["set-cookie"] = next(of for of in lines if of.lower().startswith("set-cookie"))[12:]
    if headers.get("transfer-encoding") == "chunked":
        body = _decode_chunked(body)
    return Answer(int(found[1]), body, headers), found[1]


def _decode_chunked(body: bytes) -> bytes:
    parts, rest = [], body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        n = int(size or b"0", 16)
        parts.append(rest[:n])
        rest = rest[n + 2 :]
    return b"".join(parts)


def _fault(received: bytes) -> str | None:
    """Return what is wrong with an answer, or None."""
    answer, status = _read(received)
    if answer is None:
        is_closed = received in (b"", _CONTINUE)
        return None if is_closed else f"not HTTP: {received[:80]!r}"
    if answer.status not in EXPECTED:
        return f"status {status}: {answer.body[:200]!r}"
    if b"this is a bug" in answer.body:
        return f"a bug: {answer.body[-300:]!r}"
    if answer.headers.get("content-type", "").startswith("application/json") and answer.body:
        told = answer.json()
        if any(of["props"].get("id") == "planted" for of in components_of(told)):
            return "a planted mapping became a component"
    return None


def _text(chance: random.Random) -> str:
    text = chance.choice(TEXTS)
    return text if chance.random() < 0.7 else text + chance.choice(TEXTS)


def _changed_path(chance: random.Random) -> str:
    path = chance.choice(PATHS)
    if chance.random() < 0.3:
        parts = path.split("/")
        parts[chance.randrange(len(parts))] = quote(_text(chance)[:500], safe="%")
        path = "/".join(parts)
    return path


def _change(body: Any, chance: random.Random) -> None:
    """Replace, remove or duplicate something in a callback's body."""
    path = chance.choice([*_paths(body)])
    holder, key = body, path[-1]
    for step in path[:-1]:
        holder = holder[step]
    kind = chance.random()
    if kind < 0.75:
        holder[key] = chance.choice((*VALUES, *TEXTS))
    elif kind < 0.9:
        del holder[key]
    elif isinstance(holder, list):
        holder.append(deepcopy(holder[key]))
    else:
        holder[chance.choice(TEXTS)] = deepcopy(holder[key])


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, of in inner:
        yield (*path, key)
        yield from _paths(of, (*path, key))


#: The kinds of input, each with its share of all inputs.
KINDS: Mapping[str, tuple[Callable[[Task], Outcome], float]] = {
    "requests": (requests_read_only, 0.3),
    "requests-editable": (requests_editable, 0.3),
    "rows": (rows, 0.1),
    "files": (files, 0.3),
}


def main() -> None:
    """Try all kinds and print the outcome of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="time limit of all kinds together"
    )
    parser.add_argument("--kind", choices=KINDS, help="this kind alone")
    parser.add_argument("--only", type=int, help="this input alone")
    given = parser.parse_args()
    kinds = {given.kind: KINDS[given.kind]} if given.kind else KINDS
    shares = sum(share for _, share in kinds.values())
    outcomes = {}
    for name, (run, share) in kinds.items():
        numbers = range(round(given.inputs * share / shares))
        if given.only is not None:
            numbers = range(given.only, given.only + 1)
        deadline = time.monotonic() + 60 * given.minutes * share / shares
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(Task(numbers, given.seed, Path(folder), deadline))
        outcomes[name] = outcome
        print(f"{name}: {outcome.inputs:,} inputs, {len(outcome.wrong)} wrong")
        print(f"  answers: {dict(outcome.answers.most_common())}")
        print(f"  longest {outcome.longest_seconds:.2f} s, most {outcome.most_bytes / 1e6:.0f} MB")
        for line in outcome.wrong[:20]:
            print(f"  {line}")
    print(json.dumps(_summary(outcomes)))
    sys.exit(1 if any(of.wrong for of in outcomes.values()) else 0)


def _summary(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    every = outcomes.values()
    return {
        "inputs": {name: of.inputs for name, of in outcomes.items()},
        "wrong": sum(len(of.wrong) for of in every),
        "errors_500": sum(of.n_errors_500 for of in every),
        "longest_seconds": round(max(of.longest_seconds for of in every), 2),
        "most_megabytes": round(max(of.most_bytes for of in every) / 1e6),
    }


if __name__ == "__main__":
    main()
