"""What charts of very many trials say, and that they stay small."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from sweep.figures import style
from sweep.figures.history import draw_history, gather_history
from sweep.figures.parallel import draw_lines, gather_lines
from sweep.figures.pareto import ParetoFront, draw_front, gather_front
from sweep.figures.timeline import draw_timeline, gather_timeline
from sweep.figures.width import draw_width, gather_width
from sweep.store.records import METRICS, STATES
from sweep.store.table import Choices, TrialTable
from tests.support.many_trials import many_trials

MANY = style.MAX_MARKS + 1


def make_finished(n: int, **changes: Any) -> TrialTable:
    """Trials of two objectives that began 10 ms apart and took 100 ms, by turns on 4 workers.

    Every setting is searched: texts about a trial are as long as they can be.
    """
    trials = many_trials(n)
    error, width = trials.value, trials.column("hidden_width")
    started = 1.7e9 + 0.01 * np.arange(n)
    columns = {
        "objectives": ("val_mse", "hidden_width"),
        "states": Choices(np.full(n, STATES.index("COMPLETE"), dtype=np.int16), STATES),
        "values": np.column_stack([error, width]),
        "workers": Choices((np.arange(n) % 4).astype(np.int16), ("w0", "w1", "w2", "w3")),
        "started": started,
        "ended": started + 0.1,
        "metrics": dict.fromkeys(METRICS, error) | {"test_bce": 0.24 + error},
        "searched": tuple(trials.settings),
    }
    return replace(trials, **(columns | changes))


@cache
def table(n: int) -> TrialTable:
    return make_finished(n)


def front_of(trials: TrialTable) -> ParetoFront:
    front = gather_front(trials)
    assert front is not None
    return front


CHARTS: dict[str, Callable[[TrialTable], go.Figure]] = {
    "history": lambda trials: draw_history(gather_history(trials)),
    "width": lambda trials: draw_width(gather_width(trials)),
    "entropy": lambda trials: draw_width(gather_width(trials, metric="test_bce")),
    "parallel": lambda trials: draw_lines(gather_lines(trials)),
    "pareto": lambda trials: draw_front(front_of(trials)),
    "timeline": lambda trials: draw_timeline(gather_timeline(trials)),
}


@pytest.mark.parametrize("n", [style.HOVER_MARKS, 10_000, style.MAX_MARKS, 100_000])
@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_a_chart_stays_below_a_megabyte(draw: Callable[[TrialTable], go.Figure], n: int) -> None:
    drawn = draw(table(n))
    assert drawn.data
    assert len(drawn.to_json()) < 1_000_000


def numbers_in(drawn: go.Figure) -> list[int]:
    traces = [trace for trace in drawn.data if trace.customdata is not None]
    return sorted({int(number) for trace in traces for number in trace.customdata})


@pytest.mark.parametrize("n", [10, style.HOVER_MARKS + 1])
@pytest.mark.parametrize("name", ["history", "width", "entropy", "parallel", "pareto"])
def test_every_mark_of_a_trial_carries_its_number(name: str, n: int) -> None:
    assert numbers_in(CHARTS[name](table(n))) == list(range(n))


def test_every_bar_of_a_timeline_carries_its_number() -> None:
    assert numbers_in(draw_timeline(gather_timeline(table(10)))) == list(range(10))


@pytest.mark.parametrize("name", ["history", "width", "pareto"])
def test_too_many_marks_for_texts_tell_their_number_and_value(name: str) -> None:
    drawn = CHARTS[name](table(style.HOVER_MARKS + 1))
    template = next(trace for trace in drawn.data if trace.customdata is not None).hovertemplate
    assert "Trial %{customdata}" in template
    assert "%{y" in template


def test_a_history_of_too_many_marks_has_groups_by_number() -> None:
    trials = table(MANY)
    history = gather_history(trials)
    assert history.band is not None
    groups = history.band.groups
    assert groups.counts.sum() == MANY
    first = trials.value[: groups.counts[0]]
    assert groups.best[0] == first.min()
    assert groups.median[0] == pytest.approx(np.median(first), rel=0.05)
    assert history.finished.numbers.tolist() == groups.best_numbers.tolist()
    assert history.finished.y.tolist() == groups.best.tolist()
    assert history.about.startswith("20,001 finished trials in 150 groups by number")


def test_a_part_of_a_long_history_has_single_trials_again() -> None:
    history = gather_history(table(MANY), between=(100, 1_099))
    assert (history.band, history.finished.n, history.about) == (None, 1_000, "")


def test_of_too_many_pruned_trials_some_are_drawn() -> None:
    pruned = Choices(np.full(MANY, STATES.index("PRUNED"), dtype=np.int16), STATES)
    history = gather_history(make_finished(MANY, states=pruned))
    assert (history.pruned.n, history.band) == (500, None)
    assert history.about == "Of 20,001 pruned trials, 500 drawn at random."


def test_widths_of_too_many_marks_have_groups_by_width() -> None:
    trials = table(MANY)
    errors = gather_width(trials)
    assert errors.band is not None
    assert errors.band.groups.counts.sum() == MANY
    lowest = int(np.argmin(trials.metrics["test_mse"]))
    assert lowest in errors.marks.numbers
    assert len(errors.activations.codes) == errors.marks.n == len(errors.band.x) <= 40
    assert "groups by width" in errors.about


def test_a_range_of_very_many_widths_has_single_trials_again() -> None:
    trials = table(MANY)
    errors = gather_width(trials, between=(500, 600))
    widths = trials.column("hidden_width")
    assert not isinstance(widths, Choices)
    assert errors.band is None
    assert errors.marks.n == ((widths >= 500) & (widths <= 600)).sum() > 0


def test_too_many_lines_are_the_best_and_some_of_the_others() -> None:
    trials = table(10_000)
    lines = gather_lines(trials)
    assert len(lines.numbers) == 3_000 == len(set(lines.numbers))
    best = np.argsort(trials.value)[:1_000]
    assert set(best) <= set(lines.numbers)
    assert "1,000 best of 10,000 trials, and 2,000 of the others" in lines.about


def test_a_front_of_very_many_trials_is_whole() -> None:
    front, trials = front_of(table(MANY + 10_000)), table(MANY + 10_000)
    assert front.beaten.n == style.MAX_MARKS // 2
    assert int(trials.numbers[np.argmin(trials.value)]) in front.front.numbers
    assert "10,000 drawn at random" in front.about


def test_a_long_timeline_tells_the_share_of_time_that_each_worker_trained() -> None:
    started = table(4_000).started
    quarter = make_finished(4_000, ended=started + 0.01)  # each of four workers begins each 40 ms
    busy = gather_timeline(quarter).busy
    assert busy is not None
    assert busy.workers == ["w0", "w1", "w2", "w3"]
    assert busy.shares.mean() == pytest.approx(0.25, rel=0.01)


def test_trials_at_once_do_not_make_a_worker_busier_than_all_the_time() -> None:
    busy = gather_timeline(table(4_000)).busy
    assert busy is not None
    assert busy.shares.max() == pytest.approx(1.0)
    assert busy.shares[:, 1:-1].min() == pytest.approx(1.0)


def test_a_span_of_a_long_timeline_has_bars_again() -> None:
    timeline = gather_timeline(table(4_000), between=(10.0, 11.0))
    assert timeline.busy is None
    assert 100 <= timeline.bars.numbers.size <= 112
