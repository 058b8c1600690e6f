"""NAME left out: the study that commands which only read take then."""

import time

import pytest

from sweep.store.engine import Engine
from sweep.store.schema import study_user_attributes, sweep_leases
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_rows, add_study, lease_row


@pytest.mark.parametrize("command", ["status", "best", "trials", "findings", "figure", "diagnose"])
def test_the_only_study_needs_no_name(cli: Cli, study: int, command: str) -> None:
    answer = cli(command)
    assert answer.code == 0
    assert answer.out == cli(command, "study").out


def test_a_file_is_named_by_the_only_study(cli: Cli, study: int) -> None:
    of_study = cli("figure", "study", "history").out
    assert of_study.endswith("study-history.html\n")
    assert cli("figure", "history").out == of_study
    assert cli("report").out == cli("report", "study").out


def test_the_only_study_that_runs_comes_before_those_that_do_not(cli: Cli, store: Engine) -> None:
    add_study(store, "done")
    running = add_study(store, "new", phase="running")
    add_rows(store, sweep_leases, lease_row(running, expires_at=time.time() + 60))
    assert cli("status", "--json").json["study_name"] == "new"


def test_a_study_that_was_trained_for_another_does_not_count(cli: Cli, store: Engine) -> None:
    add_study(store, "mine")
    child = add_study(store, "mine-ties")
    about = '{"study": "mine", "study_created_at": 0.0, "numbers": [0]}'
    attribute = {"study_id": child, "key": "sweep_retrains", "value_json": about}
    add_rows(store, study_user_attributes, attribute)
    assert cli("status", "--json").json["study_name"] == "mine"


def test_several_studies_are_named_in_the_refusal(cli: Cli, store: Engine) -> None:
    for name in ("a", "b"):
        add_study(store, name)
    answer = cli("best")
    assert answer.code == 2
    assert answer.err == "sweep: NAME: 2 studies are here. Name one of them: a, b.\n"


def test_without_any_study_the_command_that_makes_one_is_named(cli: Cli, store: Engine) -> None:
    answer = cli("status")
    assert answer.code == 3
    assert "no studies yet. `sweep start FILE` creates one." in answer.err


def test_what_changes_a_study_needs_its_name(cli: Cli, study: int) -> None:
    for command in ("stop", "pause", "resume", "delete"):
        assert cli(command).code == 2
