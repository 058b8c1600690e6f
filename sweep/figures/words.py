"""Name marks and trials in charts and on pages."""

import math

from sweep.analysis.usage import uses_setting
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import number
from sweep.figures import style
from sweep.findings.trial_list import texts
from sweep.store.table import TrialTable

#: Settings that a mark's text includes at most.
_MAX_CHOSEN = 9


def hovers(table: TrialTable, *, error: str = "val_mse") -> list[str] | None:
    """Write the text over each trial's mark: number, errors, searched settings; plotly's HTML.

    None if there are too many marks for that: ``style.hovering`` then shows their numbers.
    """
    if len(table) > style.HOVER_MARKS:
        return None
    lines = [_names(table)]
    lines += [_list_measured(table, name) for name in dict.fromkeys([error, "val_mse", "test_mse"])]
    lines += [
        _list_chosen(table, name) for name in (table.searched or ("hidden_width",))[:_MAX_CHOSEN]
    ]
    return ["<br>".join(filter(None, of_trial)) for of_trial in zip(*lines, strict=True)]


def _names(table: TrialTable) -> list[str]:
    states = (table.states.value(row) for row in range(len(table)))
    return [
        f"<b>Trial {number}</b>" + ("" if state == "COMPLETE" else style.escape(f" ({state})"))
        for number, state in zip(table.numbers, states, strict=True)
    ]


def _list_measured(table: TrialTable, name: str) -> list[str]:
    label = column_named(name).title
    errors = table.metrics[name].tolist()
    return ["" if math.isnan(error) else f"{label} {number(error, 4)}" for error in errors]


def _list_chosen(table: TrialTable, name: str) -> list[str]:
    label = style.escape(column_named(name).title)
    shown = zip(texts(table, name), uses_setting(table, name), strict=True)
    return [f"{label} {style.escape(text)}" if text and is_used else "" for text, is_used in shown]
