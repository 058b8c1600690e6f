"""Find out which settings a trial uses: momentum has no effect with Adam."""

import numpy as np

from sweep.catalogue.settings import SETTINGS
from sweep.store.table import Choices, Mask, TrialTable


def uses_setting(table: TrialTable, setting: str) -> Mask:
    """Select the trials whose training depends on a setting that they have."""
    column = table.column(setting)
    known: Mask = column.codes >= 0 if isinstance(column, Choices) else np.isfinite(column)
    needs = SETTINGS[setting].used_with if setting in SETTINGS else None
    if needs is None or needs.setting not in table.settings:
        return known
    other = table.settings[needs.setting]
    if isinstance(other, Choices):
        asked: Mask = np.logical_or.reduce([other.is_(choice) for choice in needs.choices])
    else:
        asked = np.isin(other, needs.choices)
    return known & asked
