"""What the chart of the law of the width says, without a chart, and that it is drawn."""

import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.figures.width_law import draw_width_law, gather_width_law
from sweep.findings.width import what_would_tell
from sweep.store.records import ChoiceDomain, Domain, NumberDomain
from sweep.store.table import TrialTable
from tests.support.finding_factories import halving_floors
from tests.support.store_factories import trial_row, trial_table

WIDTHS = (2, 4, 8, 16, 32, 64)
CHOICES = (Activation.RELU, Activation.TANH)


def study() -> TrialTable:
    """Two activations at six widths; relu follows a law exactly, tanh does twice as badly."""
    rows = [
        trial_row(
            number=2 * place + worse,
            values=((0.01 + 0.2 / width) * (1 + worse),),
            config=TrialConfig(hidden_width=width, activation=choice),
        )
        for place, width in enumerate(WIDTHS)
        for worse, choice in enumerate(CHOICES)
    ]
    return trial_table(*rows)


def test_the_law_goes_through_the_best_and_the_words_tell_it() -> None:
    chart = gather_width_law(study(), halving_floors())
    assert chart.errors.widths.tolist() == list(WIDTHS)
    assert chart.errors.median.tolist() == pytest.approx([1.5 * (0.01 + 0.2 / w) for w in WIDTHS])
    assert (chart.law_widths[0], chart.law_widths[-1]) == pytest.approx((2, 128))
    assert chart.law_errors[0] == pytest.approx(0.11, rel=0.01)
    assert "still falling with the width: twice 64 units would lower the error by 12 %" in (
        chart.about
    )
    assert "Error = 0.0100" in chart.about or "Error = 0.00999" in chart.about
    assert "From a knee at 20.0 (" in chart.about


def test_an_open_verdict_is_said_with_a_perhaps() -> None:
    errors = [0.5, 0.2, 0.21, 0.09, 0.12, 0.08]
    rows = [
        trial_row(number=n, values=(error,), config=TrialConfig(hidden_width=width))
        for n, (width, error) in enumerate(zip(WIDTHS, errors, strict=True))
    ]
    assert "has perhaps stopped falling" in gather_width_law(trial_table(*rows)).about


def test_choices_stand_apart_where_several_were_tried() -> None:
    assert gather_width_law(study()).splits == ["activation"]
    chart = gather_width_law(study(), split="activation")
    assert chart.apart["tanh"].best[0] == pytest.approx(0.22)
    assert gather_width_law(study(), split="loss").apart == {}
    assert chart.floor_widths == []


def test_each_choice_has_a_line_and_its_median_and_only_one_name() -> None:
    drawn = draw_width_law(gather_width_law(study(), split="activation"))
    named = [trace.name for trace in drawn.data if trace.showlegend is not False]
    assert named == ["relu", "tanh", "law"]
    assert [trace.line.dash for trace in drawn.data if trace.legendgroup == "tanh"] == [None, "dot"]
    assert gather_width_law(study(), split="activation").title == "Width law by activation"


def test_two_widths_make_no_law_but_a_chart() -> None:
    chart = gather_width_law(study().where(study().numbers < 4))
    assert chart.about == (
        "The tried widths do not show what wider layers would do: 2 widths from 2 to 4, but a law "
        "needs 5 or more, the widest 8 times the narrowest."
    )
    assert chart.law_widths == [] and len(draw_width_law(chart).data) > 2


def range_to(high: float, step: float | None) -> NumberDomain:
    return NumberDomain(low=2, high=high, log=False, step=step, integer=True)


@pytest.mark.parametrize(
    ("domain", "told"),
    [
        (None, "A study of more widths would show it: `sweep start"),
        (ChoiceDomain(choices=(2, 4)), "A study of more widths would show it: `sweep start"),
        (range_to(13, step=None), "A wider range would show it: `sweep resume x --trials N --set "),
        (range_to(13, step=3), "space.hidden_width.high=17"),
        (range_to(64, step=None), "More trials would show it: `sweep resume x --trials N"),
    ],
)
def test_what_a_law_lacks_can_be_pasted(domain: Domain | None, told: str) -> None:
    chart = gather_width_law(study().where(study().numbers < 4))  # widths 2 and 4
    assert told in what_would_tell("x", chart.found, chart.errors, domain)


def scatter_errors() -> TrialTable:
    """The best errors fall and rise by a factor of ten from width to width."""
    rows = [
        trial_row(
            number=place,
            values=(0.2 / width * (10 if place % 2 else 1),),
            config=TrialConfig(hidden_width=width),
        )
        for place, width in enumerate(WIDTHS)
    ]
    return trial_table(*rows)


def test_no_law_is_drawn_through_errors_that_follow_none() -> None:
    chart = gather_width_law(scatter_errors(), halving_floors())
    drawn = draw_width_law(chart)
    assert {"best", "median"} <= {trace.name for trace in drawn.data}
    assert "law" not in {trace.name for trace in drawn.data} and not drawn.layout.shapes
    assert chart.about.startswith("The error follows no law in the width: the best errors of 6")
    assert "knee" not in chart.about and "Error =" not in chart.about


def test_the_study_that_would_give_a_law_varies_the_width_alone() -> None:
    chart = gather_width_law(scatter_errors())
    told = what_would_tell("x", chart.found, chart.errors, range_to(64, step=None))
    assert "all other settings as in trial 4, whose test error is lowest: `[space]" in told
    assert "hidden_width = [2, 4, 8, 16, 32, 64]" in told


def test_nothing_is_lacking_where_there_is_a_law() -> None:
    whole = gather_width_law(study())
    assert what_would_tell("x", whole.found, whole.errors, None) == ""


def test_the_chart_has_the_law_and_the_floor() -> None:
    chart = gather_width_law(study(), halving_floors())
    drawn = draw_width_law(chart)
    assert {"best", "median", "law", "PCA floor"} <= {trace.name for trace in drawn.data}
    # Far below all errors, PCA's line leaves the chart at its lower edge.
    lowest = 10 ** drawn.layout.yaxis.range[0]
    assert 0 < chart.floor_errors[-1] < lowest < chart.errors.best.min()
