"""A Dash application that validates what callbacks get and escapes what they return.

Dash builds a component from every mapping among a component's children that looks like one. A value
from a database must never become one: it could run a script, or be an entire false page. And Dash
passes to a callback any inputs that a request names. Both are prevented here for all callbacks.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import Any, NamedTuple

import plotly.graph_objects as go
from dash import Dash, Output, Patch, ctx
from dash.dependencies import DashDependency
from dash.development.base_component import Component
from flask import abort, g, request
from pydantic import TypeAdapter, ValidationError

from sweep.errors import UsageError

#: The address of all callbacks.
UPDATE = "/_dash-update-component"


class Application(Dash):
    """A Dash application that validates the inputs and outputs of its callbacks."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._signatures: dict[str, _Signature] = {}
        super().__init__(*args, **options)

    def callback(self, *dependencies: Any, **options: Any) -> Callable[..., Any]:
        """Register a callback, as ``Dash.callback`` does.

        Values are validated against its annotations: a request with invalid values is answered with
        400.
        """
        register = super().callback(*dependencies, **options)
        spec = self._callback_list[-1]
        outputs = [of for of in dependencies if isinstance(of, Output)]

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            self._signatures[spec["output"]] = _signature(spec, function)

            @wraps(function)
            def check(*_: Any) -> Any:
                return _answer_in_text(outputs, function(*g.values))

            register(check)
            return function

        return decorate

    def check_requests(self) -> None:
        """Validate all requests from now on, after previously registered hooks."""

        def check() -> None:
            if request.method == "POST" and request.path == UPDATE:
                g.values = _values(_read_body(), self._signatures)

        self.server.before_request(check)


# --- on the way in --------------------------------------------------------------------------------


class _Dependency(NamedTuple):
    """An input, a state or an output; ``pattern`` is the id of a group of components."""

    id: str
    property: str
    pattern: Mapping[str, Any] | None


class _Signature(NamedTuple):
    """Inputs, states and outputs of a callback."""

    inputs: list[_Dependency]
    states: list[_Dependency]
    outputs: list[_Dependency]
    values: TypeAdapter[Any]


def _signature(spec: Mapping[str, Any], function: Callable[..., Any]) -> _Signature:
    inputs = [_dependency(of["id"], of["property"]) for of in spec["inputs"]]
    states = [_dependency(of["id"], of["property"]) for of in spec["state"]]
    name = spec["output"]
    names = name[2:-2].split("...") if name.startswith("..") else [name]
    outputs = [_dependency(*of.rsplit(".", 1)) for of in names]
    types = _argument_types(function, len(inputs) + len(states))
    return _Signature(inputs, states, outputs, _adapter(types))


@cache
def _adapter(types: tuple[Any, ...]) -> TypeAdapter[Any]:
    return TypeAdapter(tuple[types])  # type: ignore[valid-type]


def _dependency(id: str, property: str) -> _Dependency:
    return _Dependency(id, property, json.loads(id) if id.startswith("{") else None)


def _argument_types(function: Callable[..., Any], n: int) -> tuple[Any, ...]:
    """Return the annotation of each of n positional arguments."""
    types: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        is_rest = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        types += [parameter.annotation] * (n - len(types) if is_rest else 1)
    return tuple(types)


def _read_body() -> Any:
    try:
        return request.get_json()
    except RecursionError:
        abort(400, "This is nested too deeply.")


def _values(body: Any, known: Mapping[str, _Signature]) -> Sequence[Any]:
    """Validate a request's body; return the values for its callback.

    Answers 404 for an unknown callback, 400 for a body that its page cannot have sent.
    """
    if not _is_body(body):
        abort(400, "This request does not come from a page.")
    if (signature := known.get(body["output"])) is None:
        abort(404, "There is no such callback.")
    inputs, states = body.get("inputs", []), body.get("state", [])
    outputs = body.get("outputs", [])
    outputs = outputs if isinstance(outputs, list) else [outputs]
    if not (
        _are_of(inputs, signature.inputs)
        and _are_of(states, signature.states)
        and _are_of(outputs, signature.outputs)
        and set(body.get("changedPropIds", [])) <= set(_names(inputs))
    ):
        abort(400, "These are not the inputs of this callback.")
    given = json.dumps([_value(of) for of in (*inputs, *states)])
    try:
        values: Sequence[Any] = signature.values.validate_json(given, strict=True)
    except ValidationError as error:
        abort(400, _refusal(error, [*signature.inputs, *signature.states]))
    return values


def _is_body(body: Any) -> bool:
    return (
        isinstance(body, dict)
        and isinstance(body.get("output"), str)
        and all(isinstance(body.get(of, []), list) for of in ("inputs", "state", "changedPropIds"))
        and all(isinstance(of, str) for of in body.get("changedPropIds", []))
    )


def _are_of(given: Sequence[Any], expected: Sequence[_Dependency]) -> bool:
    return len(given) == len(expected) and all(map(_is_of, given, expected))


def _is_of(given: Any, expected: _Dependency) -> bool:
    if expected.pattern is None:
        return _has(given, expected.property) and given["id"] == expected.id
    return isinstance(given, list) and all(
        _has(of, expected.property) and _matches(of["id"], expected.pattern) for of in given
    )


def _has(given: Any, property: str) -> bool:
    return isinstance(given, dict) and given.get("property") == property and "id" in given


def _matches(id: Any, pattern: Mapping[str, Any]) -> bool:
    """Return whether an id matches the pattern: same keys, and texts where the pattern is open."""
    return (
        isinstance(id, dict)
        and id.keys() == pattern.keys()
        and all(
            isinstance(id[key], str) if isinstance(of, list) else id[key] == of
            for key, of in pattern.items()
        )
    )


def _names(given: Sequence[Any]) -> list[str]:
    """Return the names by which Dash reports changed inputs."""
    flat = [of for part in given for of in (part if isinstance(part, list) else [part])]
    return [f"{_name(of['id'])}.{of['property']}" for of in flat]


def _name(id: Any) -> str:
    if isinstance(id, str):
        return id
    return json.dumps(id, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _value(given: Any) -> Any:
    return [of.get("value") for of in given] if isinstance(given, list) else given.get("value")


def _refusal(error: ValidationError, dependencies: Sequence[_Dependency]) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    if not first["loc"]:  # not a text
        return f"{first['msg']}."
    of = dependencies[int(first["loc"][0])]
    return f"{of.id}.{of.property}: {first['msg']}."


# --- on the way out -------------------------------------------------------------------------------


def _answer_in_text(outputs: Sequence[DashDependency], answer: Any) -> Any:
    """Return a callback's answer with every mapping in the place of a child converted to text.

    Raises UsageError if a request asks for another number of components than exist.
    """
    asked = ctx.outputs_list
    if len(outputs) > 1 and isinstance(answer, list | tuple):
        return [*map(_of_output, outputs, asked, answer)]
    return _of_output(outputs[0], asked, answer) if outputs else answer


def _of_output(output: DashDependency, asked: Any, value: Any) -> Any:
    if isinstance(asked, list) and isinstance(value, list) and len(asked) != len(value):
        raise UsageError("this page does not match the server's version. Reload it.")
    return child_in_text(value) if output.component_property == "children" else in_text(value)


def child_in_text(value: Any) -> Any:
    """Return a child of a page element: components and numbers unchanged, others as text."""
    if isinstance(value, list | tuple):
        return [child_in_text(of) for of in value]
    return str(value) if isinstance(value, Mapping) else in_text(value)


def in_text(value: Any) -> Any:
    """Convert mappings from which a browser would build a component to text."""
    match value:
        case str() | int() | float() | None:
            return value
        case Component():
            for name in value._prop_names:
                if hasattr(value, name):
                    write = child_in_text if name == "children" else in_text
                    setattr(value, name, write(getattr(value, name)))
            return value
        case go.Figure():
            return in_text(value.to_plotly_json())
        case Patch():
            for operation in value._operations:
                operation["params"] = in_text(operation["params"])
            return value
        case Mapping():
            if {"namespace", "type"} <= value.keys():  # by which Dash recognises a component
                return str(value)
            return {key: in_text(of) for key, of in value.items()}
        case list() | tuple():
            return [in_text(of) for of in value]
    return value
