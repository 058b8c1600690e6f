"""Run a stage in a separate process with a time limit and a file of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.contact.stages import Stage
from benchmarks.records import Records

#: Number of characters of a stage's output that are stored with its results.
_KEPT_CHARACTERS = 4_000
#: Time limit at smoke sizes, for the interpreter on a busy CPU.
_SMOKE_SECONDS = 200.0
#: A stage with less time left is not started.
_LEAST_SECONDS = 5.0


class Outcome(StrEnum):
    """How a stage ended."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    NOT_STARTED = "not started"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Result of a stage that has ended."""

    stage: Stage
    outcome: Outcome
    seconds: float
    exit_status: int | None


def run_stage(stage: Stage, folder: Path, *, seconds_left: float, smoke: bool) -> Ended:
    """Run a stage; write its results and outcome to ``folder/NAME.jsonl``, even after a failure."""
    results = folder / f"{stage.name}.jsonl"
    results.unlink(missing_ok=True)
    results.touch()
    limit = min(_SMOKE_SECONDS if smoke else stage.seconds, seconds_left)
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        if limit < _LEAST_SECONDS:
            ended, status = Outcome.NOT_STARTED, None
        else:
            ended, status = _run(_command(stage, results, smoke), output.fileno(), limit)
        output.seek(0)
        printed = output.read()[-_KEPT_CHARACTERS:]
    seconds = time.perf_counter() - begun
    Records(results, echo=False).add(
        "ended",
        stage=stage.name,
        outcome=ended,
        seconds=round(seconds, 1),
        limit=round(limit, 1),
        exit_status=status,
        output=printed,
    )
    return Ended(stage=stage, outcome=ended, seconds=seconds, exit_status=status)


def _command(stage: Stage, results: Path, smoke: bool) -> list[str]:
    flag = ["--smoke"] if smoke else []
    return [sys.executable, *stage.arguments(smoke=smoke), "--json", str(results), *flag]


def _run(command: list[str], output: int, limit: float) -> tuple[Outcome, int | None]:
    """Run the command in a new process group, so that its children end with it."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,
    )
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Outcome.TIMED_OUT, None
    return (Outcome.DONE if status == 0 else Outcome.FAILED), status
