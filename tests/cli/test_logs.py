"""Messages as JSON: every line of stderr an object, with what a search needs."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from sweep.cli.logs import JsonFormatter
from tests.support.cli_runner import Answer, Cli
from tests.support.fake_workers import pretend_local_workers

STUDY = """
study.name = "x"
space.hidden_width = {low = 8, high = 64, log = true}
space.epochs = 2
budget.trials = 3
"""
START = ("start", "x.toml", "--gpus", "cpu", "--workers", 1, "--log-format", "json")


@pytest.fixture(autouse=True)
def _pretended_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_local_workers(monkeypatch)
    Path("x.toml").write_text(STUDY)


def lines(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.err.splitlines()]


def test_every_message_is_json_and_a_trial_can_be_followed(cli: Cli) -> None:
    answer = cli(*START)
    assert answer.code == 0
    of_trial = [line for line in lines(answer) if line.get("trial") == 1]
    assert [line["event"] for line in of_trial] == ["trial handed out", "trial ended"]
    for line in of_trial:
        assert (line["study"], line["attempt"], line["worker"]) == ("x", 1, "w0")
    assert of_trial[-1]["outcome"] == "complete"
    assert any(line.get("event") == "progress" for line in lines(answer))
    assert any(line.get("event") == "ended" for line in lines(answer))


def test_an_error_is_a_line_of_json_too_and_the_next_command_speaks_text(cli: Cli) -> None:
    cli(*START)
    again = cli(*START)
    assert again.code == 2
    (said,) = lines(again)
    assert said["level"] == "error" and "sweep resume x" in said["message"]
    assert cli("status", "y").err.startswith("sweep: no study 'y'")


def test_without_the_option_messages_are_text(cli: Cli) -> None:
    answer = cli("start", "x.toml", "--gpus", "cpu")
    assert not any(line.startswith("{") for line in answer.err.splitlines())


def test_a_number_that_json_lacks_is_null_and_a_line_stays_one(cli: Cli) -> None:
    record = logging.LogRecord("sweep", logging.INFO, "", 0, "two\nlines", (), None)
    record.sweep = {"val_mse": float("nan")}
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert json.loads(text)["val_mse"] is None


def test_a_webhook_that_cannot_be_is_refused_before_anything_runs(cli: Cli) -> None:
    answer = cli("start", "x.toml", "--gpus", "cpu", "--webhook", "nonsense")
    assert (answer.code, "https://host/path" in answer.err) == (2, True)


def test_a_webhook_that_nobody_answers_does_not_hurt_the_study(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.coordinator.webhook.RETRY_SECONDS", ())
    monkeypatch.setenv("SWEEP_WEBHOOK", "http://127.0.0.1:1/t0ken")
    answer = cli("start", "x.toml", "--gpus", "cpu")
    assert answer.code == 0
    assert "webhook: 127.0.0.1" in answer.err and "t0ken" not in answer.err
