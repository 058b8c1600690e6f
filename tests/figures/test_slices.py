"""What a slice along one setting says, and that it stays small."""

from typing import Any

import numpy as np
import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation, Optimizer
from sweep.figures import style
from sweep.figures.slices import draw_slice, gather_slice
from sweep.store.records import TrialRow
from tests.support.many_trials import many_trials
from tests.support.store_factories import trial_row, trial_table

MEGABYTE = 1_000_000


def row(number: int, error: float, **config: Any) -> TrialRow:
    return trial_row(number=number, values=(error,), config=TrialConfig(**config))


def test_a_slice_has_the_trials_that_count() -> None:
    sliced = gather_slice(
        trial_table(
            row(0, 0.3, learning_rate=0.01),
            row(1, 0.2, learning_rate=0.1),
            trial_row(number=2, values=(0.1,), state="PRUNED"),
            trial_row(number=3, values=(0.1,), invalid=True),
        ),
        "learning_rate",
    )
    assert sliced.marks.numbers.tolist() == [0, 1]
    assert sliced.marks.y.tolist() == [0.3, 0.2]
    assert sliced.best.numbers.tolist() == [1]


def test_a_setting_counts_only_where_it_is_used() -> None:
    sliced = gather_slice(
        trial_table(
            row(0, 0.3, optimizer=Optimizer.SGD, momentum=0.9),
            row(1, 0.2, optimizer=Optimizer.ADAM),
        ),
        "momentum",
    )
    assert sliced.marks.numbers.tolist() == [0]


def test_words_are_strips_with_their_medians() -> None:
    errors = {Activation.RELU: (0.1, 0.2, 0.6), Activation.TANH: (0.5, 0.7)}
    rows = [(error, name) for name, found in errors.items() for error in found]
    sliced = gather_slice(
        trial_table(*(row(n, error, activation=name) for n, (error, name) in enumerate(rows))),
        "activation",
    )
    assert sliced.band.groups.median == pytest.approx([0.2, 0.6])
    assert sliced.band.x.tolist() == [0.0, 1.0]
    assert np.rint(sliced.marks.x).tolist() == [0, 0, 0, 1, 1]
    assert len(set(sliced.marks.x.tolist())) == 5


def test_of_a_metric_where_more_is_better_the_highest_is_the_best() -> None:
    rows = [trial_row(number=n, values=(0.1,), psnr=10.0 + n) for n in range(3)]
    sliced = gather_slice(trial_table(*rows), "activation", "psnr")
    assert sliced.best.numbers.tolist() == [2]
    assert sliced.band.groups.best.tolist() == [12.0]


def test_lines_along_a_numeric_setting_need_enough_trials() -> None:
    assert gather_slice(many_trials(20), "learning_rate").band.x.size == 0
    band = gather_slice(many_trials(400), "learning_rate").band
    assert band.x.size > 3
    assert (band.groups.best <= band.groups.median).all()
    assert (np.diff(band.x) > 0).all()


@pytest.mark.parametrize("setting", ["learning_rate", "activation", "hidden_width"])
@pytest.mark.parametrize("n", [10_000, 100_000])
def test_a_slice_of_many_trials_stays_small(setting: str, n: int) -> None:
    assert len(draw_slice(gather_slice(many_trials(n), setting)).to_json()) < MEGABYTE


def test_too_many_trials_are_drawn_as_groups_until_one_zooms_in() -> None:
    trials = many_trials(30_000)
    whole = gather_slice(trials, "learning_rate")
    part = gather_slice(trials, "learning_rate", between=(1e-3, 1e-2))
    assert (whole.too_many, part.too_many) == (True, False)
    assert "27,000 trials in groups" in whole.about
    assert part.ends == whole.ends
    assert part.marks.x.min() >= 1e-3 and part.marks.x.max() <= 1e-2
    assert draw_slice(part).data[0].customdata.tolist() == part.marks.numbers.tolist()


def test_every_trace_of_marks_links_to_its_trials() -> None:
    drawn = draw_slice(gather_slice(many_trials(style.WEBGL_POINTS), "activation"))
    trial, _, best = drawn.data
    assert trial.customdata[0] == 0 and len(best.customdata) == 1
    assert {trace.type for trace in drawn.data} <= {"scatter", "scattergl"}


def test_the_mark_of_a_value_that_stands_alone_stays_beside_it() -> None:
    alone = trial_table(row(0, 0.1, hidden_width=784))
    (mark, *_) = draw_slice(gather_slice(alone, "hidden_width")).data
    assert mark.x[0] == pytest.approx(784, rel=0.03)
