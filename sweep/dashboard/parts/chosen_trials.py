"""Choose the trials that the page Compare shows."""

from collections.abc import Sequence
from typing import NamedTuple

from sweep.analysis.verdict import baseline_number
from sweep.dashboard import links
from sweep.findings.ranking import best_numbers
from sweep.store.table import TrialTable

#: Maximum number of trials that fit side by side.
MOST = 8
_N_BEST = 3


class ChosenTrials(NamedTuple):
    """Trials to compare."""

    numbers: list[int]
    #: Why others are omitted, as sentences.
    complaints: list[str]


def choose(table: TrialTable, wanted: Sequence[str]) -> ChosenTrials:
    """Return the trials of this study among the wanted numbers, each once, MOST at most."""
    numbers, complaints = [], []
    for text in dict.fromkeys(part.strip() for part in wanted if part.strip()):
        number = links.trial_number(text)
        if number is None:
            complaints.append(f"“{text}” is not a trial number.")
        elif table.row_of(number) is None:
            complaints.append(f"This study has no trial {number}.")
        else:
            numbers.append(number)
    numbers = list(dict.fromkeys(numbers))
    if len(numbers) > MOST:
        left_out = ", ".join(map(str, numbers[MOST:]))
        complaints.append(f"{MOST} trials fit side by side; not shown: {left_out}.")
    return ChosenTrials(numbers[:MOST], complaints)


def usual(table: TrialTable) -> list[int]:
    """Return the initial comparison: the best trials and the baseline."""
    best = best_numbers(table, _N_BEST)
    baseline = baseline_number(table)
    return best if baseline is None or baseline in best else [*best, baseline]
