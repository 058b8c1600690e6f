"""figure: one figure as a file of its own, and the list of all."""

import csv
import io
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from sqlalchemy import Engine

from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.figures.registry import FIGURES
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_study, add_trial


@pytest.fixture
def widths(store: Engine) -> None:
    """Study ``widths``: two activations at four widths."""
    study_id = add_study(store, "widths")
    for number in range(8):
        width, activation = 8 * 2 ** (number // 2), [Activation.RELU, Activation.TANH][number % 2]
        add_trial(
            store,
            study_id,
            number,
            1 / width + number / 1000,
            config=TrialConfig(hidden_width=width, activation=activation),
            params={"hidden_width": width, "activation": str(activation)},
            curve=[0.5, 1 / width],
        )


pytestmark = pytest.mark.usefixtures("widths")


def test_without_a_figure_all_are_listed_with_their_question(cli: Cli) -> None:
    lines = cli("figure", "widths").out.splitlines()
    assert len(lines) == 1 + len(FIGURES)
    assert next(line for line in lines if line.startswith("history")).endswith("  yes")
    assert "no: it needs an ablation path (`sweep explain --run`)" in "\n".join(lines)
    listed = cli("figure", "widths", "--json").json
    assert [of["figure"] for of in listed if of["has"]][:2] == ["width", "width_law"]


def test_a_page_of_one_figure_asks_the_network_for_nothing(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "law.html"
    assert cli("figure", "widths", "width_law", "-o", path).out == f"{path}\n"
    page = path.read_text()
    assert "<h1>widths</h1>" in page and "Best and median at each width" in page
    assert "default-src 'none'" in page and page.count('id="plotly-gzip"') == 1
    assert page.count('class="plot"') == 1
    # Commands in a note are code, as everywhere.
    assert "would show it: <code>" in page


def test_without_an_output_the_page_is_named_after_study_and_figure(cli: Cli) -> None:
    assert Path(cli("figure", "widths", "width").out.strip()).name == "widths-width.html"


def test_a_csv_has_one_header_and_a_row_a_mark(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "slice.CSV"
    assert cli("figure", "widths", "slice", "setting=activation", "-o", path).code == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [*rows[0]] == ["trial", "activation", "val_mse"] and len(rows) == 8
    assert rows[0] == {"trial": "0", "activation": "relu", "val_mse": "0.125"}


@pytest.mark.parametrize("name", ["width", "width_law", "history", "edf", "learning"])
def test_every_figure_is_a_table_of_numbers(cli: Cli, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.csv"
    assert cli("figure", "widths", name, "-o", path).code == 0
    header, *rows = csv.reader(io.StringIO(path.read_text()))
    assert {len(row) for row in rows} == {len(header)}
    assert "np." not in path.read_text() and "nan" not in path.read_text()


def test_a_table_goes_to_stdout_alone(cli: Cli) -> None:
    answer = cli("figure", "widths", "history", "-o", "-")
    assert answer.out.startswith("mark,trial,val_mse\nfinished,0,0.125\n") and not answer.err


def test_json_has_title_note_and_columns(cli: Cli) -> None:
    found = cli("figure", "widths", "history", "between=2..5", "--json").json
    assert found["title"] == "Value of each trial, and the best so far"
    assert found["rows"]["trial"][:4] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["widht"], 2, "unknown figure 'widht'. Did you mean 'width'?"),
        (["width", "-o", "width.ps"], 2, "written as .html, .csv, .svg, .pdf, .png, not"),
        (["width", "-o", "width.pdf", "--width", "8.5"], 2, "'8.5' is not a length. Write 8.5cm"),
        (["width", "-o", "width.pdf", "--height", "1mm"], 2, "1mm is not between 60px and"),
        (["width", "-o", "width.csv", "--width", "8cm"], 2, "--height need -o FILE.svg"),
        (["width", "-o", "width"], 2, "not as ''"),
        (
            ["slice", "activation"],
            2,
            "'activation' is not an option of a figure. Write OPTION=VALUE",
        ),
        (["slice", "setting=activatoin"], 2, "Did you mean 'activation'?"),
        (["history", "setting=loss"], 2, "unknown option of figure 'history' 'setting'"),
        (["learning", "n=0"], 2, "option n=0 of figure 'learning'"),
        (["ablation"], 3, "nothing to show in figure 'ablation': it needs an ablation path"),
        (["width", "-o", "/nowhere/width.html"], 2, "/nowhere: no such folder"),
        (["width", "-o", "/dev/null/width.html"], 10, "Name another file with -o"),
    ],
)
def test_what_cannot_be_is_one_message(cli: Cli, words: list[str], code: int, problem: str) -> None:
    answer = cli("figure", "widths", *words)
    assert (answer.code, answer.out) == (code, "")
    assert problem in answer.err and "Traceback" not in answer.err


def test_an_svg_without_a_browser_says_what_to_install(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("Kaleido requires Google Chrome to be installed.")

    monkeypatch.setattr(go.Figure, "to_image", fail)
    answer = cli("figure", "widths", "width", "-o", tmp_path / "width.svg")
    assert answer.code == 2 and not (tmp_path / "width.svg").exists()
    assert "pip install 'sweep-autoencoder[images]'" in answer.err
    assert "apt-get install chromium" in answer.err


@pytest.mark.skipif(find_spec("kaleido") is None, reason="needs kaleido: make install")
def test_an_svg_is_drawn_by_a_browser(cli: Cli, tmp_path: Path, chromium: list[str]) -> None:
    path = tmp_path / "width.svg"
    assert cli("figure", "widths", "width", "-o", path).code == 0
    assert path.read_text().startswith("<svg") and "Hidden width" in path.read_text()


@pytest.mark.skipif(find_spec("kaleido") is None, reason="needs kaleido: make install")
def test_a_pdf_is_as_wide_as_a_column(cli: Cli, tmp_path: Path, chromium: list[str]) -> None:
    path = tmp_path / "width.pdf"
    assert cli("figure", "widths", "width", "-o", path, "--width", "8.5cm").code == 0
    box = re.search(rb"/MediaBox *\[0 0 ([0-9.]+) ", path.read_bytes())
    assert box is not None and float(box[1]) == pytest.approx(8.5 / 2.54 * 72, abs=0.5)


def test_a_browser_draws_the_page_of_a_figure(
    cli: Cli, tmp_path: Path, chromium: list[str]
) -> None:
    path = tmp_path / "width.html"
    cli("figure", "widths", "width", "-o", path)
    command = [*chromium, "--virtual-time-budget=10000", "--dump-dom", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert 'class="modebar-container"' in dom[dom.index("<body") :]
