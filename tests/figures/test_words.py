import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import sweep
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.config import TrialConfig
from sweep.enums import Optimizer
from sweep.figures import style, words
from tests.store_factories import trial_row, trial_table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.0031234, "0.00312"),
        (0.5, "0.500"),
        (25.61, "25.6"),
        (784, "784"),
        (12345.6, "12,346"),
        (0.00001, "1.00·10⁻⁵"),
        (-0.25, "-0.250"),
        (2.5e9, "2.50·10⁹"),
        (float("inf"), "∞"),
        (float("nan"), "not a number"),
    ],
)
def test_a_number_is_written_the_way_people_write_it(value: float | None, text: str) -> None:
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.84, "0.8 s"), (12.2, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_a_span_of_time_is_in_the_units_of_its_size(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.004, "< 1 %"), (0.42, "42 %"), (0.996, "> 99 %"), (1.0, "100 %")],
)
def test_a_small_share_is_not_called_nothing_nor_nearly_all_of_it_all(
    share: float, text: str
) -> None:
    assert formats.percent(share) == text


def test_a_setting_is_in_words() -> None:
    assert column_named("sgd.learning_rate").title == "sgd learning rate"
    assert column_named("adam.beta1").title == "adam β₁"


def test_a_trial_has_a_short_name() -> None:
    config = TrialConfig(hidden_width=32, epochs=1)
    assert words.short_name(trial_row(number=0, config=config)) == "32 relu · bce · adam · 1 epoch"


def test_hover_texts_name_the_trial_its_errors_and_what_was_searched() -> None:
    row = trial_row(number=7, values=(0.01,), params={"hidden_width": 784, "loss": "bce"})
    assert words.hovers(trial_table(row)) == [
        "<b>Trial 7</b><br>validation error 0.01000<br>test error 0.01000<br>hidden width 784"
        "<br>loss bce"
    ]


def test_hover_texts_leave_out_settings_that_the_trial_does_not_use() -> None:
    params = {"sgd.momentum": 0.5}
    sgd = TrialConfig(optimizer=Optimizer.SGD, momentum=0.5)
    pruned = trial_row(number=0, config=sgd, params=params, state="PRUNED")
    assert words.hovers(trial_table(pruned, trial_row(number=1))) == [
        "<b>Trial 0</b> (PRUNED)<br>momentum 0.5",
        "<b>Trial 1</b>",
    ]


def test_hover_texts_are_text_and_never_html() -> None:
    evil = replace(TrialConfig(), activation="<script>")  # type: ignore[arg-type]
    row = trial_row(number=0, config=evil, params={"activation": "<script>"})
    (text,) = words.hovers(trial_table(row)) or []
    assert "activation &lt;script&gt;" in text


def test_too_many_marks_have_no_hover_texts() -> None:
    rows = [trial_row(number=number) for number in range(style.HOVER_MARKS + 1)]
    assert words.hovers(trial_table(*rows)) is None


@pytest.mark.parametrize(
    ("value", "text"), [(784.0, "784"), (0.00123456, "0.001235"), (1e9, "1e+09"), (True, "yes")]
)
def test_a_value_from_a_column_reads_as_it_was_written(value: float, text: str) -> None:
    assert formats.value(value) == text


#: Whose sentences stand on pages.
ON_PAGES = ("analysis", "figures", "report", "dashboard/pages", "dashboard/parts")


def test_pages_have_one_apostrophe() -> None:
    # Help, messages and docs/ have the typewriter's; sentences on pages had both.
    package = Path(sweep.__file__).parent
    files = [file for part in ON_PAGES for file in (package / part).rglob("*.py")]
    said = [text for file in files for text in _said(ast.parse(file.read_text()))]
    assert any("baseline’s" in text for text in said)
    assert [text for text in said if re.search(r"[a-z]'[st]\b|s' [a-z]", text)] == []


def _said(module: ast.Module) -> Iterator[str]:
    """The texts of a module but its docstrings."""
    docs = {id(of.value) for of in ast.walk(module) if isinstance(of, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value
