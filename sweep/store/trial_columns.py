"""Trials as one list a column: the columns of the CSV export and of data frames."""

from collections.abc import Sequence
from typing import Any

from sweep.catalogue.metrics import METRICS
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
    """Return the values by column; parameters are ``params_NAME``, as in Optuna's frames."""
    params = list(dict.fromkeys(name for row in rows for name in row.params))
    return {
        **{name: [getattr(row, name) for row in rows] for name in (*_FIRST, *METRICS)},
        **{f"params_{name}": [row.params.get(name) for row in rows] for name in params},
        **{name: [getattr(row, name) for row in rows] for name in _LAST},
        **{name: [" ".join(map(str, getattr(row, name))) for row in rows] for name in _LISTS},
    }
