"""list, best and trials."""

import pytest

from sweep.config import TrialConfig
from sweep.findings.progress import study_status
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.cli_runner import Cli
from tests.support.store_factories import (
    EPOCH,
    add_explanation,
    add_rows,
    add_study,
    add_trial,
    lease_row,
)


def test_list_shows_each_study_with_its_best(cli: Cli, study: int) -> None:
    answer = cli("list")
    assert answer.code == 0
    header, line = answer.out.splitlines()
    assert header.split()[:2] == ["study", "state"]
    assert line.split()[:2] == ["study", "finished"]
    assert "  4 of 20 done  " in line
    assert {"0.01000", "1"} <= set(line.split())


def test_list_of_an_empty_store_says_how_to_begin(cli: Cli, store: Engine) -> None:
    answer = cli("list")
    assert (answer.code, answer.out) == (0, "")
    assert "sweep start" in answer.err


def test_list_as_json_has_optunas_words(cli: Cli, study: int) -> None:
    (found,) = cli("list", "--json").json
    assert found["study_name"] == "study"
    assert found["states"] == {"WAITING": 1, "RUNNING": 0, "COMPLETE": 2, "PRUNED": 1, "FAIL": 1}
    assert found["created_at"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("phase", ["running", "paused", "analysing"])
def test_a_running_phase_without_its_coordinator_is_said_to_be_so(
    cli: Cli, store: Engine, phase: str
) -> None:
    study_id = add_study(store, phase=phase)
    from sweep.store.schema import sweep_leases

    add_rows(store, sweep_leases, lease_row(study_id, expires_at=EPOCH))
    answer = cli("list")
    assert study_status(open_study(store, "study").summary()).word in answer.out
    assert "which ran it, is dead. `sweep resume study` continues it." in answer.err


def test_list_leaves_out_what_was_trained_for_a_study(cli: Cli, study: int, store: Engine) -> None:
    ends = TrialConfig(), TrialConfig(hidden_width=8)
    add_explanation(store, "study", *ends, {ends[0]: (0.2,), ends[1]: (0.1,)})
    answer = cli("list")
    assert "study-explain" not in answer.out
    assert "1 derived study is not shown" in answer.err
    assert "\n- study-explain  " in cli("list", "--all").out
    parents = {of["study_name"]: of["derived_from"] for of in cli("list", "--json").json}
    assert parents == {"study": None, "study-explain": "study"}


def test_best_has_the_lowest_error_first_and_the_settings_in_columns(cli: Cli, study: int) -> None:
    header, *lines = cli("best", "study").out.splitlines()
    assert " ".join(header.split()) == (
        "trial val_mse test_mse psnr exact_pixel_share hidden_width activation learning_rate"
    )
    assert [line.split()[0] for line in lines] == ["1", "0"]
    assert lines[1].split()[-3:] == ["784", "relu", "0.001"]


def test_best_is_as_long_as_asked(cli: Cli, study: int) -> None:
    assert [row["number"] for row in cli("best", "study", "-n", 1, "--json").json] == [1]


def test_best_as_json_has_number_state_value_params_and_metrics(cli: Cli, study: int) -> None:
    row = cli("best", "study", "--json").json[0]
    assert (row["number"], row["state"], row["value"]) == (1, "COMPLETE", 0.01)
    assert row["params"] == {"hidden_width": 512, "activation": "gelu", "adam.learning_rate": 0.003}
    assert {"val_mse", "test_mse", "test_bce", "psnr", "exact_pixel_share", "hidden_width"} <= set(
        row
    )


def test_best_of_several_objectives_shows_them_all(cli: Cli, store: Engine) -> None:
    study_id = add_study(store, objectives=("val_mse", "train_seconds"))
    add_trial(store, study_id, 0, (0.5, 3.0))
    header, line = cli("best", "study").out.splitlines()
    assert "train_seconds" in header
    assert "3.00" in line.split()


def test_best_before_any_trial_is_complete_says_so(cli: Cli, store: Engine) -> None:
    add_study(store)
    answer = cli("best", "study")
    assert (answer.code, answer.out) == (0, "")
    assert "no complete trial yet" in answer.err
    assert cli("best", "study", "--json").json == []


def test_trials_lists_all_with_their_remarks(cli: Cli, study: int, store: Engine) -> None:
    annotate.note(store, "study", "the one in the question", 0)
    annotate.tag(store, "study", "baseline", 0)
    lines = cli("trials", "study").out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["0", "complete"],
        ["1", "complete"],
        ["2", "pruned"],
        ["3", "fail"],
        ["4", "waiting"],
    ]
    assert "the one in the question; #baseline" in lines[1]
    assert "loss became NaN" in lines[4]


def test_trials_can_be_chosen_sorted_and_cut(cli: Cli, study: int) -> None:
    chosen = cli("trials", "study", "--state", "complete", "--sort", "psnr", "--desc", "--json")
    assert [row["number"] for row in chosen.json] == [1, 0]
    assert len(cli("trials", "study", "--limit", 2, "--json").json) == 2


def test_trials_without_the_invalid_ones(cli: Cli, study: int, store: Engine) -> None:
    annotate.invalidate(store, "study", 1, "wrong data")
    assert "invalid: wrong data" in cli("trials", "study").out
    assert 1 not in [row["number"] for row in cli("trials", "study", "--valid", "--json").json]


def numbers(cli: Cli, *arguments: str) -> list[int]:
    return [row["number"] for row in cli(*arguments, "--json").json]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("gelu", [1]),
        ("relu, gelu", [0, 1, 2, 3, 4]),
        ("value<0.015", [1]),
        ("complete and lr>=0.001", [0, 1]),
        ("Validation error < 0.015, width:512", [1]),
    ],
)
def test_trials_takes_the_language_of_the_pages_filter(
    cli: Cli, study: int, where: str, found: list[int]
) -> None:
    assert numbers(cli, "trials", "study", "--where", where) == found


def test_best_is_the_best_of_those_that_meet_the_conditions(cli: Cli, study: int) -> None:
    assert numbers(cli, "best", "study", "--where", "relu") == [0]
    answer = cli("best", "study", "--where", "n_parameters<900000")
    assert "n_parameters" in answer.out.splitlines()[0]
    assert "no complete trial meets" in cli("best", "study", "--where", "value<0.001").err


def test_trials_are_sorted_by_any_column(cli: Cli, study: int) -> None:
    assert numbers(cli, "trials", "study", "--sort", "activation,-number") == [4, 3, 2, 0, 1]
    assert numbers(cli, "trials", "study", "--sort", "width") == [1, 0, 2, 3, 4]
    assert numbers(cli, "trials", "study", "--sort", "width", "--desc") == [0, 2, 3, 4, 1]


def test_before_the_first_trial_conditions_and_orders_meet_none(cli: Cli, store: Engine) -> None:
    add_study(store)
    answer = cli("trials", "study", "--where", "relu", "--sort", "epochs")
    assert (answer.code, answer.out) == (0, "")
    assert "no matching trials" in answer.err


def test_what_all_trials_have_in_common_stands_above_them(cli: Cli, study: int) -> None:
    out = cli("trials", "study", "--state", "complete", "--sort", "epochs").out.splitlines()
    assert out[0] == "All of these: state complete, epochs 5"
    assert "epochs" not in out[1]
    assert "epochs" in cli("trials", "study", "--sort", "epochs", "--wide").out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sort", "beauty"], "unknown column 'beauty'"),
        (["--sort", "val_mes"], "Did you mean 'val_mse'"),
        (["--state", "complte"], "Did you mean 'complete'"),
        (["--where", "tahn"], "not a value of any trial"),
        (["--where", "widht<3"], "Did you mean 'hidden_width'"),
        (["--limit", "0"], "--limit"),
        (["--limit", "9" * 30], "--limit"),
    ],
)
def test_trials_refuses_what_it_does_not_know(
    cli: Cli, study: int, arguments: list[str], words: str
) -> None:
    answer = cli("trials", "study", *arguments)
    assert answer.code == 2
    assert words in answer.err


def test_numbers_that_json_lacks_are_null(cli: Cli, store: Engine) -> None:
    study_id = add_study(store)
    add_trial(store, study_id, 0, float("inf"), val_mse=None, test_mse=None)
    (row,) = cli("trials", "study", "--json").json
    assert (row["value"], row["values"]) == (None, [None])


def test_a_note_cannot_rewrite_the_terminal(cli: Cli, study: int, store: Engine) -> None:
    annotate.note(store, "study", "[bold]\x1b[2J", 0)
    out = cli("trials", "study").out
    assert "\x1b" not in out
    assert "[bold]" in out
