"""The planted troubles of ``benchmarks.labels``, one seed each, and its table."""

from collections import Counter

import pytest

from benchmarks.labels import LINEAR_RUNS, PLANTS, LinearRun, label, print_table, times_the_floor


@pytest.mark.parametrize("name", PLANTS)
def test_a_trouble_in_real_images_gets_its_label(name: str) -> None:
    assert label(PLANTS[name], 0) == PLANTS[name].limit


def test_the_table_marks_the_label_that_each_deserves(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"too narrow": Counter({"too narrow": 3, "too few epochs": 1})})
    header, _, row = (line.split(" | ") for line in capsys.readouterr().out.splitlines())
    cells = dict(zip(header, row, strict=True))
    assert (cells["too narrow"], cells["too few epochs"]) == ("[3]", "1")


@pytest.mark.parametrize("run", LINEAR_RUNS[:2], ids=lambda run: str(run.hidden_width))
def test_a_linear_autoencoder_ends_on_the_line_of_pca(run: LinearRun) -> None:
    """At 256 units that takes a minute and a half: ``python -m benchmarks.labels --linear``."""
    assert 1 - 1e-5 <= times_the_floor(run) <= 1.05
