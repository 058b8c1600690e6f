"""What the dots of a factorial analysis say, without a chart, and that they are drawn."""

import math
from dataclasses import replace
from typing import Any

import pytest

from sweep.analysis.factorial import factorial
from sweep.catalogue.settings import Cause
from sweep.figures.factorial import FIGURE, FactorialChart, draw_factorial, gather_factorial
from sweep.figures.registry import GatheredFigure
from tests.support.factorial_factories import (
    BASELINE,
    PLANTED,
    TARGET,
    LogError,
    counteract,
    plant_factorial,
    product,
    study_analysis,
    with_interaction,
)


def chart_of(of: LogError, **options: Any) -> FactorialChart:
    chart = gather_factorial(study_analysis(plant_factorial(of, **options)))
    assert chart is not None
    return chart


def test_every_cause_has_three_marks_the_largest_shapley_value_first() -> None:
    chart = chart_of(product)
    assert [*chart.causes] == sorted(PLANTED, key=lambda cause: -PLANTED[Cause(cause)])
    assert [of.kind for of in chart.marks[:3]] == ["alone", "shapley", "taken_back"]
    assert [of.effect.estimate for of in chart.marks[:3]] == pytest.approx([3.0] * 3)
    assert len(chart.marks) == 12


def test_the_title_states_the_finding() -> None:
    assert chart_of(product).title == "Most of the error ÷ 3.96 comes from number of updates"
    chance = chart_of(lambda causes: 0.0, noise=0.3)
    assert chance.title.startswith("No cause has a significant effect on the error ")


def test_causes_that_the_seeds_do_not_separate_are_all_in_the_title() -> None:
    alike = {Cause.UPDATES, Cause.OUTPUT}
    chart = chart_of(lambda causes: -math.log(3.0) * len(alike & causes), noise=0.02)
    assert chart.title.startswith("Most of the error ÷ ")
    ends = {f"comes from {one}, and {other}" for one in alike for other in alike - {one}}
    assert any(chart.title.endswith(end) for end in ends)


def test_where_the_error_rises_the_cause_that_raises_it_most_is_the_largest() -> None:
    chart = chart_of(lambda causes: -product(causes))
    assert chart.title == "Most of the error × 3.96 comes from number of updates"
    assert next(iter(chart.causes)) == Cause.UPDATES


def test_causes_that_others_counteract_are_more_than_all_of_the_error() -> None:
    chart = chart_of(counteract)
    assert chart.title.startswith("More than all of the error ÷ 4.50 comes from ")


def test_without_every_cell_the_marks_are_those_that_are_known() -> None:
    cells = plant_factorial(product).cells
    known = {cell.config: cell.errors or () for cell in cells if len(cell.causes) < 2}
    chart = gather_factorial(study_analysis(factorial(BASELINE, TARGET, known), child="x-explain"))
    assert chart is not None
    assert {of.kind for of in chart.marks} == {"alone"}
    assert chart.title == "By what each cause divides the error, alone and taken back"
    assert "Missing: 11 of 16 combinations" in chart.about
    assert gather_factorial(study_analysis(factorial(BASELINE, TARGET, {}))) is None


@pytest.mark.parametrize("options", [{"noise": 0.1}, {"n_seeds": 1}])
def test_dots_intervals_and_numbers_are_drawn_in_one_row_a_cause(options: dict[str, int]) -> None:
    chart = chart_of(with_interaction, **options)
    drawn = draw_factorial(chart)
    dots, numbers = drawn.data[:3], drawn.data[3]
    assert drawn.layout.xaxis.type == "log"
    assert [len(of.x) for of in dots] == [4, 4, 4]
    assert {of.error_x.visible for of in dots} == {options.get("n_seeds") != 1}
    assert [of.name for of in dots] == ["alone", "Shapley", "taken back"]
    assert len(numbers.text) == 12
    assert any("×" in text for text in numbers.text)  # a cause that hurts alone
    assert len(drawn.layout.yaxis.ticktext) == 4 and 380 <= drawn.layout.height <= 480


def test_an_interval_of_no_use_does_not_stretch_the_axis() -> None:
    chart = chart_of(product)
    wide = [of._replace(effect=of.effect._replace(high=1e9)) for of in chart.marks]
    _, high = draw_factorial(chart._replace(marks=wide)).layout.xaxis.range
    assert high < math.log10(100)


def test_rows_are_one_a_mark() -> None:
    chart = chart_of(product)
    rows = FIGURE.rows(chart)
    assert {len(column) for column in rows.values()} == {12}
    assert rows["estimate"][0] == pytest.approx(3.0)
    assert GatheredFigure(FIGURE, chart).heading == chart.title


def test_what_a_setting_is_called_is_no_html() -> None:
    chart = chart_of(product)
    marks = [of._replace(change="<b>x</b>") for of in chart.marks]
    found = GatheredFigure(FIGURE, chart._replace(marks=marks, title="<i>"))
    drawn = found.draw_titled()
    assert "&lt;b&gt;x" in drawn.layout.yaxis.ticktext[0]
    assert drawn.layout.title.text == "&lt;i&gt;"


def test_the_best_that_is_another_by_now_is_in_the_note() -> None:
    analysis = replace(study_analysis(plant_factorial(product)), other_best=20)
    chart = gather_factorial(analysis)
    assert chart is not None and "the best now is trial 20" in chart.about
