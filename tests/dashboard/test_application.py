"""What a callback takes: the inputs it has, with values of its annotations' types."""

from copy import deepcopy
from typing import Any

import pytest
from dash import Dash

from sweep.dashboard import create_app, links
from sweep.dashboard.links import Place
from sweep.dashboard.parts import shell
from sweep.store.engine import Engine
from tests.support.dashboard_requests import answers, dashboard_of
from tests.support.page_client import Answer, Dashboard


@pytest.fixture
def dashboard(engine: Engine) -> Dashboard:
    return dashboard_of(engine)


def body_with(dashboard: Dashboard, id: str, path: str = "/study/small/trials") -> dict[str, Any]:
    """The request of a callback with this input or state."""
    page = dashboard.open(path)
    return next(
        deepcopy(body)
        for body in dashboard.bodies(page)
        if any(isinstance(of, dict) and of["id"] == id for of in (*body["inputs"], *body["state"]))
    )


def test_the_first_page_has_its_scripts_whatever_else_is_asked_meanwhile(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two first requests at once: Dash took itself for set up as soon as the first had begun.
    app = create_app(engine)
    monkeypatch.setattr(Dash, "_walk_assets_directory", lambda self: pytest.fail("too late"))
    page = app.server.test_client().get("/").get_data(as_text=True)
    assert "assets/sweep.js" in page and "assets/charts.js" in page


def summarise(answer: Answer) -> tuple[int, bool]:
    return answer.status, b"bug" in answer.body


@pytest.mark.parametrize("allow_edit", [False, True])
def test_every_callback_takes_what_its_page_sends(engine: Engine, allow_edit: bool) -> None:
    dashboard = dashboard_of(engine, allow_edit=allow_edit)
    found = {what: summarise(answer) for what, answer in answers(dashboard, "small")}
    assert len({what.split(" ", 1)[1] for what in found}) > 25
    assert {what: of for what, of in found.items() if of not in ((200, False), (204, False))} == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'{"output": 7}',
        b'{"output": "trials-chips.children", "inputs": 7}',
        b'{"output": "trials-chips.children", "inputs": [null]}',
        b'{"output": "trials-chips.children", "inputs": [{}], "outputs": [{}]}',
        b'{"output": "trials-chips.children", "changedPropIds": [7]}',
        b"[" * 100_000,
        b'{"output": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_no_page_sends_is_a_bad_request(dashboard: Dashboard, body: bytes) -> None:
    assert dashboard.post(body).status == 400


@pytest.mark.parametrize("output", ["nothing.children", "", "revision.data...problem.children"])
def test_an_unknown_callback_is_not_found(dashboard: Dashboard, output: str) -> None:
    assert dashboard.post({"output": output, "inputs": []}).status == 404


@pytest.mark.parametrize(
    ("id", "value"),
    [
        ("trials-where", 7),
        ("trials-where", {"namespace": "x"}),
        ("trials-where", "\ud800"),
        ("place", None),
        ("place", "small"),
        ("place", {"page": "trials", "study": None, "number": None, "query": {}}),
        ("place", {"page": "trials", "study": "small", "number": "7", "query": {}}),
        ("place", {"page": "trials", "study": "small", "number": 2**63, "query": {}}),
        ("place", {"page": "trials", "study": "small", "number": -1, "query": {}}),
        ("place", {"page": "trials", "study": "small", "number": None, "query": {}, "more": 1}),
    ],
)
def test_a_value_of_another_type_is_a_bad_request(
    dashboard: Dashboard, id: str, value: Any
) -> None:
    body = body_with(dashboard, "trials-group")
    part = next(of for of in (*body["inputs"], *body["state"]) if of["id"] == id)
    part["value"] = value
    answer = dashboard.post(body)
    assert (answer.status, id.encode() in answer.body) == (400, value != "\ud800")


def test_an_input_of_another_callback_is_a_bad_request(dashboard: Dashboard) -> None:
    body = body_with(dashboard, "trials-group")
    assert dashboard.post(body | {"inputs": body["inputs"][1:]}).status == 400
    assert dashboard.post(body | {"inputs": [*body["inputs"], *body["inputs"]]}).status == 400
    assert dashboard.post(body | {"changedPropIds": ["other.value"]}).status == 400
    assert dashboard.post(body | {"outputs": {"id": "page", "property": "children"}}).status == 400


def test_a_group_takes_components_of_its_kind_only(dashboard: Dashboard) -> None:
    body = body_with(dashboard, "trials-asked")
    drops = body["inputs"][2]
    drops.append({"id": {"type": "trials-drop", "name": "loss"}, "property": "n_clicks"})
    assert dashboard.post(body).status == 200
    for wrong in ({"type": "x", "name": "loss"}, {"type": "trials-drop"}, "trials-drop", None):
        drops[0]["id"] = wrong
        assert dashboard.post(body).status == 400


def test_a_page_with_another_number_of_components_is_told_to_load_again(
    dashboard: Dashboard,
) -> None:
    body = next(of for of in dashboard.bodies(dashboard.open("/")) if "aria-sort" in of["output"])
    body["outputs"][1] = []
    answer = dashboard.post(body)
    assert (answer.status, b"Reload it" in answer.body) == (200, True)


@pytest.mark.parametrize(
    ("place", "title"),
    [
        (Place(links.WHY, "mine"), "mine · Why · sweep"),
        (Place(links.TRIAL, "mine", 7), "mine · Trial 7 · sweep"),
        (Place(links.UNKNOWN, "mine"), "mine · sweep"),
        (Place(links.STUDIES), "Studies · sweep"),
    ],
)
def test_a_tab_is_titled_by_its_study_and_page(place: Place, title: str) -> None:
    assert shell.title(place) == title


@pytest.mark.parametrize(
    ("path", "is_there"), [("/study/small/x", True), ("/study/smal/why", False)]
)
def test_an_address_that_leads_nowhere_leads_back_to_a_study_that_is_there(
    dashboard: Dashboard, path: str, is_there: bool
) -> None:
    answer = repr(dashboard.open(path).props)
    assert "Nothing here" in answer
    assert ("Back to small" in answer) is is_there
