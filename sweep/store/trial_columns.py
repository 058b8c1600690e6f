"""Hold trials as one list per column: the columns of the CSV export and of data frames."""

from collections.abc import Sequence
from typing import Any

from sweep.catalogue.metrics import METRICS
from sweep.catalogue.settings import SETTINGS, by_setting
from sweep.store.records import TrialRow

_FIRST = ("number", "state", "value")
_LAST = (
    "datetime_start",
    "datetime_complete",
    "outcome",
    "reason",
    "attempt",
    "worker",
    "invalid",
    "invalid_reason",
    "reused_from",
    "note",
)
#: Several values in one cell, separated by blanks.
_LISTS = ("seeds", "tags", "values")


def trial_columns(rows: Sequence[TrialRow]) -> dict[str, list[Any]]:
    """Return the values by column; ``params_SETTING`` are the searched settings.

    A setting is one column, whatever choice it was searched under.
    """
    searched = [by_setting(row.params) for row in rows]
    given = dict.fromkeys(name for params in searched for name in params)
    names = [
        *(name for name in SETTINGS if name in given),
        *(name for name in given if name not in SETTINGS),
    ]
    return {
        **{name: [getattr(row, name) for row in rows] for name in (*_FIRST, *METRICS)},
        **{f"params_{name}": [params.get(name) for params in searched] for name in names},
        **{name: [getattr(row, name) for row in rows] for name in _LAST},
        **{name: [" ".join(map(str, getattr(row, name))) for row in rows] for name in _LISTS},
    }
