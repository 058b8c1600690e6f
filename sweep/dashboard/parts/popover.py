"""A button that opens a small form under it."""

from typing import Any

import dash_mantine_components as dmc
from dash import html


def popover(label: str, content: Any) -> Any:
    """Lay out the button and its content, which always exists, so that callbacks find it."""
    return dmc.Popover(
        [
            dmc.PopoverTarget(html.Button(f"{label} ▾", className="plain")),
            dmc.PopoverDropdown(content),
        ],
        position="bottom-end",
        shadow="md",
        keepMounted=True,
        withinPortal=True,
    )
