"""What the waterfall says, without a chart, and that it is drawn."""

from dataclasses import replace

import pytest

from sweep.analysis.explanation import ChangeEffect, explain
from sweep.enums import Loss, Output, WeightInit
from sweep.figures.waterfall import FIGURE, draw_waterfall, gather_waterfall
from tests.support.finding_factories import BASELINE, ERRORS, TARGET, make_explanation


def test_bars_go_from_the_baseline_to_the_target() -> None:
    chart = gather_waterfall(make_explanation())
    assert chart.labels == ["Baseline", "epochs 5 → 50", "hidden width 784 → 1024", "Trial 7"]
    assert chart.before == pytest.approx([0.08, 0.08, 0.02, 0.025])
    assert chart.after == pytest.approx([0.08, 0.02, 0.025, 0.025])
    assert chart.factors[1:3] == pytest.approx([4.0, 0.8])


def test_the_words_tell_the_whole_the_first_step_and_the_seeds() -> None:
    assert gather_waterfall(make_explanation()).about == (
        "Trial 7 has 3.20 times less validation error (3.20 to 3.20) than the "
        "baseline, both trained again with 2 seeds; ranges are 90 % intervals over them. What "
        "helps most alone is epochs 5 → 50: 4.00 times less error (4.00 to 4.00), 119 % of the "
        "whole on a logarithmic scale. 2 of 2 seeds give this whole order. The effect of a "
        "step depends on the steps before it; `sweep explain x --factorial --to 7 --seeds 2` gives "
        "effects that depend on no order."
    )


def test_a_step_that_undoes_harm_is_one_bar_with_it_and_the_words_say_so() -> None:
    target = replace(BASELINE, loss=Loss.MSE, output_activation=Output.LINEAR)
    errors = {
        BASELINE: (0.02, 0.02),
        replace(BASELINE, loss=Loss.MSE): (0.04, 0.04),
        target: (0.005, 0.005),
    }
    merged = replace(make_explanation(), found=explain(BASELINE, target, errors))
    chart = gather_waterfall(merged)
    assert chart.labels[1:-1] == ["loss bce → mse, output activation sigmoid → linear"]
    assert chart.factors[1:-1] == pytest.approx([4.0])
    assert (
        "Without the last change of its step, loss bce → mse would make 2.00 times more error "
        "(2.00 to 2.00)."
    ) in chart.about


def test_another_trial_that_is_the_best_by_now_is_named_with_what_explains_it() -> None:
    late = replace(make_explanation(), other_best=9)
    said = (
        "This explains trial 7; the best now is trial 9, which "
        "`sweep explain x --path --to 9 --run` explains. What helps most alone is"
    )
    assert said in gather_waterfall(late).about
    assert "trial 9" not in gather_waterfall(late, reverse=True).about


def test_a_whole_that_may_be_chance_is_told_of_as_such() -> None:
    clear = make_explanation()
    found = replace(clear.found, whole=ChangeEffect(1.07, 0.95, 1.2))
    about = gather_waterfall(replace(clear, found=found)).about
    assert "The difference is not significant. What helps most alone" in about
    assert "of the whole" not in about


def test_the_way_back_undoes_what_was_changed() -> None:
    chart = gather_waterfall(make_explanation(), reverse=True)
    assert chart.labels == ["Trial 7", "epochs 50 → 5", "hidden width 1024 → 784", "Baseline"]
    assert chart.factors[1:3] == pytest.approx([0.25, 1.25])
    assert (
        "What hurts most when undone alone is epochs 50 → 5: 4.00 times more error" in chart.about
    )


@pytest.mark.parametrize(
    ("baseline", "epochs", "width", "target", "effect"),
    [
        (0.08, 0.04, 0.09, 0.01, "4.00"),
        (0.02, 0.016, 0.03, 0.08, "5.00 times more"),  # the target is worse than the baseline
    ],
)
def test_a_later_step_that_does_more_is_named(
    baseline: float, epochs: float, width: float, target: float, effect: str
) -> None:
    errors = {
        BASELINE: (baseline, baseline),
        replace(BASELINE, epochs=50): (epochs, epochs),
        replace(BASELINE, hidden_width=1024): (width, width),
        TARGET: (target, target),
    }
    chart = gather_waterfall(replace(make_explanation(), found=explain(BASELINE, TARGET, errors)))
    said = f"The largest step, after those before it, is hidden width 784 → 1024: {effect}"
    assert said in chart.about


def test_a_change_that_chance_could_have_made_is_named() -> None:
    unclear = {**ERRORS, TARGET: (0.015, 0.03)}
    ends = make_explanation()
    chart = gather_waterfall(replace(ends, found=explain(BASELINE, TARGET, unclear)))
    assert "Not significant: hidden width 784 → 1024." in chart.about


@pytest.mark.parametrize(
    ("target", "forward", "back"),
    [
        (
            (0.025, 0.025),
            "epochs 5 → 50 lowers the error most: ÷ 4.00",
            "epochs 50 → 5 raises the error most: × 4.00",
        ),
        (
            (0.01, 0.011),
            "epochs 5 → 50 lowers the error most: ÷ 4.00",
            "epochs 50 → 5 raises the error most: × 9.53",
        ),
        (
            (0.001, 10.0),
            "epochs 5 → 50 lowers the error most: ÷ 4.00",
            "Undone again, change by change: no change raises the error significantly",
        ),
    ],
)
def test_the_heading_names_the_significant_change_with_the_largest_effect(
    target: tuple[float, float], forward: str, back: str
) -> None:
    found = explain(BASELINE, TARGET, {**ERRORS, TARGET: target})
    explained = replace(make_explanation(), found=found)
    assert FIGURE.finding(gather_waterfall(explained)) == forward
    assert FIGURE.finding(gather_waterfall(explained, reverse=True)) == back


def test_a_path_whose_changes_may_all_be_chance_is_said_to_be_in_the_heading() -> None:
    """Each seed's effect differs: the intervals contain no effect."""
    errors = {
        BASELINE: (0.08, 0.08),
        replace(BASELINE, epochs=50): (0.02, 0.2),
        replace(BASELINE, hidden_width=1024): (0.03, 0.19),
        TARGET: (0.01, 0.3),
    }
    chart = gather_waterfall(replace(make_explanation(), found=explain(BASELINE, TARGET, errors)))
    assert FIGURE.finding(chart) == (
        "Where the error goes, change by change: no change lowers the error significantly"
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_with_one_seed_the_heading_names_no_change(reverse: bool) -> None:
    chart = gather_waterfall(make_explanation(n_seeds=1), reverse=reverse)
    assert FIGURE.finding(chart) == ""


def test_with_one_seed_there_are_no_intervals() -> None:
    chart = gather_waterfall(make_explanation(n_seeds=1))
    assert set(chart.low) == {None}
    assert "With one seed there are no intervals" in chart.about


def test_a_path_that_is_not_whole_says_what_trains_the_rest() -> None:
    chart = gather_waterfall(make_explanation(3))
    assert chart.labels == ["Baseline", "epochs 5 → 50"]
    again = "`sweep explain x --path --to 7 --seeds 2 --run`"
    assert chart.about.endswith(f"Not complete yet: {again} trains the rest.")
    nothing = gather_waterfall(make_explanation(1))
    assert nothing.labels == []
    assert "Not complete yet" in draw_waterfall(nothing).layout.annotations[0].text.replace(
        "<br>", " "
    )


def test_words_beside_and_below_the_bars_fit_a_phone() -> None:
    target = replace(BASELINE, weight_init=WeightInit.GLOROT_NORMAL, epochs=50)
    errors = {
        BASELINE: (0.08,),
        replace(BASELINE, epochs=50): (0.02,),
        replace(BASELINE, weight_init=WeightInit.GLOROT_NORMAL): (0.07,),
        target: (0.01,),
    }
    found = replace(make_explanation(), found=explain(BASELINE, target, errors), n_seeds=1)
    layout = draw_waterfall(gather_waterfall(found)).layout
    assert layout.yaxis.ticktext[1:3] == (
        "epochs 5\N{NO-BREAK SPACE}→\N{NO-BREAK SPACE}50<br><b>÷ 4.00</b>",
        "weight init<br>glorot_uniform →<br>glorot_normal<br><b>÷ 2.00</b>",
    )
    assert max(len(line) for line in layout.xaxis.title.text.split("<br>")) <= 16


@pytest.mark.parametrize("reverse", [False, True])
def test_a_bar_reaches_from_error_to_error_and_less_error_is_blue(reverse: bool) -> None:
    chart = gather_waterfall(make_explanation(), reverse=reverse)
    drawn = draw_waterfall(chart)
    bars = next(trace for trace in drawn.data if trace.type == "bar")
    assert [base + x for base, x in zip(bars.base, bars.x, strict=True)] == pytest.approx(
        chart.after
    )
    colours = bars.marker.color[1:3]
    assert colours == (("#D55E00", "#0072B2") if reverse else ("#0072B2", "#D55E00"))
    assert "<b>÷ 4.00</b>" in str(drawn.layout.yaxis.ticktext) or reverse


@pytest.mark.parametrize("factor", [11, 14, 60, 2_000])
def test_an_axis_of_more_than_a_decade_has_two_ticks_at_least(factor: float) -> None:
    """Powers of ten alone left 0.1 as the only tick of 0.011 to 0.15."""
    chart = gather_waterfall(make_explanation())
    chart = chart._replace(after=[*chart.after[:-1], 0.15 / factor], before=[0.15] * 4)
    axis = draw_waterfall(chart).layout.xaxis
    low, high = (10.0**end for end in axis.range)
    assert 2 <= sum(low <= tick <= high for tick in axis.tickvals) <= 6
