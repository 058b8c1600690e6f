"""Pages as their tests read them."""

import json
from typing import Any

from dash.development.base_component import Component


def as_json(component: Any) -> str:
    """What is sent to the browser for a component, or a list of them."""
    return json.dumps(component, default=_plain, ensure_ascii=False)


def _plain(part: Any) -> Any:
    return part.to_plotly_json()


def texts(component: Any) -> list[str]:
    """Every text among a component's children, in reading order."""
    match component:
        case str():
            return [component]
        case list() | tuple():
            return [text for part in component for text in texts(part)]
        case Component():
            return texts(getattr(component, "children", None))
    return []
