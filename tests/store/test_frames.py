"""Data frames of the library that is there."""

import subprocess
import sys

import polars
import pytest

from sweep.store.frames import make_frame
from tests.support.imports import without_modules


def test_a_column_of_different_types_becomes_one_of_texts() -> None:
    assert make_frame({"choice": [1, "two", None]})["choice"].to_list() == ["1", "two", None]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, None], polars.Boolean),
        ([1, None], polars.Int64),
        ([1, 0.5], polars.Float64),
        ([None, None], polars.Float64),
        ([], polars.Float64),
    ],
)
def test_a_column_has_the_type_of_its_values(values: list[object], kind: object) -> None:
    assert make_frame({"a": values}).schema["a"] == kind


def test_without_a_library_the_message_says_what_to_install() -> None:
    script = (
        f"{without_modules(['pandas', 'polars'])}\n"
        "from sweep.store.frames import make_frame; from sweep import SweepError\n"
        "try: make_frame({'a': [1]})\n"
        "except SweepError as error: print(error)"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "`pip install pandas` or `pip install polars`" in process.stdout, process.stderr
