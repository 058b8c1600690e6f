"""Worker options, which every command that trains shares."""

import inspect
import json
from typing import Any

import pytest
import typer
from typer.main import get_command

from sweep.cli import explain, run, ties
from sweep.cli.application import app
from sweep.cli.run_options import run_options
from sweep.errors import UsageError
from tests.support.cli_runner import Cli


@pytest.mark.parametrize("command", ["start", "resume", "ties", "explain"])
def test_every_command_that_trains_has_all_worker_options(command: str) -> None:
    group: Any = get_command(app)
    found = group.get_command(typer.Context(group), command)
    offered = [option for param in found.params for option in param.opts]
    assert {
        *("--gpus", "--per-gpu", "--workers", "--trainer", "--population", "--launcher"),
        *("--ray-address", "--log-format"),
    } <= {*offered}
    assert len(offered) == len({*offered})


@pytest.mark.parametrize("command", [run.start, run.resume, ties.ties, explain.explain])
def test_worker_options_stand_where_the_command_takes_them(command: object) -> None:
    names = list(inspect.signature(command).parameters)  # type: ignore[arg-type]
    shared = [*inspect.signature(run_options).parameters, "log_format"]
    first = names.index("gpus")
    assert names[first : first + len(shared)] == shared
    assert "options" not in names


def test_contradicting_options_are_reported_in_the_format_asked_for(cli: Cli) -> None:
    answer = cli("resume", "x", "--log-format", "json", "--ray-address", "10.0.0.1:6379")
    assert answer.code == 2
    assert "needs --launcher ray" in json.loads(answer.err)["message"]


def test_workers_mean_the_cpu() -> None:
    assert run_options(workers=3).gpus == "cpu"
    with pytest.raises(UsageError, match="--workers is for processes on the CPU"):
        run_options(workers=3, gpus="0")
