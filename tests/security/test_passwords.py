"""A password is in no output, log, error, traceback, row, environment or argument of ours."""

import logging
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from sqlalchemy import make_url, select
from typer.main import get_command

from docs.generate_cli import commands
from sweep.cli.application import app
from sweep.launch.local import LocalLauncher
from sweep.store import engine as store_engine
from sweep.store import optuna_rows, schema
from sweep.store.engine import format_url, storage_url
from sweep.store.migrate import open_store
from tests.support.cli_runner import Answer, Cli

PLANTED = "pl{nted: @ %s"

#: A line for every command that reaches a database, in an order that finds something to say.
COMMANDS = {
    "db init": "db init",
    "start": "start x.toml --workers 1",
    "resume": "resume x --trials 4 --workers 1",
    "pause": "pause x",
    "stop": "stop x",
    "enqueue": "enqueue x hidden_width=16",
    "list": "list",
    "status": "status x",
    "top": "top x",
    "best": "best x",
    "trials": "trials x",
    "findings": "findings x",
    "show": "show x 0",
    "verify": "verify x 0",
    "compare": "compare x 0 1",
    "reconstruct": "reconstruct x 0",
    "model": "model x",
    "encode": "encode x 0",
    "next": "next x",
    "figure": "figure x width",
    "report": "report x",
    "dashboard": "dashboard --study x",
    "export": "export x --format json",
    "note": "note x hello",
    "tag": "tag x good",
    "invalidate": "invalidate x 0",
    "diagnose": "diagnose x",
    "ties": "ties x",
    "explain": "explain x",
    "analyse": "analyse x 0",
    "doctor": "doctor",
    "db upgrade": "db upgrade",
    "delete": "delete x --yes",
}
WITHOUT_DATABASE = {"new", "schema", "floors", "data list", "data prepare", "data check"}
#: Which `--storage` does not name.
WITH_TWO_DATABASES = {"db copy"}


def test_every_command_is_here() -> None:
    there = {context.command_path: None for _, context in commands(get_command(app))}
    runnable = {path.removeprefix("sweep ") for path in there} - {"sweep", "data", "db"}
    assert runnable == {*COMMANDS, *WITHOUT_DATABASE, *WITH_TWO_DATABASES}


def all_of(answer: Answer, log: pytest.LogCaptureFixture) -> str:
    return answer.out + answer.err + log.text


def urls(password: str) -> list[str]:
    """Ways to say a password in a URL to a server that is not there."""
    written = quote(password, safe="")
    return [
        f"postgresql://sweep:{written}@127.0.0.1:1/x",
        f"postgresql://sweep@127.0.0.1:1/x?password={written}",
        f"postgresql://sweep@127.0.0.1:1/x?sslpassword={written}&connect_timeout=1",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_away_gets_nobody_to_tell_the_password(
    command: str,
    cli: Cli,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SWEEP_TRACEBACK", "1")
    words = COMMANDS[command].split()
    answers = [cli(*words, "--storage", url) for url in urls(PLANTED)]
    monkeypatch.setenv("SWEEP_STORAGE", urls(PLANTED)[0])
    answers.append(cli(*words))
    (tmp_path / "password").write_text(PLANTED)
    monkeypatch.setenv("SWEEP_STORAGE_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("SWEEP_STORAGE", "postgresql://sweep@127.0.0.1:1/x")
    answers.append(cli(*words))
    assert [answer.code for answer in answers] == [5] * 5
    for answer in answers:
        said = all_of(answer, caplog)
        assert "127.0.0.1" in said
        assert PLANTED not in said and quote(PLANTED, safe="") not in said


@pytest.mark.parametrize("place", [0, 1])
def test_a_copy_tells_nobody_the_password_of_either_database(
    cli: Cli, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_TRACEBACK", "1")
    assert cli("db", "init", "--storage", "sqlite:///x.db").code == 0
    for url in urls(PLANTED):
        databases = ["sqlite:///x.db"]
        databases.insert(place, url)
        answer = cli("db", "copy", *databases)
        assert answer.code == 5 and "127.0.0.1" in answer.err
        assert PLANTED not in answer.err and quote(PLANTED, safe="") not in answer.err


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{PLANTED}@h@h/x",
        f"postgresql://u:{PLANTED}@h:port/x",
        f"mysql://u:{quote(PLANTED)}@h/x",
        f"nonsense {PLANTED}",
    ],
)
def test_a_url_that_will_not_do_is_not_repeated(
    url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_TRACEBACK", "1")
    answer = cli("list", "--storage", url)
    assert answer.code == 5
    assert PLANTED not in answer.err and "nted" not in answer.err


@pytest.mark.usefixtures("forked_workers")
def test_every_command_keeps_quiet_about_a_password_that_works(
    cli: Cli, postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SWEEP_TRACEBACK", "1")
    password = str(make_url(postgres_url).password)
    ways = cycle([["--storage", postgres_url], [f"--storage={postgres_url}"]])
    for (command, line), storage in zip(COMMANDS.items(), ways, strict=False):
        answer = cli(*line.split(), *storage)
        assert answer.code in (0, 2, 3, 9, 11), (command, answer)
        assert password not in all_of(answer, caplog), command


@pytest.mark.usefixtures("forked_workers")
def test_no_row_of_the_database_holds_its_password(
    cli: Cli, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Provenance says how a study came about, events what went wrong, leases who is at work.
    monkeypatch.setenv("SWEEP_STORAGE", postgres_url)
    assert cli("start", "x.toml", "--workers", "1").code == 0
    assert cli("resume", "x", "--trials", "4", "--workers", "1").code == 0
    tables = [*optuna_rows.metadata.sorted_tables, *schema.sweep_metadata.sorted_tables]
    with open_store(postgres_url).connect() as connection:
        rows = [repr(row) for t in tables for row in connection.execute(select(t))]
    assert len(rows) > 20
    password = str(make_url(postgres_url).password)
    assert not [row for row in rows if password in row]


@pytest.mark.usefixtures("forked_workers")
def test_what_trains_for_another_study_and_copies_it_keeps_quiet_too(
    cli: Cli, postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SWEEP_TRACEBACK", "1")
    monkeypatch.setenv("SWEEP_STORAGE", postgres_url)
    password = str(make_url(postgres_url).password)
    hook = ["--webhook", "http://127.0.0.1:1/t0ken", "--log-format", "json"]
    monkeypatch.setattr("sweep.coordinator.webhook.RETRY_SECONDS", ())
    answers = [
        cli("start", "x.toml", "--workers", 1, *hook),
        cli("ties", "x", "--run", "--top", 2, "--seeds", 3, "--workers", 1),
        cli("explain", "x", "--run", "--seeds", 1, "--workers", 1, "--log-format", "json"),
        cli("db", "copy", postgres_url, "sqlite:///copy.db"),
        cli("list", "--all", "--storage", "sqlite:///copy.db"),
    ]
    assert [answer.code for answer in answers] == [0] * 5
    assert "x-ties" in answers[-1].out and "x-explain" in answers[-1].out
    for answer in answers:
        said = all_of(answer, caplog)
        assert password not in said and "t0ken" not in said
    assert password.encode() not in Path("copy.db").read_bytes()


def test_a_worker_is_told_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PLANTED)
    monkeypatch.setenv("SWEEP_STORAGE", urls(PLANTED)[0])
    monkeypatch.setenv("SWEEP_STORAGE_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("SWEEP_DASHBOARD_PASSWORD", PLANTED)
    monkeypatch.setenv("PGPASSWORD", PLANTED)
    worker = LocalLauncher().start("w0", "cpu")
    try:
        process = psutil.Process(worker.pid)
        arguments, environment = process.cmdline(), process.environ()
    finally:
        worker.kill()
        worker.wait(10)
    assert "sweep.worker" in arguments and "CUDA_VISIBLE_DEVICES" in environment
    assert not [word for word in [*arguments, *environment.values()] if "nted" in word]
    assert not [name for name in environment if name.startswith(("SWEEP_STORAGE", "PGPASS"))]


@pytest.mark.parametrize("url", urls(PLANTED))
def test_a_url_is_shown_without_its_passwords(url: str) -> None:
    said = format_url(storage_url(url))
    assert "127.0.0.1:1/x" in said
    assert "nted" not in said


def test_an_engines_own_words_hold_no_password() -> None:
    engine = store_engine.connect(storage_url(urls(PLANTED)[1]))
    assert "nted" not in repr(engine)
