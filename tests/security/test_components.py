"""No value of a database becomes a component: what is no text is shown as text, or refused."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import pytest
from dash import Input, Output, Patch, html
from flask.testing import FlaskClient
from sqlalchemy import Table, bindparam, update

from sweep.dashboard.application import Application
from sweep.errors import SweepError
from sweep.report import render
from sweep.store import annotate, schema
from sweep.store.column_types import is_json
from sweep.store.engine import Engine, write_transaction
from tests.support.dashboard_requests import PAGES, dashboard_of
from tests.support.page_client import Answer, components_of
from tests.support.statements import count_statements
from tests.support.store_factories import change_study_file, sqlite_store
from tests.support.synthetic import add_study

MARK = "planted"
COMPONENT = {
    "namespace": "dash_ag_grid",
    "type": "AgGrid",
    "props": {
        "id": MARK,
        "dangerously_allow_code": True,
        "rowData": [{"a": 1}],
        "columnDefs": [{"field": "a", "valueGetter": "document.title = document.cookie"}],
    },
}


def find_planted(value: Any) -> list[Any]:
    """Every mapping in an answer that a browser would make the planted component of."""
    return [of for of in components_of(value) if of["props"].get("id") == MARK]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A study with something in every table."""
    engine = sqlite_store(tmp_path_factory.mktemp("components"))
    add_study(engine, "study", 12)
    annotate.note(engine, "study", "a note")
    annotate.tag(engine, "study", "a tag", 7)
    return engine


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values in a JSON value are; of lists the first element."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:1])
        if (isinstance(value, list))
        else ()
    )
    yield path
    for key, of in inner:
        yield from leaves(of, (*path, key))


def replace_leaf(value: Any, path: tuple[Any, ...]) -> Any:
    """The value with the component in the place of a leaf."""
    if not path:
        return COMPONENT
    key, *rest = path
    try:
        inner = replace_leaf(value[key], tuple(rest))
    except (KeyError, IndexError, TypeError):  # a row without that leaf
        return value
    if isinstance(value, list):
        return [inner, *value[1:]]
    return {**value, key: inner}


def test_a_child_that_is_no_text_is_shown_as_text() -> None:
    app = Application(__name__)
    app.layout = html.Div()
    answer = [html.P(COMPONENT), html.Div([html.B([COMPONENT])], title=COMPONENT), COMPONENT]

    @app.callback(Output("page", "children"), Input("in", "value"))
    def show(_: Any) -> Any:
        return answer

    app.check_requests()
    told = ask(app.server.test_client(), "in")
    assert find_planted(told) == []
    assert json.dumps(told).count(MARK) == 4


def test_a_child_of_a_patch_is_shown_as_text_too() -> None:
    app = Application(__name__)
    app.layout = html.Div()

    @app.callback(Output("page", "children"), Input("in", "value"))
    def show(_: Any) -> Any:
        rows = Patch()
        rows[0] = html.Td(COMPONENT)
        return rows

    app.check_requests()
    told = ask(app.server.test_client(), "in")
    assert find_planted(told) == [] and MARK in json.dumps(told)


def ask(client: FlaskClient, id: str) -> Any:
    body = {
        "output": "page.children",
        "outputs": {"id": "page", "property": "children"},
        "inputs": [{"id": id, "property": "value", "value": 1}],
        "changedPropIds": [f"{id}.value"],
    }
    answer = client.post("/_dash-update-component", json=body)
    assert answer.status_code == 200
    return answer.get_json()


JSON_COLUMNS = [
    (table, column.name)
    for table in schema.sweep_metadata.sorted_tables
    for column in table.columns
    if is_json(column)
]


@pytest.fixture(scope="module")
def statements(engine: Engine) -> dict[str, str]:
    """The SQL that each page and its callbacks issue."""
    issued = {}
    for page in ("/", *(f"/study/study{page}" for page in PAGES)):
        with count_statements(engine) as said:
            ask_pages(engine, [page])
        issued[page] = "\n".join(of.sql for of in said)
    return issued


@pytest.mark.parametrize(("table", "column"), JSON_COLUMNS, ids=str)
def test_no_leaf_of_a_json_column_comes_out_as_a_component(
    table: Table, column: str, engine: Engine, statements: dict[str, str]
) -> None:
    pages = [page for page, sql in statements.items() if f"{table.name}.{column}" in sql]
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(table.select()).mappings()]
    come_out = {}
    for name, paths in leaves_by_name(rows, column).items():
        changed = [reduce(replace_leaf, paths, row[column]) for row in rows]
        write(engine, table, column, zip(rows, changed, strict=True))
        come_out[name] = [
            of.body[:80] for of in ask_pages(engine, pages) if find_planted(decode(of))
        ]
    write(engine, table, column, [(row, row[column]) for row in rows])
    assert {name: where for name, where in come_out.items() if where} == {}


def leaves_by_name(
    rows: Sequence[Mapping[str, Any]], column: str
) -> dict[Any, set[tuple[Any, ...]]]:
    """Group leaves that are called alike, such as the accuracies of several sets of images."""
    found = defaultdict(set)
    for path in {path for row in rows for path in leaves(row[column])}:
        names = [key for key in path if isinstance(key, str)]
        found[names[-1] if names else "", len(path) - len(names)].add(path)
    return found


def test_pages_read_what_is_planted(statements: dict[str, str]) -> None:
    read = "\n".join(statements.values())
    for column in ("sweep_trials.config", "sweep_probes.probe", "sweep_probe_baselines.pca"):
        assert column in read


def ask_pages(engine: Engine, pages: Sequence[str]) -> list[Answer]:
    """What pages and every callback on them answer."""
    heard: list[Answer] = []
    dashboard = dashboard_of(engine, heard)
    for page in pages:
        dashboard.open(page, rounds=1)
    assert len(heard) > len(pages)
    return heard


def decode(answer: Answer) -> Any:
    """What a browser looks for components in."""
    return answer.json() if answer.headers.get("content-type", "").endswith("json") else None


def write(
    engine: Engine, table: Table, column: str, values: Iterable[tuple[Mapping[str, Any], Any]]
) -> None:
    """Write a value into the column of each row."""
    keys = {f"_{of.name}": of.name for of in table.primary_key}
    same = [table.c[name] == bindparam(key) for key, name in keys.items()]
    changes = [
        {column: value, **{key: row[name] for key, name in keys.items()}} for row, value in values
    ]
    if changes:
        with write_transaction(engine) as connection:
            connection.execute(update(table).where(*same), changes)


DESCRIPTION = ("study", "description")


def test_a_report_shows_a_description_that_is_no_text_as_text(engine: Engine) -> None:
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(schema.sweep_studies.select()).mappings()]
    change_study_file(engine, "study", replace_leaf({"study": {"description": ""}}, DESCRIPTION))
    try:
        html = render(engine, "study")
    except SweepError:  # refused is as good
        return
    finally:
        texts = [(row, row["study_file"]) for row in rows]
        write(engine, schema.sweep_studies, "study_file", texts)
    assert MARK in html and '<div id="planted"' not in html
