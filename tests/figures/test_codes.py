"""What the chart of the codes' worth says, without a chart, and that it is drawn."""

from sweep.analysis.probe_summary import ProbedTrial, summarise_probes
from sweep.figures.codes import draw, gather
from tests.support.store_factories import PROBE

NARROW = ProbedTrial.of(4, 8, 0.02, PROBE)
OTHER = ProbedTrial.of(5, 8, 0.03, PROBE)
WIDE = ProbedTrial.of(6, 64, 0.01, {**PROBE, "code": {"linear": 0.5, "neighbours": 0.9}})
FOUND = summarise_probes([NARROW, WIDE], [NARROW, OTHER, WIDE])


def test_the_best_of_each_width_stand_beside_pca_and_pixels() -> None:
    lines = {line.name: line for line in gather(FOUND).lines}
    assert lines["code, linear"].shares == [0.75, 0.5]
    assert lines["code, neighbours"].shares == [0.7, 0.9]
    assert lines["PCA code, linear"].shares == [0.65, 0.65]
    assert lines["pixels, neighbours"].shares == [0.85, 0.85]
    assert lines["code, linear"].numbers == [4, 6]


def test_all_trials_stand_against_their_error() -> None:
    chart = gather(FOUND)
    assert (chart.errors, chart.shares) == ([0.02, 0.03, 0.01], [0.75, 0.75, 0.9])
    assert chart.pixels == 0.85
    assert chart.about.startswith("A narrow code tells the labels as well as the pixels. The code")


def test_a_click_on_a_mark_finds_its_trial() -> None:
    traces = {trace.name: trace for trace in draw(gather(FOUND)).data}
    assert list(traces["all analysed codes"].customdata) == [4, 5, 6]
    assert list(traces["code, linear"].customdata) == [4, 6]


def test_of_a_single_width_every_code_is_a_mark_that_tells_its_classifier() -> None:
    traces = {
        trace.name: trace for trace in draw(gather(summarise_probes([NARROW], [NARROW]))).data
    }
    symbols = {"linear": "circle", "neighbours": "circle-open"}
    for kind in ("code", "PCA code", "pixels"):
        for classifier, symbol in symbols.items():
            trace = traces[f"{kind}, {classifier}"]
            assert (trace.mode, trace.marker.symbol) == ("lines+markers", symbol)
    assert {trace.mode for trace in draw(gather(FOUND)).data} >= {"lines", "lines+markers"}


def test_a_study_without_probes_says_so() -> None:
    drawn = draw(gather(None))
    assert "No network is analysed yet" in str(drawn.layout.annotations[0].text)
