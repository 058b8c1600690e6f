"""Which curves are chosen, and what they say."""

from collections.abc import Sequence

import numpy as np

from sweep.figures.intermediate import choose_curves, draw_intermediate, gather_intermediate
from sweep.store.records import CurvePoint
from sweep.store.table import TrialTable
from tests.support.many_trials import many_trials
from tests.support.store_factories import trial_row, trial_table


def points(errors: Sequence[float | None]) -> list[CurvePoint]:
    return [
        CurvePoint(epoch=epoch, train_loss=None, val_mse=error, val_bce=None, seconds=None)
        for epoch, error in enumerate(errors, start=1)
    ]


def seven_trials() -> TrialTable:
    """Six finished ones, the higher the number the better; the last is pruned."""
    rows = [trial_row(number=n, values=(0.7 - n / 10,)) for n in range(6)]
    return trial_table(*rows, trial_row(number=6, values=(0.01,), state="PRUNED"))


def test_the_best_twenty_are_chosen_and_the_rest_evenly() -> None:
    trials = many_trials(10_000)
    chosen = choose_curves(trials)
    assert len(chosen) == len(set(chosen)) == 200
    finished = trials.where(trials.counting)
    assert set(finished.numbers[np.argsort(finished.value)[:20]].tolist()) <= set(chosen)
    counts, _ = np.histogram(chosen, bins=5, range=(0, 10_000))
    assert counts.min() >= 30


def test_a_growing_study_keeps_most_of_its_choice() -> None:
    trials = many_trials(10_000)
    before = choose_curves(trials.where(trials.numbers < 9_900))
    assert len(set(before) & set(choose_curves(trials))) >= 190


def test_waiting_and_invalid_trials_have_no_curve_to_read() -> None:
    rows = [
        trial_row(number=0, values=(0.1,)),
        trial_row(number=1, state="RUNNING", outcome=None),
        trial_row(number=2, state="WAITING", outcome=None),
        trial_row(number=3, values=(0.2,), invalid=True),
    ]
    assert choose_curves(trial_table(*rows)) == [0, 1]
    assert choose_curves(trial_table()) == []


def test_the_best_five_are_named_and_pruned_ones_are_marked() -> None:
    curves = {n: points([0.9, 0.5]) for n in range(7)}
    shown = gather_intermediate(curves, seven_trials())
    assert [line.number for line in shown.named] == [5, 4, 3, 2, 1]
    assert [(line.number, line.pruned) for line in shown.others] == [(0, False), (6, True)]


def test_epochs_without_a_finite_error_are_left_out() -> None:
    shown = gather_intermediate({0: points([0.9, None, 0.5]), 1: points([None])}, seven_trials())
    assert [(line.epochs, line.val_mse) for line in shown.lines] == [([1, 3], [0.9, 0.5])]


def test_the_others_are_one_trace_with_gaps_that_knows_its_trials() -> None:
    curves = {n: points([0.9, 0.5]) for n in range(7)}
    others, pruned, *named = draw_intermediate(gather_intermediate(curves, seven_trials())).data
    np.testing.assert_array_equal(others.x, [1, 2, np.nan, 1, 2, np.nan])
    assert others.customdata.tolist() == [0, 0, 0, 6, 6, 6]
    assert (list(pruned.x), list(pruned.customdata)) == ([2], [6])
    assert named[-1].name == "trial 5"


def test_the_chart_says_how_many_of_how_many_are_shown() -> None:
    curves = {n: points([0.9, 0.5]) for n in range(7)}
    assert describe(curves, many_trials(10_000)) == (
        "7 of 10,000 trials: the best, and an even sample of the rest"
    )
    assert describe(curves, seven_trials()) == "All 7 trials"
    early = trial_row(number=7, state="RUNNING", outcome=None)
    invalid = trial_row(number=8, values=(0.1,), invalid=True)
    of_nine = trial_table(*(trial_row(number=n) for n in range(7)), early, invalid)
    assert describe(curves, of_nine) == "7 of 8 trials: those that finished an epoch"


def describe(curves: dict[int, list[CurvePoint]], table: TrialTable) -> str:
    return gather_intermediate(curves, table).about
