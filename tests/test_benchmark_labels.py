"""The planted troubles of ``benchmarks.labels``, one seed each, and its table."""

from collections import Counter

import pytest

from benchmarks.labels import PLANTS, label, print_table


@pytest.mark.parametrize("name", PLANTS)
def test_a_trouble_in_real_images_gets_its_label(name: str) -> None:
    assert label(PLANTS[name], 0) == PLANTS[name].limit


def test_the_table_marks_the_label_that_each_deserves(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"too narrow": Counter({"too narrow": 3, "too few epochs": 1})})
    header, _, row = (line.split(" | ") for line in capsys.readouterr().out.splitlines())
    cells = dict(zip(header, row, strict=True))
    assert (cells["too narrow"], cells["too few epochs"]) == ("[3]", "1")
