"""Inputs that nobody would write get one clear message; benchmarks/fuzz.py tries 10,000 of them."""

import random

import pytest

from benchmarks import fuzz
from benchmarks.fuzz import outcomes, try_command_line, try_study_file


def test_no_input_gets_a_traceback_or_an_exit_code_that_is_not_documented() -> None:
    wrong = {n: (o.given, o.wrong) for n, o in outcomes(0, range(120)) if o.wrong is not None}
    assert wrong == {}


def test_a_command_that_fails_in_a_way_of_its_own_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(engine: object) -> None:
        raise ValueError("a bug")

    with fuzz.surroundings():
        assert try_command_line(["list"]) is None
        monkeypatch.setattr("sweep.store.summaries.study_list", broken)
        wrong = try_command_line(["list"])
    assert wrong is not None and "exit code 1" in wrong


def test_a_study_file_that_fails_in_a_way_of_its_own_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = fuzz.SHIPPED[0].read_bytes()
    with fuzz.surroundings():
        assert try_study_file(content) is None
        monkeypatch.setattr(fuzz, "load", lambda path: {}["a bug"])
        wrong = try_study_file(content)
    assert wrong is not None and "KeyError" in wrong


@pytest.mark.parametrize("level", fuzz.LEVELS)
def test_an_input_of_a_number_is_always_the_same_and_others_are_other(level: str) -> None:
    made = [fuzz.study_file(random.Random(seed), level) for seed in (1, 1, 2, 3)]
    assert made[0] == made[1] and len(set(made)) == 3


def test_no_command_line_leads_to_a_place_that_the_fuzzer_does_not_know() -> None:
    # It runs as whoever runs the tests, and commands write files where they are told to.
    words = [word for seed in range(3000) for word in fuzz.command_line(random.Random(seed))]
    paths = {part for word in words for part in (word, word.partition("=")[2], word[2:])}
    away = {path for path in paths if path.startswith(("/", "~", ".."))} - {"..=1"}
    assert away <= {"/", "/nonexistent/x", "/dev/null", "/h", "/h/d", "/127.0.0.1:1/x"}
