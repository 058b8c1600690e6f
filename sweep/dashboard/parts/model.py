"""Links to a trial's weights and the programs that load them."""

from typing import Any
from urllib.parse import quote

from dash import html

#: Kinds of files, in the order of ``findings.weights.model_files``.
MODEL_FILES = ("weights", "pytorch", "keras")
_LABELS = ("Weights (safetensors)", "Load in PyTorch", "Load in Keras")


def model_links(study: str, number: int) -> Any:
    """Return links that download the weights of a trial, and code that needs nothing of sweep."""
    links = [
        html.A(label, href=model_url(study, number, kind), className="button", download="")
        for kind, label in zip(MODEL_FILES, _LABELS, strict=True)
    ]
    return html.Div(links, className="line model")


def model_url(study: str, number: int, kind: str) -> str:
    """Address of a file of a trial's network."""
    return f"/api/model/{quote(study, safe='')}/{number}/{kind}"
