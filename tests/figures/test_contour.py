"""What the cells of two settings say."""

import numpy as np
import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss
from sweep.figures.axes import MAX_WORDS
from sweep.figures.contour import MAX_CELLS, draw_contour, gather_contour
from sweep.store.table import TrialTable
from tests.support.many_trials import many_trials
from tests.support.store_factories import trial_row, trial_table

RELU, TANH = Activation.RELU, Activation.TANH


def four_trials() -> TrialTable:
    """Two of relu with bce, one of tanh with bce, one of relu with mse."""
    found = [
        (RELU, Loss.BCE, 0.3),
        (RELU, Loss.BCE, 0.1),
        (TANH, Loss.BCE, 0.2),
        (RELU, Loss.MSE, 0.4),
    ]
    return trial_table(
        *(
            trial_row(
                number=n, values=(error,), config=TrialConfig(activation=activation, loss=loss)
            )
            for n, (activation, loss, error) in enumerate(found)
        )
    )


def test_a_cell_has_its_best_trial_and_an_empty_one_stays_empty() -> None:
    contour = gather_contour(four_trials(), "activation", "loss")
    assert (contour.columns.texts, contour.rows.texts) == (["relu", "tanh"], ["bce", "mse"])
    np.testing.assert_array_equal(contour.values, [[0.1, 0.2], [0.4, np.nan]])
    assert contour.groups.best_numbers.tolist() == [1, 2, 3, -1]
    assert contour.groups.counts.tolist() == [2, 1, 1, 0]


def test_the_median_of_a_cell_lies_between_its_trials() -> None:
    contour = gather_contour(four_trials(), "activation", "loss", statistic="median")
    assert contour.values[0, 0] == pytest.approx(0.2)


def test_the_star_stands_on_the_best_trial() -> None:
    contour = gather_contour(four_trials(), "loss", "activation")
    assert (contour.best.numbers.tolist(), contour.best.x.tolist(), contour.best.y.tolist()) == (
        [1],
        [0.0],
        [0.0],
    )
    _, star = draw_contour(contour).data
    assert star.customdata.tolist() == [1]


def test_the_best_of_a_metric_where_more_is_better_is_the_highest() -> None:
    rows = [trial_row(number=n, values=(0.1,), psnr=10.0 + n) for n in range(3)]
    contour = gather_contour(trial_table(*rows), "activation", "loss", "psnr")
    assert (contour.best.numbers.tolist(), contour.values.tolist()) == ([2], [[12.0]])


def test_a_cell_says_what_lies_in_it() -> None:
    heatmap, _ = draw_contour(gather_contour(four_trials(), "activation", "loss")).data
    assert heatmap.text[0][0] == (
        "activation relu<br>loss bce<br>2 trials<br>best validation error 0.100 (trial 1)"
        "<br>median 0.200"
    )
    assert heatmap.text[1][1] == ""
    assert heatmap.customdata[0].tolist() == [1, 2]


def test_trials_of_more_words_than_there_are_cells_are_told() -> None:
    rows = [trial_row(number=n, values=(0.1,), worker=f"w{n:02}") for n in range(MAX_WORDS + 2)]
    contour = gather_contour(trial_table(*rows), "worker", "loss")
    assert (contour.columns.n, contour.n_trials) == (MAX_WORDS, MAX_WORDS)
    assert contour.about == f"2 trials are not shown: there are more than {MAX_WORDS} words."
    assert gather_contour(four_trials(), "activation", "loss").about == ""


@pytest.mark.parametrize("n", [10_000, 100_000])
def test_cells_are_at_most_so_many_and_hold_every_finished_trial(n: int) -> None:
    contour = gather_contour(many_trials(n), "hidden_width", "learning_rate")
    assert 1 < contour.columns.n <= MAX_CELLS and 1 < contour.rows.n <= MAX_CELLS
    assert contour.n_trials == n * 9 // 10
    assert len(draw_contour(contour).to_json()) < 1_000_000


def test_one_trial_can_be_drawn() -> None:
    one = trial_table(trial_row(number=7, values=(0.1,)))
    assert draw_contour(gather_contour(one, "learning_rate", "hidden_width")).data[0].z.tolist()
