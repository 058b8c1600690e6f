"""Names and texts of users, and of whoever else writes to the database, are shown, never run."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from sweep.dashboard import create_app
from sweep.figures.spreadsheet import csv_text, harmless
from sweep.report import render
from sweep.store import schema
from sweep.store.engine import Engine, write_transaction
from tests.support.cli_runner import Cli
from tests.support.store_factories import change_study_file, sqlite_store
from tests.support.synthetic import add_study

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
FORMULA = '=cmd|" /C calc"!A0'

#: Where a text of somebody's choosing can stand.
TEXTS = {
    schema.studies: ("study_name",),
    schema.sweep_trials: ("reason", "worker", "invalid_reason"),
    schema.sweep_workers: ("name", "host", "device", "device_name"),
    schema.sweep_events: ("worker", "message"),
    schema.sweep_notes: ("text",),
    schema.sweep_tags: ("tag",),
}


def poison(folder: Path, text: str) -> Engine:
    """A study of 40 trials that says this text wherever it has words."""
    engine = sqlite_store(folder)
    add_study(engine, "study", 40)
    with write_transaction(engine) as connection:
        for table, columns in TEXTS.items():
            if table is schema.sweep_workers or "name" not in columns:
                connection.execute(update(table).values(dict.fromkeys(columns, text[:60])))
        rows = connection.execute(schema.sweep_studies.select()).one()
        provenance = _replace_texts(rows.provenance, text)
        connection.execute(update(schema.sweep_studies).values(provenance=provenance))
    told = {"study": {"description": text}, "data": {"name": text}}
    change_study_file(engine, text[:60], told)
    return engine


def _replace_texts(value: Any, text: str) -> Any:
    """JSON with every text in it replaced, but those that a page must find."""
    match value:
        case dict():
            return {k: v if k == "resumed" else _replace_texts(v, text) for k, v in value.items()}
        case list():
            return [_replace_texts(inner, text) for inner in value]
        case str():
            return text
    return value


class Tags(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, f"{name}={value}") for name, value in attrs] or [(tag, "")]


def test_a_report_runs_nothing_that_anybody_wrote(tmp_path: Path) -> None:
    html = render(poison(tmp_path, EVIL), EVIL[:60])
    assert html.count("alert(1)") > 10
    tags = Tags(html).found
    assert not [(tag, said) for tag, said in tags if said in ("src=x", "onerror=alert(1)")]
    assert "<script>alert" not in html  # in the scripts of charts too, where it would end them


def test_no_page_of_the_dashboard_runs_what_anybody_wrote(tmp_path: Path) -> None:
    client = create_app(poison(tmp_path, EVIL)).server.test_client()
    for path in ("/", f"/study/{EVIL[:60]}", "/study/%22"):
        html = client.get(path).get_data(as_text=True)
        assert "<script>alert" not in html and "src=x" not in html


def cells_of(text: str) -> set[str]:
    return {cell for line in csv.reader(io.StringIO(text)) for cell in line}


def test_no_cell_of_an_export_is_a_formula(cli: Cli, tmp_path: Path) -> None:
    poison(tmp_path, FORMULA)
    found = cells_of(cli("export", FORMULA).out)
    assert f"'{FORMULA}" in found
    assert not [cell for cell in found if cell.startswith("=")]


def test_no_cell_of_the_dashboards_csv_is_a_formula(tmp_path: Path) -> None:
    client = create_app(poison(tmp_path, FORMULA)).server.test_client()
    query = {"study": FORMULA, "columns": "number,value,activation,note,tags,worker,loss"}
    answer = client.get("/api/trials.csv", query_string=query)
    found = cells_of(answer.get_data(as_text=True))
    assert (answer.status_code, f"'{FORMULA}" in found) == (200, True)
    assert not [cell for cell in found if cell.startswith("=")]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_text_that_a_spreadsheet_would_run_is_shown(sign: str) -> None:
    assert harmless(f"{sign}1+1") == f"'{sign}1+1"


@pytest.mark.parametrize("value", [-1.5, "-1.5", "+2", "-1e-05", 7, None, True, "a=b", "-1.", ""])
def test_a_number_and_a_plain_text_stay_as_they_are(value: Any) -> None:
    assert harmless(value) == value


@pytest.mark.parametrize("value", ["-1.5 -2", "-1+1", "--1", "-inf"])
def test_what_only_begins_like_a_number_does_not(value: str) -> None:
    assert harmless(value) == f"'{value}"


#: Texts that begin a formula where a program, or a locale with another separator, begins a cell.
HIDDEN = {
    "a carriage return": "ok\r=1+1",
    "a line end of Windows": "ok\r\n=1+1",
    "a line feed": "ok\n@SUM(1)",
    "a semicolon": "x;=1+1",
    "a semicolon and a blank": "x; -1+1",
    "a tab": "x\t＝1+1",
    "a quote before a semicolon": '";=1+1',
    "a quote before the sign": '"=1+1',
    "a blank before the sign": " =1+1",
    "a byte order mark": "\ufeff=1+1",
    "a number before a line": "-1.5\n=1",
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("how", HIDDEN)
def test_no_locale_finds_a_formula_in_the_middle_of_a_text(how: str, separator: str) -> None:
    written = csv_text([["number", "note"], [7, HIDDEN[how]]])
    # As a program reads it that takes quotes for what they are, and as one that does not.
    quoted = [c for line in csv.reader(io.StringIO(written), delimiter=separator) for c in line]
    plain = [cell for line in written.splitlines() for cell in line.split(separator)]
    begun = [cell.lstrip(' "\ufeff\t') for cell in (*quoted, *plain)]
    assert not [cell for cell in begun if cell.startswith(("=", "@", "+", "-", "＝"))]


def test_a_note_with_a_carriage_return_begins_no_row(cli: Cli, tmp_path: Path) -> None:
    sqlite = sqlite_store(tmp_path)
    add_study(sqlite, "study", 3)
    assert cli("note", "study", "ok\r=cmd|'/C calc'!A0", "--trial", "1").code == 0
    rows = [*csv.reader(io.StringIO(cli("export", "study").out))]
    assert len(rows) == 4 and not [row for row in rows if row[0].startswith("=")]
    lines = (
        create_app(sqlite)
        .server.test_client()
        .get("/api/trials.csv", query_string={"study": "study", "columns": "number,note"})
    )
    assert len([*csv.reader(io.StringIO(lines.get_data(as_text=True)))]) == 4
