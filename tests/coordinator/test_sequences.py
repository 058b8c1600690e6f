"""Random sequences of events; ``python -m benchmarks.fuzz --sequences 1000`` tries more of them."""

import pytest

from tests.support.event_sequences import run


@pytest.mark.timeout(600)
def test_no_sequence_of_events_loses_or_doubles_a_trial() -> None:
    run(10)
