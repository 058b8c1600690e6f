"""That a column becomes an axis that people can read, and cells that keep every trial."""

from typing import Any

import numpy as np
import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.figures import axes
from sweep.store.table import TrialTable
from tests.support.store_factories import trial_row, trial_table


def table(**columns: list[Any]) -> TrialTable:
    """Trials whose settings are these, one list a setting."""
    rows = zip(*columns.values(), strict=True)
    return trial_table(
        *(
            trial_row(
                number=n,
                values=(0.1 + n,),
                config=TrialConfig(**dict(zip(columns, row, strict=True))),
            )
            for n, row in enumerate(rows)
        )
    )


def test_learning_rates_stand_on_a_logarithmic_axis_and_words_in_the_products_order() -> None:
    trials = table(learning_rate=[0.1, 0.001], activation=[Activation.TANH, Activation.RELU])
    rate, activation = (axes.axis_of(trials, name) for name in ("learning_rate", "activation"))
    assert (rate.kind, rate.title, rate.plain) == ("log", "Learning rate", "learning rate")
    assert (activation.kind, activation.names) == ("words", ("relu", "tanh"))
    assert activation.values.tolist() == [1.0, 0.0]
    assert activation.layout()["ticktext"] == ["relu", "tanh"]


def test_a_column_with_a_zero_is_linear_and_its_few_values_are_the_ticks() -> None:
    decay = axes.axis_of(table(weight_decay=[0.0, 0.01, 0.01]), "weight_decay")
    assert (decay.kind, decay.layout()["tickvals"]) == ("linear", [0.0, 0.01])


def test_widths_have_ticks_at_powers_of_two() -> None:
    width = axes.axis_of(table(hidden_width=[8, 64]), "hidden_width")
    assert (width.title, width.layout()["ticktext"]) == (
        "Hidden width (units)",
        ["8", "16", "32", "64"],
    )


def test_the_value_is_called_by_its_objective_and_times_count_from_the_first() -> None:
    trials = table(epochs=[1, 2, 3])
    assert axes.axis_of(trials, "value").title == "Validation error (MSE per pixel)"
    started = axes.axis_of(trials, "started")
    assert started.values == pytest.approx([0, 1 / 60, 2 / 60], abs=1e-6)


def test_a_column_without_any_number_is_an_axis_without_cells() -> None:
    bce = axes.axis_of(table(epochs=[1, 2]), "test_bce")
    assert (bce.kind, bce.layout()) == ("linear", {})
    cells = axes.cells_of(bce, 6)
    assert (cells.n, cells.places.tolist()) == (0, [-1, -1])


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError):
        axes.axis_of(table(epochs=[1]), "colour")


def test_a_setting_is_known_before_the_first_trial() -> None:
    nothing = trial_table()
    assert axes.axis_of(nothing, "epochs").title == "Epochs"
    assert len(axes.select_using(nothing, "epochs", "loss")) == 0


def test_cells_of_a_logarithmic_axis_are_equal_factors() -> None:
    cells = axes.cells_of(axes.number_axis("learning_rate", np.logspace(-4, 0, 41)), 4)
    assert cells.edges == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert cells.middles == pytest.approx([10**-3.5, 10**-2.5, 10**-1.5, 10**-0.5])
    assert cells.places[[0, 5, 40]].tolist() == [0, 0, 3]
    assert cells.texts[1] == "0.00100 to 0.0100"


def test_no_cell_lies_between_two_integers() -> None:
    widths = np.arange(8.0, 1025.0)
    cells = axes.cells_of(axes.number_axis("hidden_width", widths), 40)
    assert set(cells.places.tolist()) == set(range(cells.n))
    assert cells.texts[:2] == ["8", "9"] and cells.texts[-1].endswith("to 1,024")
    assert (np.diff(cells.places) >= 0).all()


def test_few_values_have_a_cell_each() -> None:
    cells = axes.cells_of(axes.number_axis("epochs", np.array([20.0, 3, 5, 3, np.nan])), 40)
    assert (cells.single, cells.texts, cells.places.tolist()) == (
        True,
        ["3", "5", "20"],
        [2, 0, 1, 0, -1],
    )


def test_a_trial_is_always_in_the_same_place_and_neighbours_fill_the_interval() -> None:
    shares = axes.even(np.arange(5000, 5100))
    assert shares.tolist() == axes.even(np.arange(5000, 5200))[:100].tolist()
    counts, _ = np.histogram(shares, bins=10, range=(0, 1))
    assert counts.min() >= 9


def test_errors_that_differ_little_have_a_linear_axis() -> None:
    assert axes.error_axis([0.25, 0.27])["type"] == "linear"
    assert axes.error_axis([0.01, 0.27])["type"] == "log"
    low, high = axes.error_axis([0.25])["range"]
    assert low < 0.25 < high
