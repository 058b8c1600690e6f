"""Options and arguments that cannot be: what would do, and what was given."""

import pytest

from tests.support.cli_runner import Cli


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("best", "x", "-n", "0"), "-n: must be at least 1, got 0."),
        (("best", "x", "-n", "many"), "-n: must be a whole number, got 'many'."),
        (("show", "x", "1.5"), "NUMBER: must be a whole number, got '1.5'."),
        (("diagnose", "x", "all"), "NUMBER: must be a whole number, got 'all'."),
        (("dashboard", "--port", "99999"), "--port: must be at most 65,535, got 99999."),
        (
            ("export", "x", "--format", "xml"),
            "--format: 'xml' is not one of 'csv', 'json', 'parquet', 'mlflow'.",
        ),
    ],
)
def test_what_would_do_and_what_was_given_are_told(
    cli: Cli, arguments: tuple[str, ...], told: str
) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert answer.err == f"sweep: {told} See `sweep {arguments[0]} --help`.\n"


@pytest.mark.parametrize(
    "split",
    [
        # What bash makes of --set space.epochs={choices=[2,4]}, and of blanks in braces.
        ("space.epochs=choices=[2", "space.epochs=4]"),
        ("space.epochs={", "choices", "=", "[2,4]", "}"),
    ],
)
def test_a_value_that_the_shell_split_is_to_be_quoted(cli: Cli, split: tuple[str, ...]) -> None:
    answer = cli("start", "x.toml", "--set", *split)
    assert answer.code == 2
    assert f"sweep: {' '.join(split[1:])}: part of a value that the shell has split." in answer.err
    assert "Put the value in quotes" in answer.err


def test_another_argument_too_many_is_named(cli: Cli) -> None:
    assert "Got unexpected extra argument(s) (y)." in cli("start", "x.toml", "y").err


@pytest.mark.parametrize(
    ("option", "path"),
    [("--n-trials", "budget.trials"), ("--epochs", "space.epochs"), ("--bs=3", "space.batch_size")],
)
def test_an_option_that_is_a_key_of_a_study_file_leads_to_set(
    cli: Cli, option: str, path: str
) -> None:
    answer = cli("start", "x.toml", option)
    assert answer.code == 2
    assert f"{option.removesuffix('=3')}. `--set {path}=…` changes a study file." in answer.err
    assert "--set" not in cli("status", "x", option).err, "which takes none"


def test_an_unknown_option_that_is_no_key_has_its_neighbours_named(cli: Cli) -> None:
    assert "--storage" in cli("start", "x.toml", "--storge", "x").err


def test_a_negative_trial_is_no_option(cli: Cli) -> None:
    assert "sweep: -3: trials are counted from 0." in cli("show", "x", "-3").err
