"""doctor NAME."""

import sqlalchemy

from sweep.store.engine import Engine, write_transaction
from sweep.store.schema import sweep_leases
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_rows, add_study, add_trial, lease_row


def sound(store: Engine) -> int:
    """A study whose only trial is as it should be."""
    study_id = add_study(store, "sound")
    add_trial(store, study_id, 0, state="WAITING")
    return study_id


def test_a_sound_study_is_said_to_be_so(cli: Cli, store: Engine) -> None:
    sound(store)
    answer = cli("doctor", "sound")
    assert answer.code == 0
    assert "no faults found" in answer.err


def test_a_fault_is_one_line_with_what_where_and_what_would_do(cli: Cli, store: Engine) -> None:
    add_trial(store, sound(store), 1, state="RUNNING")
    answer = cli("doctor", "sound")
    assert answer.code == 12
    (line,) = [line for line in answer.out.splitlines() if line.startswith("WRONG")]
    assert "trial 1" in line and "no worker trains it" in line and "--repair" in line
    assert cli("doctor", "sound").code == 12  # looking repairs nothing


def test_repair_mends_it_and_says_so(cli: Cli, store: Engine) -> None:
    add_trial(store, sound(store), 1, state="RUNNING")
    answer = cli("doctor", "sound", "--repair")
    assert answer.code == 0
    assert "1 repaired, 0 faults left" in answer.err
    assert cli("doctor", "sound").code == 0


def test_a_held_study_is_refused(cli: Cli, store: Engine) -> None:
    add_rows(store, sweep_leases, lease_row(sound(store), expires_at=4e9))
    answer = cli("doctor", "sound", "--repair")
    assert answer.code == 7
    assert "process 4711 on elsewhere" in answer.err
    assert cli("doctor", "sound").code == 0


def test_faults_as_json(cli: Cli, store: Engine) -> None:
    add_trial(store, sound(store), 1, state="RUNNING")
    (fault,) = cli("doctor", "sound", "--json").json
    assert (fault["check"], fault["number"], fault["repaired"]) == ("running", 1, False)
    (fault,) = cli("doctor", "sound", "--repair", "--json").json
    assert fault["repaired"]
    assert cli("doctor", "sound", "--json").json == []


def test_the_schema_comes_first_and_is_mended_with_the_rest(cli: Cli, store: Engine) -> None:
    add_trial(store, sound(store), 1, state="RUNNING")
    with write_transaction(store) as connection:
        connection.execute(sqlalchemy.text("ALTER TABLE sweep_trials DROP COLUMN reused_from"))
    answer = cli("doctor", "sound")
    assert answer.code == 12
    assert "sweep_trials.reused_from is missing" in answer.out
    assert "was not examined" in answer.err
    answer = cli("doctor", "sound", "--repair")
    assert answer.code == 0
    assert "2 repaired" in answer.err


def test_a_study_that_is_not_there_is_not_found(cli: Cli, store: Engine) -> None:
    assert cli("doctor", "other").code == 3
    assert cli("doctor", "other", "--repair").code == 3


def test_options_of_the_machine_and_of_a_study_exclude_one_another(cli: Cli, store: Engine) -> None:
    assert cli("doctor", "sound", "--gpus", "cpu").code == 2
    assert cli("doctor", "--repair").code == 2
