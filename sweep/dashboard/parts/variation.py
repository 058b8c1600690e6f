"""Lay out the form that varies a trial: a field for each setting that the study searches.

Fields hold texts. An empty field is left to the sampler; a field without effect, given the others'
choices (momentum with adam), is hidden and not sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import dash_mantine_components as dmc
from dash import html

from sweep.catalogue.columns import column_named
from sweep.catalogue.settings import SETTINGS
from sweep.studyfile import Categorical, Domain, Node, Searched, Space
from sweep.studyfile.enqueue import describe

Texts = Mapping[str, str | None]


class Field(NamedTuple):
    """A setting that can be chosen."""

    setting: str
    #: None if it is a number from a range.
    choices: tuple[str, ...] | None
    #: Its possible values given the other fields, in words.
    about: str
    is_used: bool


def fields(space: Space, given: Texts) -> list[Field]:
    """Return a field for each setting, in the file's order, with the present values."""
    in_use: dict[str, list[Domain]] = {}
    for node in _open(space.nodes, convert(given)):
        in_use.setdefault(node.setting, []).append(node.domain)
    anywhere: dict[str, list[Domain]] = {}
    for node in space.search_space():
        anywhere.setdefault(node.setting, []).append(node.domain)
    return [
        Field(
            setting=setting,
            choices=_choices(domains),
            about=" or ".join(dict.fromkeys(map(_describe, in_use.get(setting, domains)))),
            is_used=setting in in_use,
        )
        for setting, domains in anywhere.items()
    ]


def chosen_configuration(space: Space, given: Texts) -> dict[str, Any]:
    """Return the configuration that the fields make."""
    used = {field.setting for field in fields(space, given) if field.is_used}
    return {name: value for name, value in convert(given).items() if name in used}


def convert(given: Texts) -> dict[str, Any]:
    """Convert texts to values; invalid numbers stay texts, which the study file's rules reject."""
    return {name: _convert(name, text.strip()) for name, text in given.items() if text}


def text_of(value: Any) -> str:
    """Write a value as a field holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _open(nodes: Sequence[Node], values: Mapping[str, Any]) -> Iterator[Searched]:
    """Yield the searched settings that a trial of these values may have."""
    for node in nodes:
        if not isinstance(node, Searched):
            continue
        yield node
        if node.setting in values:
            yield from _open(node.when.get(values[node.setting], ()), values)
        else:
            for branch in node.when.values():
                yield from _open(branch, values)


def _convert(name: str, text: str) -> Any:
    kind: type = SETTINGS[name].kind if name in SETTINGS else str
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return text


def _choices(domains: Sequence[Domain]) -> tuple[str, ...] | None:
    if not all(isinstance(domain, Categorical) for domain in domains):
        return None
    every = [choice for domain in domains for choice in getattr(domain, "choices", ())]
    return tuple(dict.fromkeys(map(text_of, every)))


def _describe(domain: Domain) -> str:
    if isinstance(domain, Categorical):
        return ", ".join(text_of(choice) for choice in domain.choices)
    return describe(domain)


def form(space: Space, given: Texts) -> list[Any]:
    """Lay out the fields, filled in."""
    return [_box(field, given.get(field.setting)) for field in fields(space, given)]


def _box(field: Field, text: str | None) -> Any:
    about = {"type": "variation-about", "setting": field.setting}
    common = {
        "id": {"type": "variation", "setting": field.setting},
        "label": column_named(field.setting).title,
        "description": html.Span(field.about, id=about),
        "value": text,
        "placeholder": "left to the sampler",
    }
    return html.Div(
        dmc.TextInput(**{**common, "value": text or ""})
        if field.choices is None
        else dmc.Select(**common, data=list(field.choices), clearable=True),
        id={"type": "variation-box", "setting": field.setting},
        hidden=not field.is_used,
    )
