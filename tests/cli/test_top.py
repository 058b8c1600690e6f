"""The full-screen view: what stands on it, whatever the terminal."""

import io
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from unittest.mock import patch

from rich.console import Console

from sweep.cli.options import INTERRUPTED
from sweep.cli.top import picture
from sweep.store.engine import Engine
from sweep.store.handle import DatabaseHandle
from sweep.store.schema import sweep_events, sweep_leases, sweep_workers
from tests.support.cli_runner import Cli
from tests.support.store_factories import EPOCH, add_rows, add_study, lease_row


def screen(engine: Engine, name: str | None = None, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, height=40, markup=False)
    with patch.dict(os.environ, COLUMNS=str(width)):
        console.print(picture(DatabaseHandle(engine), name))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def run_study(engine: Engine, study_id: int) -> None:
    """As if a coordinator elsewhere ran it with one worker, and another that is gone."""
    add_rows(engine, sweep_leases, lease_row(study_id, EPOCH + 1e9))
    worker = {
        **{"study_id": study_id, "host": "gpuhost", "pid": 1, "device": "0", "n_finished": 7},
        **{"started_at": EPOCH, "seen_at": EPOCH, "busy": 0.875, "n_training": 3, "slots": 64},
        **{"utilisation": 0.5, "memory_used_bytes": 2**30, "memory_total_bytes": 2**32},
    }
    add_rows(engine, sweep_workers, {**worker, "name": "w0", "state": "training"})
    add_rows(engine, sweep_workers, {**worker, "name": "w1", "state": "gone"})
    event = {"study_id": study_id, "at": EPOCH, "kind": "worker gone", "worker": "w1"}
    add_rows(engine, sweep_events, {**event, "message": "it\nwas\x1b[2Jkilled"})


def test_what_runs_is_on_the_screen_with_workers_and_events(store: Engine, study: int) -> None:
    run_study(store, study)
    add_study(store, "resting")
    text = screen(store)
    said = " ".join(text.split())
    assert "4 of 20" in said and "best 0.01000 (trial 1)" in said
    assert "w0 training gpuhost GPU 0 88 % 50 % 1.0 of 4.0 GiB 3 of 64 7" in said
    assert "w1 " not in text.partition("When")[0]
    assert "worker gone" in text and "it was" in text and "\x1b[2J" not in text
    assert "resting" not in text


def test_a_study_that_rests_is_shown_when_named(store: Engine, study: int) -> None:
    assert "No study is running now" in screen(store)
    assert "finished" in screen(store, "study")


def test_a_study_whose_coordinator_is_gone_says_how_to_go_on(store: Engine) -> None:
    study_id = add_study(store, "lost", phase="running")
    add_rows(store, sweep_leases, lease_row(study_id, EPOCH))
    assert "`sweep resume lost` continues it." in screen(store, "lost")


def test_a_narrow_terminal_loses_no_line_to_an_error(store: Engine, study: int) -> None:
    run_study(store, study)
    assert all(len(line) <= 40 for line in screen(store, width=40).splitlines())


def test_it_takes_the_whole_terminal_and_gives_it_back(store: Engine, study: int) -> None:
    run_study(store, study)
    ours, terminal = pty.openpty()
    top = subprocess.Popen(
        [sys.executable, "-m", "sweep", "top"],
        **dict.fromkeys(("stdin", "stdout", "stderr"), terminal),
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
    )
    os.close(terminal)
    shown = b""
    while b"gpuhost" not in shown:
        shown += os.read(ours, 65536)
    top.send_signal(signal.SIGINT)
    with suppress(OSError):  # its end, to whoever reads a terminal
        while more := os.read(ours, 65536):
            shown += more
    os.close(ours)
    assert top.wait(20) == INTERRUPTED
    assert b"\x1b[?1049h" in shown and b"\x1b[?1049l" in shown


def test_without_a_terminal_it_says_what_to_use(cli: Cli, study: int) -> None:
    answer = cli("top")
    assert (answer.code, "sweep status" in answer.err) == (2, True)
    assert cli("top", "stdy").code == 3
