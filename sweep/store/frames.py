"""Build data frames with the installed library, pandas or polars, through narwhals."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Literal

import narwhals as nw

from sweep.errors import SweepError

Library = Literal["pandas", "polars"]

#: In order of preference.
LIBRARIES: tuple[Library, ...] = ("pandas", "polars")


def make_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return a data frame of these columns; None is a missing value.

    A library that the program has already imported takes precedence. Raises SweepError if neither
    is installed.
    """
    library = choose_library()
    plain = {name: _of_one_type(values) for name, values in columns.items()}
    # pandas' default integers and booleans have no missing value: it chooses types that do.
    schema = None if library == "pandas" else {name: _type(of) for name, of in plain.items()}
    return nw.from_dict(plain, schema, backend=library).to_native()


def choose_library() -> Library:
    """Choose between pandas and polars. Raises SweepError if neither is installed."""
    imported = [name for name in LIBRARIES if name in sys.modules]
    installed = (name for name in LIBRARIES if find_spec(name) is not None)
    found = next(iter(imported), None) or next(installed, None)
    if found is None:
        raise SweepError(
            "data frames need pandas or polars, and neither is installed: `pip install pandas` or "
            "`pip install polars`. `sweep export` writes the same columns as CSV without them."
        )
    return found


def _of_one_type(values: Sequence[Any]) -> list[Any]:
    """Return the values; all as texts if only some of them are texts."""
    known = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in known):
        return [None if value is None else str(value) for value in values]
    return list(values)


def _type(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return nw.Boolean()
    if known and all(isinstance(value, int) for value in known):
        return nw.Int64()
    if known and all(isinstance(value, datetime) for value in known):
        return nw.Datetime("us", "UTC")
    return nw.String() if any(isinstance(value, str) for value in known) else nw.Float64()
