"""sweep dashboard: what it refuses, and that it serves until it is told to stop."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from sweep.store.engine import Engine
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_study, sqlite_store


@pytest.fixture
def storage(tmp_path: Path) -> str:
    engine: Engine = sqlite_store(tmp_path)
    add_study(engine, "quickstart")
    return f"sqlite:///{tmp_path / 'sweep.db'}"


def test_another_host_without_a_password_is_refused(cli: Cli, storage: str) -> None:
    answer = cli("dashboard", "--storage", storage, "--host", "0.0.0.0")
    assert answer.code == 2
    assert "SWEEP_DASHBOARD_PASSWORD" in answer.err


def test_a_password_file_that_is_not_there_is_told(
    cli: Cli, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_DASHBOARD_PASSWORD_FILE", "/no/such/file")
    answer = cli("dashboard", "--storage", storage)
    assert answer.code == 2
    assert "/no/such/file: No such file" in answer.err


def test_an_unknown_study_is_told_before_anything_is_served(cli: Cli, storage: str) -> None:
    answer = cli("dashboard", "--storage", storage, "--study", "quickstat")
    assert answer.code == 3
    assert "Did you mean 'quickstart'?" in answer.err


def test_a_port_in_use_is_told(cli: Cli, storage: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = cli("dashboard", "--storage", storage, "--port", str(port))
    assert answer.code == 2
    assert f"port {port}" in answer.err
    assert "--port" in answer.err
    assert "(" not in answer.err  # the address as Python writes it


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(storage: str, sign: signal.Signals) -> None:
    command = [sys.executable, "-m", "sweep", "dashboard", "--storage", storage]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--port", "0", "--study", "quickstart"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("dashboard at http://127.0.0.1:")
        address = said.split()[2]
        assert address.endswith("/study/quickstart")
        with urllib.request.urlopen(address) as page:
            assert b"sweep" in page.read()
        process.send_signal(sign)
        assert process.wait(timeout=20) == 0
        assert "Traceback" not in process.stderr.read()
