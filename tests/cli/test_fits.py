"""Every table of every command fits a terminal of 100 columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sweep.cli import output
from sweep.cli.layout import TextColumn
from sweep.config import TrialConfig
from sweep.enums import EventKind
from sweep.store import annotate, schema
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.cli_runner import Cli
from tests.support.store_factories import EPOCH, add_rows, add_seed_errors, add_trial, sqlite_store
from tests.support.synthetic import add_study as add_synthetic

ROOM = 100


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A study with long names, remarks and seeds that tie."""
    engine = sqlite_store(tmp_path_factory.mktemp("big"))
    add_synthetic(engine, "a-study-with-a-name-of-forty-letters-ab", 300)
    add_synthetic(engine, "big", 300)
    study = open_study(engine, "big")
    annotate.note(engine, "big", "why this one is odd, in a sentence as long as notes are " * 3, 1)
    for number in range(1, 4):
        annotate.tag(engine, "big", "a-rather-long-tag", number)
    for number in range(300, 303):
        trial_id = add_trial(
            engine, study.key.study_id, number, 1e-5, config=TrialConfig(hidden_width=number)
        )
        add_seed_errors(engine, trial_id, [0.99e-5, 1e-5, 1.01e-5])
    add_trial(engine, study.key.study_id, 303, state="RUNNING")  # by no worker: a fault
    why = "the worker was killed, most probably for want of memory; its trials wait again"
    event = {"study_id": study.key.study_id, "at": EPOCH, "kind": EventKind.WORKER_GONE}
    add_rows(engine, schema.sweep_events, event | {"message": why})
    return engine


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[int]:
    """The width of each table that is printed, in a terminal of 100 columns."""
    printed: list[int] = []
    real = output._print_table

    def measure(columns: Sequence[TextColumn], **options: Any) -> None:
        before = capsys.readouterr().out
        real(columns, **options)
        lines = capsys.readouterr().out
        printed.append(max(map(len, lines.splitlines())))
        output.sys.stdout.write(before + lines)

    monkeypatch.setattr(output, "_print_table", measure)
    monkeypatch.setattr(output, "_room", lambda: ROOM)
    return printed


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "status big",
        "best big",
        "best big --where n_parameters<900000,complete,epochs<9",
        "trials big",
        "trials big --sort val_mse_std,batch_size,test_bce",
        "findings big",
        "show big 1",
        "diagnose big",
        "analyse big",
        "compare big 1 2 3 4 5 6 7",
        "figure big",
        "data list",
        "doctor big",
        "ties big",
    ],
)
def test_a_table_fits_a_terminal(
    cli: Cli, big: Engine, widths: list[int], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", str(big.url))
    cli(*command.split())
    assert widths
    assert max(widths) <= ROOM


def test_a_pipe_gets_whole_lines(
    cli: Cli, big: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", str(big.url))
    header, *lines = cli("trials", "big", "--sort", "test_bce").out.splitlines()
    assert "test_bce" in header and len(lines) == 304
    assert max(map(len, lines)) > ROOM
