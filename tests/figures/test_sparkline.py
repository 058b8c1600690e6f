"""That pictures are well-formed, small, and tell those who cannot see them what they show."""

import re
from xml.etree import ElementTree

import pytest

from sweep.catalogue.columns import column_named
from sweep.figures import style
from sweep.figures.history import gather_history
from sweep.figures.sparkline import MAX_MARKS, poster_svg, sparkline_svg
from sweep.store.table import TrialTable
from tests.support.many_trials import many_trials
from tests.support.store_factories import trial_row, trial_table

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str, tag: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(SVG + tag)]


def test_a_sparkline_goes_down_in_steps_to_the_last_trial() -> None:
    svg = sparkline_svg([(0, 0.1), (50, 0.001)], last=100, width=106, height=27)
    line, tip = (path.get("d") for path in ElementTree.fromstring(svg).iter(SVG + "path"))
    assert line == "M2.0 3.0H52.0V23.0H102.0"
    assert tip == "M102.0 23.0h0"


def test_a_sparkline_says_what_it_shows() -> None:
    svg = sparkline_svg([(0, 0.1), (50, 0.001)], last=100)
    assert texts(svg, "title") == ["Best so far"]
    assert texts(svg, "desc") == ["Fell from 0.100 to 0.00100 by trial 50, of trials up to 100."]


@pytest.mark.parametrize("steps", [[], [(0, float("inf"))], [(3, 0.0)]])
def test_a_sparkline_of_nothing_says_so(steps: list[tuple[int, float]]) -> None:
    assert texts(sparkline_svg(steps, last=0), "desc") == ["No trial has finished yet."]


def test_a_sparkline_of_one_trial_is_level() -> None:
    assert "NaN" not in sparkline_svg([(0, 0.1)], last=0).replace("nan", "NaN")
    assert sparkline_svg([(0, 0.1)], last=9, height=27).count("V") == 0


@pytest.mark.parametrize("n", [0, 1, 2, 300, 10_000, 100_000])
def test_a_poster_is_well_formed_and_small(n: int) -> None:
    svg = poster_svg(gather_history(many_trials(n)))
    assert ElementTree.fromstring(svg).tag == SVG + "svg"
    assert len(svg) < 60_000
    assert "nan" not in svg and "inf" not in svg


def test_a_poster_has_the_axes_and_the_colours_of_the_chart() -> None:
    svg = poster_svg(gather_history(many_trials(300)))
    written = texts(svg, "text")
    assert (
        column_named("number").axis_title in written
        and column_named("val_mse").axis_title in written
    )
    assert {"0", "100", "0.01", "best so far"} <= set(written)
    assert {style.SKY, style.BLUE, style.FAINT} <= set(re.findall(r'stroke="([^"]+)"', svg))


def marks(table: TrialTable) -> int:
    """Finished and pruned marks of the poster."""
    svg = poster_svg(gather_history(table))
    return svg.count("h0M") + svg.count("l-6 6M")


def test_a_poster_thins_its_marks() -> None:
    assert marks(many_trials(200)) == 200 - 2  # each path's first mark follows no other
    assert 0.9 * MAX_MARKS < marks(many_trials(10_000)) <= MAX_MARKS


def test_a_poster_marks_the_questions_trial() -> None:
    with_question = poster_svg(gather_history(trial_table(trial_row(number=0, values=(0.1,)))))
    assert "baseline" in texts(with_question, "text")
    assert f'fill="{style.VERMILLION}"' in with_question


def test_a_poster_escapes_what_it_writes() -> None:
    history = gather_history(many_trials(5))._replace(objective="A<b&c")
    assert "A<b&c" in texts(poster_svg(history), "text")
