"""Strips of ten test images: the originals, what a trial gives back, and where it errs."""

from typing import Any
from urllib.parse import urlencode

from dash import html


def picture_url(kind: str, study: str, number: int | None = None) -> str:
    """The address of a strip: ``originals``, or a trial's ``reconstructions`` or ``errors``."""
    of_trial = {} if number is None else {"trial": number}
    return f"/api/picture/{kind}.png?{urlencode({'study': study, **of_trial})}"


def picture_row(label: Any, kind: str, study: str, number: int | None = None) -> Any:
    """A labelled strip; all strips are laid out alike, so that rows line up."""
    about = {
        "originals": "ten test images as they are",
        "reconstructions": f"the same images as trial {number} gives them back",
        "errors": f"where trial {number} errs: black is right, white is off by half the scale",
    }
    return html.Div(
        [
            html.Div(label, className="picture-label"),
            html.Img(
                src=picture_url(kind, study, number),
                alt=about[kind],
                title=about[kind],
                className="strip-picture",
            ),
        ],
        className="picture-row",
    )
