"""One renderer for `top`, `status` and the progress of `start`."""

from dataclasses import replace

from rich.console import Console

from sweep.cli.study_view import StudyView, outcome, render
from sweep.findings.tables import Cell, FindingTable, TableColumn

WORKERS = FindingTable(
    title="Workers", columns=[TableColumn("worker", "Worker")], rows=[[Cell("w0", detail="a host")]]
)
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
    tables=[WORKERS],
)


def test_counts_that_are_0_are_left_out() -> None:
    assert outcome(VIEW) == "2 running, 1 failed"


def test_a_study_and_its_notice_are_drawn_with_control_characters_replaced() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(render([replace(VIEW, notice="away\x1b[2J")]))
    drawn = captured.get()
    assert "4 of 10" in drawn and "w0" in drawn and "a host" not in drawn
    assert "away" in drawn and "\x1b[2J" not in drawn
    assert all(len(line) <= 80 for line in drawn.splitlines())
