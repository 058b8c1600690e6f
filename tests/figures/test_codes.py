"""What the chart of the codes' worth says, without a chart, and that it is drawn."""

from dataclasses import replace

import pytest

from sweep.analysis.probe_summary import summarise_probes
from sweep.figures import style
from sweep.figures.codes import draw, gather
from tests.support.store_factories import PROBE, features, make_probed

NARROW = make_probed(4, 8, 0.02)
OTHER = make_probed(5, 8, 0.03)
WIDE = make_probed(6, 64, 0.01, {**PROBE, "code": features(0.5, 0.9, 0.95)})
FOUND = summarise_probes([NARROW, WIDE], [NARROW, OTHER, WIDE])


def test_the_best_of_each_width_stand_beside_pca_random_projections_and_pixels() -> None:
    lines = {line.name: [of.share for of in line.accuracies] for line in gather(FOUND).lines}
    assert lines == {
        "code, two-layer network": [0.8, 0.95],
        "PCA, two-layer network": [0.7, 0.7],
        "random projections, two-layer network": [0.6, 0.6],
        "pixels, two-layer network": [0.9, 0.9],
        "code, nearest images": [0.7, 0.9],
        "PCA, nearest images": [0.6, 0.6],
        "random projections, nearest images": [0.55, 0.55],
        "pixels, nearest images": [0.85, 0.85],
    }
    assert {tuple(line.numbers) for line in gather(FOUND).lines} == {(4, 6), ()}


def test_the_read_out_that_does_best_on_the_validation_images_is_drawn() -> None:
    """By the test images it would be the network."""
    pixels = features(0.6, 0.8, 0.9, validation=features(0.7, 0.8, 0.5).all_labels)
    one = replace(NARROW, pixels=pixels)
    names = [line.name for line in gather(summarise_probes([one], [one])).lines]
    assert "code, linear" in names and "code, two-layer network" not in names


def test_the_note_is_the_verdict_with_its_numbers() -> None:
    assert gather(FOUND).about.startswith(
        "A narrow code predicts the labels as well as the pixels. The code of 64 units (trial 6)"
    )


def test_lines_have_standard_errors_and_names_and_a_click_finds_the_trial() -> None:
    drawn = draw(gather(FOUND))
    traces = {trace.name: trace for trace in drawn.data}
    code = traces["code, two-layer network"]
    assert list(code.customdata) == [4, 6]
    assert code.error_y.array[0] == pytest.approx((0.8 * 0.2 / 1000) ** 0.5)
    assert traces["PCA, nearest images"].line.dash == "dot"
    assert traces["code, nearest images"].line.color == style.BLUE
    assert drawn.layout.showlegend is True


def test_a_study_without_probes_says_so() -> None:
    drawn = draw(gather(None))
    assert "No network is analysed yet" in str(drawn.layout.annotations[0].text)
