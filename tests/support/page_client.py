"""Client that requests a dashboard's page and each of its callbacks, as a browser does.

Tests and ``benchmarks.abuse`` send it through Flask's test client or over HTTP.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlsplit

UPDATE = "/_dash-update-component"


class Answer(NamedTuple):
    """An HTTP answer; ``headers`` are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


#: Method, target with its query, body, headers.
Send = Callable[[str, str, bytes | None, Mapping[str, str]], Answer]


@dataclass(frozen=True, kw_only=True)
class OpenPage:
    """A page as a browser holds it: the properties of its components by their ids."""

    path: str
    props: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What callbacks answered, by the text of the request.
    answers: dict[str, Answer] = field(default_factory=dict)

    def add(self, layout: Any) -> None:
        """Take over the components of a layout."""
        for component in components_of(layout):
            if "id" in component["props"]:
                self.props[id_name(component["props"]["id"])] = component["props"]

    def update(self, response: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what a callback answered."""
        for name, changes in response.items():
            for prop, value in changes.items():
                self.props.setdefault(name, {})[prop.partition("@")[0]] = value
                self.add(value)


class Dashboard:
    """A dashboard, and the token that its pages send."""

    def __init__(self, send: Send, headers: Mapping[str, str] = {}) -> None:
        self._send = send
        first = send("GET", "/", None, headers)
        cookie = SimpleCookie(first.headers.get("set-cookie", ""))
        token = cookie["_csrf_token"].value
        self.headers = {
            **headers,
            "Cookie": f"_csrf_token={token}",
            "X-CSRFToken": token,
            "Content-Type": "application/json",
        }
        self._shell = self.get("/_dash-layout").json()
        self.callbacks: list[dict[str, Any]] = [
            of for of in self.get("/_dash-dependencies").json() if not of["clientside_function"]
        ]

    def get(self, target: str) -> Answer:
        """Ask for an address."""
        return self._send("GET", target, None, self.headers)

    def post(self, body: Any) -> Answer:
        """Ask a callback."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._send("POST", UPDATE, data, self.headers)

    def open(self, target: str, rounds: int = 2) -> OpenPage:
        """Ask for a page and everything that a browser fills it with.

        Some charts come with the answers of the first round.
        """
        page = OpenPage(path=target)
        page.add(deepcopy(self._shell))
        parts = urlsplit(target)
        search = f"?{parts.query}" if parts.query else ""
        page.props["location"] |= {"pathname": parts.path, "search": search}
        self._fill(page, ["location"])
        for _ in range(rounds):
            self._fill(page, [name for name in page.props if name != "location"])
        return page

    def _fill(self, page: OpenPage, names: Sequence[str]) -> None:
        for body in self.bodies(page):
            changed = body["changedPropIds"][0].rpartition(".")[0]
            if changed in names and "n_clicks" not in body["changedPropIds"][0]:
                is_new = json.dumps(body) not in page.answers
                answer = self.ask(page, body)
                if is_new and answer.status == 200:
                    page.update(answer.json().get("response", {}))

    def ask(self, page: OpenPage, body: Any) -> Answer:
        """Ask a callback, unless the page has asked it the same before."""
        key = json.dumps(body)
        if key not in page.answers:
            page.answers[key] = self.post(body)
        return page.answers[key]

    def bodies(self, page: OpenPage) -> Iterator[dict[str, Any]]:
        """Each callback that the page can ask, with the page's values."""
        for callback in self.callbacks:
            body = body_of(callback, page)
            if body is not None:
                yield body


def body_of(callback: Mapping[str, Any], page: OpenPage) -> dict[str, Any] | None:
    """A callback's request; None where the page lacks its components."""
    inputs = [_part(of, page) for of in callback["inputs"]]
    states = [_part(of, page) for of in callback["state"]]
    outputs = [_output(name, page) for name in output_names(callback["output"])]
    changed = next((of for part in inputs for of in _as_list(part)), None)
    if changed is None or any(of is None for of in (*inputs, *states, *outputs)):
        return None
    return {
        "output": callback["output"],
        "outputs": outputs if callback["output"].startswith("..") else outputs[0],
        "inputs": inputs,
        "state": states,
        "changedPropIds": [f"{id_name(changed['id'])}.{changed['property']}"],
    }


def output_names(output: str) -> list[str]:
    """``..a.x...b.y..`` as its parts."""
    return output[2:-2].split("...") if output.startswith("..") else [output]


def _output(name: str, page: OpenPage) -> Any:
    id, _, prop = name.rpartition(".")
    plain = _part({"id": id, "property": prop}, page)
    return (
        [{k: of[k] for k in ("id", "property")} for of in plain]
        if isinstance(plain, list)
        else (plain and {"id": id, "property": prop})
    )


def _part(of: Mapping[str, str], page: OpenPage) -> Any:
    if of["id"].startswith("{"):
        pattern = json.loads(of["id"])
        ids = [json.loads(name) for name in page.props if name.startswith("{")]
        return [_value(id, of["property"], page) for id in ids if id["type"] == pattern["type"]]
    return _value(of["id"], of["property"], page) if of["id"] in page.props else None


def _value(id: Any, prop: str, page: OpenPage) -> dict[str, Any]:
    props = page.props[id_name(id)]
    value = 1 if prop in ("n_clicks", "n_submit") else props.get(prop)
    return {"id": id, "property": prop, "value": value}


def _as_list(part: Any) -> list[Any]:
    return part if isinstance(part, list) else [] if part is None else [part]


def id_name(id: Any) -> str:
    """An id as the renderer writes it."""
    return id if isinstance(id, str) else json.dumps(id, sort_keys=True, separators=(",", ":"))


def components_of(layout: Any) -> Iterator[dict[str, Any]]:
    """Every component in a layout, whatever it hangs on."""
    if isinstance(layout, dict):
        if {"namespace", "type", "props"} <= layout.keys():
            yield layout
        for value in layout.values():
            yield from components_of(value)
    elif isinstance(layout, list):
        for value in layout:
            yield from components_of(value)
