"""What brushes on charts let through."""

from collections.abc import Sequence

import pytest

from sweep.analysis.filters import Filter
from sweep.config import TrialConfig
from sweep.dashboard.parts import brushing
from sweep.dashboard.parts.brushing import Side
from sweep.enums import Activation
from sweep.figures.axes import axis_of
from sweep.figures.parallel import brush_of, fine_ticks, gather_lines
from sweep.store.table import TrialTable
from tests.support.store_factories import trial_row, trial_table

WIDTHS = (8, 16, 32, 64, 128)


def study(widths: Sequence[int] = WIDTHS) -> TrialTable:
    """A trial of each width; the odd ones are tanh."""
    return trial_table(
        *(
            trial_row(
                number=number,
                values=(0.5 / (number + 1),),
                params={"hidden_width": width, "activation": "relu"},
                config=TrialConfig(
                    hidden_width=width,
                    activation=Activation.TANH if number % 2 else Activation.RELU,
                ),
            )
            for number, width in enumerate(widths)
        )
    )


def draw_box(where: str, name: str, span: tuple[float, float] | None, **side: bool) -> str:
    table = study()
    new = brushing.narrow_to_box(
        Filter.parse(where), table, (Side(name, axis_of(table, name), **side), span)
    )
    return str(new)


def test_a_box_around_few_numbers_takes_those_it_reaches() -> None:
    assert draw_box("", "hidden_width", (14.0, 70.0)) == "hidden_width:16..64"


def test_a_box_on_a_map_counts_cells() -> None:
    assert draw_box("", "hidden_width", (0.9, 2.2), in_cells=True) == "hidden_width:16..32"


def test_a_box_around_words_takes_the_words() -> None:
    assert draw_box("", "activation", (0.8, 1.4)) == "activation:tanh"


def test_a_box_around_everything_is_no_condition() -> None:
    assert draw_box("", "activation", (-0.5, 1.5)) == ""
    assert draw_box("", "hidden_width", (4.0, 200.0)) == ""


def test_a_box_replaces_the_last_one_and_leaves_other_columns() -> None:
    before = "activation:tanh;hidden_width:8..16"
    assert draw_box(before, "hidden_width", (30.0, 200.0)) == "hidden_width:32..;activation:tanh"
    assert draw_box(before, "hidden_width", None) == "activation:tanh"


def test_times_are_drawn_from_the_first_and_kept_to_the_second() -> None:
    table = study()
    side = Side("started", offset=float(table.started[0]))
    new = brushing.narrow_to_box(Filter(), table, (side, (0.9, 2.2)))
    assert list(Filter.parse(str(new)).apply(table).numbers) == [1, 2]


def test_names_along_a_side_are_words_too() -> None:
    table = trial_table(trial_row(number=0, worker="w0"), trial_row(number=1, worker="w1"))
    side = Side("worker", names=("w1", "w0"))
    assert str(brushing.narrow_to_box(Filter(), table, (side, (-0.4, 0.4)))) == "worker:w1"


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("hidden_width:16..64", [1, 2, 3]),
        ("activation:relu", [0, 2, 4]),
        ("value:..0.2", [2, 3, 4]),
    ],
)
def test_a_filter_comes_back_from_the_parallel_axes_that_show_it(
    where: str, numbers: list[int]
) -> None:
    table, filtered = study(), Filter.parse(where)
    dimensions = gather_lines(table).dimensions
    ranges = {of.name: brush_of(filtered, of) for of in dimensions}
    back = brushing.narrow_to_ranges(Filter(), table, dimensions, ranges)
    assert list(back.apply(table).numbers) == numbers


def test_an_axis_without_a_brush_loses_its_condition() -> None:
    table = study()
    where = Filter.parse("hidden_width:16..64;state:COMPLETE")
    back = brushing.narrow_to_ranges(where, table, gather_lines(table).dimensions, {})
    assert str(back) == "state:COMPLETE"


def test_brushes_can_end_between_the_named_ticks() -> None:
    widths = gather_lines(study(range(8, 300))).dimensions[0]
    ticks = fine_ticks(widths)
    assert len(ticks) > 90
    assert len(set(ticks.values())) == len(ticks)
    assert set(widths.tick_texts) <= set(ticks.values())
