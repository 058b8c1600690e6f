"""What the distribution of errors says."""

import numpy as np
import pytest

from sweep.figures.edf import MAX_STEPS, draw_edf, gather_edf
from tests.support.many_trials import many_trials
from tests.support.store_factories import trial_row, trial_table


def test_a_curve_has_the_share_of_finished_trials_at_each_error() -> None:
    rows = [trial_row(number=n, values=(error,)) for n, error in enumerate((0.4, 0.1, 0.2, 0.2))]
    pruned = trial_row(number=4, values=(0.01,), state="PRUNED")
    (curve,) = gather_edf({"mine": trial_table(*rows, pruned)}).curves
    assert (curve.label, curve.n_trials) == ("mine", 4)
    assert curve.values.tolist() == [0.1, 0.2, 0.2, 0.4]
    assert curve.shares.tolist() == [0.25, 0.5, 0.75, 1.0]


def test_a_thinned_curve_is_exact_at_its_steps() -> None:
    trials = many_trials(5000)
    (curve,) = gather_edf({"many": trials}).curves
    assert len(curve.values) == MAX_STEPS
    errors = np.sort(trials.value[trials.counting])
    reached = np.searchsorted(errors, curve.values, side="right") / len(errors)
    assert curve.shares == pytest.approx(reached)
    assert (curve.values[0], curve.shares[-1]) == (errors[0], 1.0)


def test_studies_without_finished_trials_have_no_curve() -> None:
    edf = gather_edf({"new": trial_table(), "old": trial_table(trial_row(number=0, values=(0.1,)))})
    assert [curve.label for curve in edf.curves] == ["old"]
    assert draw_edf(edf).layout.xaxis.type == "log"


def test_steps_rise_from_the_ground_and_tell_how_many_trials_they_are() -> None:
    trials = many_trials(100_000)
    drawn = draw_edf(gather_edf({"a": trials, "b": trials}))
    assert [trace.name for trace in drawn.data] == ["a (90,000)", "b (90,000)"]
    assert drawn.data[0].y[0] == 0.0 and drawn.data[0].line.shape == "hv"
    assert drawn.data[0].line.color != drawn.data[1].line.color
    assert len(drawn.to_json()) < 1_000_000


def test_the_ninth_study_is_told_from_the_first_by_its_dashes() -> None:
    trials = many_trials(10)
    lines = [trace.line for trace in draw_edf(gather_edf(dict.fromkeys("abcdefghi", trials))).data]
    assert len({(line.color, line.dash) for line in lines}) == 9
