"""Find the choice of a setting that goes with the lowest error."""

from sweep.analysis.choices import best_choice
from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import number, percent
from sweep.catalogue.records import capitalise
from sweep.store.table import TrialTable


def choice_in_words(table: TrialTable, setting: str) -> str:
    """Name the best choice with its lead, or say that none is distinguishable from the others."""
    title, found = capitalise(column_named(setting).title), best_choice(table, setting)
    if found is None:
        return f"{title}: no choice is distinguishable from the others"
    lead = f"median error {percent(1 - found.ratio)} below {found.runner_up}’s"
    return f"{title}: {found.name} goes with the lowest error, {lead} (p = {number(found.p, 1)})"
