"""Queued trials: who begins, who is passed, who is taken out."""

from sweep.worker.trial_queue import PATIENCE, TrialQueue
from tests.support.trainer_factories import make_spec


def queue(*numbers: int) -> TrialQueue:
    made = TrialQueue()
    for number in numbers:
        made.add(make_spec(number=number, attempt=2))
    return made


def test_a_trial_is_passed_in_so_many_turns_and_then_holds_up_the_others() -> None:
    waiting = queue(0)
    for turn in range(PATIENCE + 2):
        waiting.add(make_spec(number=turn + 1))
        waiting.admit(lambda spec: spec.number > 0)
        has_waited = turn >= PATIENCE
        assert len(waiting) == 1 + has_waited * (turn + 1 - PATIENCE)


def test_a_trial_that_nobody_passes_loses_no_patience() -> None:
    waiting = queue(0, 1)
    for _ in range(2 * PATIENCE):
        waiting.admit(lambda spec: False)
    waiting.admit(lambda spec: spec.number == 1)
    assert [spec.number for spec in waiting.specs] == [0]


def test_another_attempt_is_not_taken_out() -> None:
    waiting = queue(0)
    assert waiting.remove(0, attempt=1) is None
    assert waiting.remove(1, attempt=2) is None
    removed = waiting.remove(0, attempt=2)
    assert removed is not None and removed.number == 0 and len(waiting) == 0
