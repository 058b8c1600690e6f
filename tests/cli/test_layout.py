"""Tables for a terminal."""

import io

import pytest
from rich.console import Console

from sweep.cli.layout import TextColumn, fit


def laid_out(room: int, *columns: tuple[str, list[str], bool]) -> tuple[list[str], list[str]]:
    table, left_out = fit(
        [TextColumn(heading=name, cells=cells, is_number=of) for name, cells, of in columns], room
    )
    console = Console(file=io.StringIO(), width=10_000)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()], left_out


TRIAL = ("trial", ["7", "12"], True)
RATE = ("learning_rate", ["0.001", "0.02"], True)
WHY = ("why it ended", ["the loss became NaN in epoch 3", "done"], False)


def test_with_room_every_line_is_whole() -> None:
    assert laid_out(80, TRIAL, RATE, WHY) == (
        [
            "trial  learning_rate  why it ended",
            "    7          0.001  the loss became NaN in epoch 3",
            "   12           0.02  done",
        ],
        [],
    )


def test_a_heading_breaks_between_its_words_and_stands_on_the_rows() -> None:
    assert laid_out(30, TRIAL, RATE)[0][0] == "trial  learning_rate"
    lines, _ = laid_out(18, TRIAL, RATE)
    assert lines == ["       learning_", "trial       rate", "    7      0.001", "   12       0.02"]


def test_a_text_wraps_and_a_number_never_does() -> None:
    assert laid_out(40, TRIAL, RATE, WHY) == (
        [
            "       learning_",
            "trial       rate  why it ended",
            "    7      0.001  the loss became NaN in",
            "                  epoch 3",
            "   12       0.02  done",
        ],
        [],
    )


@pytest.mark.parametrize(
    ("room", "left_out"), [(42, []), (41, ["epochs"]), (33, ["learning_rate", "epochs"])]
)
def test_where_nothing_else_helps_numbers_are_left_out_from_the_end(
    room: int, left_out: list[str]
) -> None:
    lines, missing = laid_out(room, TRIAL, RATE, ("epochs", ["5", "5"], True), WHY)
    assert max(map(len, lines)) <= room
    assert missing == left_out


def test_the_first_column_stays_however_wide_it_is() -> None:
    assert laid_out(4, ("name", ["a" * 30], False)) == (["name", "a" * 16, "a" * 14], [])
