"""Lay out strips of ten test images: the originals, a trial's reconstructions, and its errors."""

from typing import Any
from urllib.parse import urlencode

from dash import html


def picture_url(kind: str, study: str, number: int | None = None, beside: int | None = None) -> str:
    """Write the address of a strip: ``originals``, or a trial's kind, as in ``picture_row``."""
    asked = {"study": study, "trial": number, "beside": beside}
    known = {key: value for key, value in asked.items() if value is not None}
    return f"/api/picture/{kind}.png?{urlencode(known)}"


def picture(kind: str, study: str, number: int | None = None, beside: int | None = None) -> Any:
    """Lay out a strip of ten pictures."""
    about = {
        "originals": "the ten test images",
        "reconstructions": f"reconstructions of the ten test images by trial {number}",
        "errors": f"errors of trial {number}: black is correct, white is off by half the scale",
        "nearer": f"blue: trial {beside} is closer to the original; orange: trial {number} is",
        "apart": f"errors of trial {number}, in orange if the original is exactly 0 or 1",
    }
    return html.Img(
        src=picture_url(kind, study, number, beside),
        alt=about[kind],
        title=about[kind],
        className="strip-picture",
    )


def picture_row(label: Any, kind: str, study: str, *trials: int) -> Any:
    """Lay out a labelled strip; all strips have the same layout, so that rows line up."""
    shown = [html.Div(label, className="picture-label"), picture(kind, study, *trials)]
    return html.Div(shown, className="picture-row")
