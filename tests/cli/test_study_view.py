"""One renderer for `top`, `status` and the progress of `start`."""

from dataclasses import replace

from rich.console import Console

from sweep.cli.study_view import StudyView, outcome, render, worker_cells

WORKER = {"worker": "w0", "state": "training", "device": "cpu", "finished": "3"}
VIEW = StudyView(
    name="x",
    state="running",
    n_trials=10,
    n_finished=4,
    counts={"running": 2, "pruned": 0, "failed": 1},
    best_value=None,
    best_number=None,
    trials_per_second=None,
    seconds_left=None,
    workers=[WORKER],
)


def test_columns_that_no_worker_has_are_left_out() -> None:
    assert worker_cells([VIEW]).header == ["worker", "state", "device", "finished"]
    beside = {**WORKER, "worker": "w1", "host": "elsewhere", "trial": "7"}
    cells = worker_cells([replace(VIEW, workers=[WORKER, beside])])
    assert (cells.header[3:], cells.left) == (["host", "trial", "finished"], 4)
    assert [row[4] for row in cells.rows] == ["-", "7"]


def test_workers_of_several_studies_are_told_apart() -> None:
    assert worker_cells([VIEW, replace(VIEW, name="y")]).rows[1][0] == "y"


def test_counts_that_are_0_are_left_out() -> None:
    assert outcome(VIEW) == "2 running, 1 failed"


def test_a_study_and_its_notice_are_drawn_with_control_characters_replaced() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(render([replace(VIEW, notice="away\x1b[2J")]))
    drawn = captured.get()
    assert "4 of 10" in drawn and "w0" in drawn
    assert "away" in drawn and "\x1b[2J" not in drawn
    assert all(len(line) <= 80 for line in drawn.splitlines())
