"""The figure of the front."""

from sweep.figures import style
from sweep.figures.front import chosen_epochs, draw_front, gather_front
from tests.support.spectrum_factories import BANDS, by_the_law
from tests.support.store_factories import trial_row


def test_a_trial_alone_has_a_line_for_epochs_apart_from_one_another() -> None:
    chart = gather_front([trial_row(number=4)], BANDS, {4: by_the_law(0.3, range(1, 41))})
    assert chart is not None
    epochs = [line.epoch for line in chart.lines]
    assert (epochs[0], epochs[-1]) == (1, 40)
    assert epochs == sorted({*epochs})
    assert len(epochs) <= 8
    assert chart.lines[0].spans[0] == (1, 1)
    assert chart.about.startswith("After 40 epochs half of the variance along")
    drawn = draw_front(chart)
    assert (drawn.layout.xaxis.type, drawn.layout.yaxis.type) == ("log", "log")
    assert drawn.layout.xaxis.dtick == 1, "ticks at powers of ten, none written as a lone 2 or 5"
    assert [trace.name for trace in drawn.data] == [f"epoch {epoch}" for epoch in epochs]


def test_few_epochs_are_all_shown() -> None:
    points = by_the_law(0.3, range(1, 6))
    assert chosen_epochs(points) == points


def test_several_trials_have_a_line_each_after_their_last_epochs() -> None:
    rows = [trial_row(number=n) for n in (3, 1, 2)]
    spectra = {3: by_the_law(0.3, [1, 2]), 1: by_the_law(0.1, [1]), 2: []}
    chart = gather_front(rows, BANDS, spectra, baseline=1)
    assert chart is not None
    assert [(line.trial, line.epoch) for line in chart.lines] == [(3, 2), (1, 1)]
    assert chart.lines[1].label == "trial 1: the baseline"
    # The law is three times as fast, so less is missing after half of the epochs.
    assert chart.lines[1].missing[5] < chart.lines[0].missing[5]
    # As the learning curves beside it have them.
    drawn = draw_front(chart)
    assert [trace.line.color for trace in drawn.data] == [style.BLUE, style.VERMILLION]


def test_without_spectra_there_is_no_figure() -> None:
    assert gather_front([trial_row(number=1)], BANDS, {}) is None
    assert gather_front([trial_row(number=1)], None, {1: by_the_law(0.3, [1])}) is None
