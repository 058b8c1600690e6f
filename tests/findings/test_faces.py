"""One table of findings in a terminal and on a page."""

import pytest

from sweep.cli.output import show_finding
from sweep.dashboard.parts.findings import finding_table, sentence
from sweep.findings.tables import Cell, FindingTable, TableColumn
from tests.pages import as_json, texts

TABLE = FindingTable(
    title="What limits the pixels’ error",
    columns=(
        TableColumn("trial", "Trial", is_number=True),
        TableColumn("error", "Error", is_number=True),
        TableColumn("because", "Because"),
    ),
    rows=((Cell("7", 7, trial=7), Cell("4.35·10⁻⁸", 4.35e-8), Cell("it settled", "it settled")),),
    note="Run `sweep ties study` – first.",
)
PAIRS = FindingTable(
    title="Settings",
    columns=(TableColumn("setting", "", is_name=True), TableColumn("value", "")),
    rows=((Cell("batch size", "batch_size"), Cell("128", 128)),),
)


def test_a_terminal_shows_a_table_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    show_finding(TABLE)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "What limits the pixels' error",
        "Trial     Error  Because",
        "    7  4.35e-08  it settled",
        "Run `sweep ties study` - first.",
    ]


def test_a_terminal_indents_what_has_no_headings_and_shows_names_that_commands_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_finding(PAIRS)
    assert capsys.readouterr().out == "\nSettings\n  batch_size  128\n"


def test_a_terminal_shows_nothing_of_an_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_finding(FindingTable(title="None", columns=TABLE.columns, rows=()))
    assert capsys.readouterr().out == ""


def test_a_page_links_trials_and_sets_commands_as_code() -> None:
    laid_out = finding_table("study", TABLE, "stacked")
    assert texts(laid_out) == [
        *("Trial", "Error", "Because", "7", "4.35·10⁻⁸", "it settled"),
        *("Run ", "sweep ties study", " – first."),
    ]
    assert '"href": "/study/study/trials/7"' in as_json(laid_out)
    assert '"data-label": "error"' in as_json(laid_out)


def test_a_page_has_a_heading_for_each_row_without_columns_headings() -> None:
    said = as_json(finding_table("study", PAIRS))
    assert '"scope": "row"' in said
    assert "Thead" not in said


def test_a_sentence_on_a_page_has_no_backticks() -> None:
    assert "`" not in as_json(sentence("Run `sweep ties study`."))
