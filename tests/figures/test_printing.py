"""Figures for paper."""

import pytest

from sweep.figures import style
from sweep.figures.printing import print_scale, style_for_print

WIDTH = 321.0  # 8.5 cm


def chart(*names: str, **layout: object):
    drawn = style.figure("Hidden width", "Test error (MSE)", **layout)
    for name in names:
        drawn.add_scatter(x=[1], y=[2], name=name, marker={"size": 9}, line={"width": 2})
    return drawn


def test_a_figure_for_paper_is_black_on_white_with_fonts_of_eight_points() -> None:
    layout = style_for_print(chart("a"), WIDTH, None).layout
    assert (layout.width, layout.paper_bgcolor, layout.font.color) == (WIDTH, "white", "black")
    assert layout.font.size * 72 / 96 == layout.xaxis.title.font.size * 72 / 96 == 8
    assert layout.yaxis.title.text == "Test error<br>(MSE)"


def test_marks_shrink_with_the_figure_but_stay_visible() -> None:
    (trace,) = style_for_print(chart("a"), WIDTH, None).data
    assert 3 < trace.marker.size < 9 and trace.line.width >= 1


def test_without_a_width_a_figure_keeps_its_title_and_fonts() -> None:
    titled = style.add_title(chart("a"), "Error by width")
    layout = style_for_print(titled, None, None).layout
    assert layout.title.text == "Error by width" and layout.font.size is None


def test_names_above_a_chart_stay_below_its_title_and_at_any_width() -> None:
    def named():
        return chart("a").update_layout(margin={"l": 60, "t": 56})

    titled, plain = (style.add_title(of, "Title").layout for of in (named(), chart("a")))
    assert titled.margin.t == plain.margin.t + 56
    assert titled.title.yanchor == "top"
    margin = style_for_print(named(), WIDTH, None).layout.margin
    assert (margin.l, margin.r, margin.t, margin.b) == (60, 4, 56, 4)


def test_a_longer_legend_makes_a_figure_higher_unless_the_height_is_given() -> None:
    few, many = chart("a", "b"), chart(*(f"a long name {n}" for n in range(9)))
    heights = [style_for_print(of, WIDTH, None).layout.height for of in (few, many)]
    assert heights[0] + 50 < heights[1]
    assert style_for_print(many, WIDTH, 200.0).layout.height == 200


@pytest.mark.parametrize(("kind", "width", "dots"), [("png", WIDTH, 300), ("pdf", WIDTH, 96)])
def test_a_picture_of_dots_has_300_to_an_inch(kind: str, width: float, dots: int) -> None:
    assert print_scale(kind, width) * 96 == dots
