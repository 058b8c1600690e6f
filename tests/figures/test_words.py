import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import sweep
from sweep.config import TrialConfig
from sweep.enums import Optimizer
from sweep.figures import style, words
from tests.support.store_factories import trial_row, trial_table


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


#: Whose sentences stand on pages.
ON_PAGES = ("analysis", "figures", "report", "dashboard/pages", "dashboard/parts")


def test_pages_have_one_apostrophe() -> None:
    # Help, messages and docs/ have the typewriter's; sentences on pages had both.
    package = Path(sweep.__file__).parent
    files = [file for part in ON_PAGES for file in (package / part).rglob("*.py")]
    said = [text for file in files for text in texts_of(ast.parse(file.read_text()))]
    assert any("baseline’s" in text for text in said)
    assert [text for text in said if re.search(r"[a-z]'[st]\b|s' [a-z]", text)] == []


def texts_of(module: ast.Module) -> Iterator[str]:
    """The texts of a module but its docstrings."""
    docs = {id(of.value) for of in ast.walk(module) if isinstance(of, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value
