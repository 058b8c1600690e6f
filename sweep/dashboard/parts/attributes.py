"""Set attributes of HTML elements whose names are not Python names."""

from typing import Any


def attributes(**given: str) -> dict[str, Any]:
    """Return ``aria_label="Search"`` as ``aria-label``, ``data_key="next"`` as ``data-key``."""
    return {name.replace("_", "-"): value for name, value in given.items()}
