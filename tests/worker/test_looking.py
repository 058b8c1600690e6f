"""Looking into networks in a thread beside the training: what waits, what is dropped, what is told.

The pretended network of a trial is its number. In most tests the first look does not end before it
is let go, so what comes meanwhile waits.
"""

import os
import sys
import threading
from queue import SimpleQueue

import pytest
import torch

from sweep.config import TrialConfig
from sweep.messages import Decomposition, Event, Probe, TrialLookedInto
from sweep.trainer.initialisation import Weights
from sweep.trainer.randomness import initial_weights
from sweep.worker.fused import finder
from sweep.worker.looking import MOST_WAITING, NICENESS, Find, Look, Looker
from tests.fake_populations import DECOMPOSITION, PROBE
from tests.fake_populations import find as find_at_once
from tests.trainer_factories import SHORT, make_data, make_spec


class Gate:
    """Looks that wait to be let go; ``begun`` are the networks in the order of their looks."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self._began: SimpleQueue[None] = SimpleQueue()
        self._go: SimpleQueue[None] = SimpleQueue()

    def find(self, config: TrialConfig, network: object) -> tuple[Decomposition, Probe]:
        self.begun.append(network)
        self._began.put(None)
        self._go.get(timeout=60)
        return DECOMPOSITION, PROBE

    def await_begin(self) -> None:
        self._began.get(timeout=60)

    def let_go(self, n: int = 1) -> None:
        for _ in range(n):
            self._go.put(None)


class Stage:
    """A looker that is busy with trial 0, of its own width, until the gate is opened."""

    def __init__(self, find: Find | None = None) -> None:
        self.gate = Gate()
        self.told: SimpleQueue[Event] = SimpleQueue()
        self.looker = Looker(find or self.gate.find, self.told.put)
        if find is None:
            self.take(0, width=8, error=0.5)
            self.gate.await_begin()

    def take(self, number: int, *, width: int = 64, error: float, probe: bool = False) -> None:
        spec = make_spec(TrialConfig(hidden_width=width), number=number, probe=probe)
        self.looker.take(Look(spec=spec, error=error, network=number))

    def hear(self, n: int) -> list[TrialLookedInto]:
        events = [self.told.get(timeout=60) for _ in range(n)]
        return [event for event in events if isinstance(event, TrialLookedInto)]

    def look_at_all(self, n: int) -> list[object]:
        """Let n looks end; the networks in the order in which they were looked into."""
        self.gate.let_go(n)
        found = [one for one in self.hear(n) if one.probe is not None]
        self.looker.close()
        assert len(found) == n and self.told.empty()
        return self.gate.begun


def nothing(number: int, failure: str | None = None) -> TrialLookedInto:
    return TrialLookedInto(
        number=number, attempt=1, decomposition=None, probe=None, failure=failure
    )


def test_what_is_found_is_told_of_every_network() -> None:
    stage = Stage(find_at_once)
    stage.take(1, error=0.2)
    stage.take(2, width=128, error=0.2)
    told = [
        TrialLookedInto(number=n, attempt=1, decomposition=DECOMPOSITION, probe=PROBE)
        for n in (1, 2)
    ]
    assert stage.hear(2) == told
    stage.looker.close()


def test_a_newer_best_replaces_one_of_its_width_that_waits_and_takes_its_place() -> None:
    # Were it to wait at the end, a width that improves often would wait for ever.
    stage = Stage()
    stage.take(1, error=0.4)
    stage.take(2, width=256, error=0.4)
    stage.take(3, width=70, error=0.3)  # about as wide as 64
    assert stage.hear(1) == [nothing(1)]
    assert stage.look_at_all(3) == [0, 3, 2]


def test_a_look_under_way_is_finished_though_a_better_one_comes() -> None:
    stage = Stage()
    stage.take(1, width=8, error=0.1)
    assert stage.look_at_all(2) == [0, 1]


def test_a_worse_one_of_a_width_waits_beside_a_better_one() -> None:
    # The better one was marked invalid while it waited: the coordinator calls the next the best of
    # the width. Only one trial that is worse was in between, and it is needed no more.
    stage = Stage()
    stage.take(1, error=0.1)
    stage.take(2, error=0.4)
    stage.take(3, error=0.3)
    assert stage.hear(1) == [nothing(2)]
    assert stage.look_at_all(3) == [0, 1, 3]


def test_what_was_asked_for_is_never_dropped() -> None:
    stage = Stage()
    for number in (1, 2, 3):
        stage.take(number, error=0.4 - 0.1 * number, probe=True)
    assert stage.look_at_all(4) == [0, 1, 2, 3]


def test_there_is_room_until_too_many_wait() -> None:
    stage = Stage()
    for number in range(1, MOST_WAITING + 2):
        assert stage.looker.has_room
        stage.take(number, error=0.1, probe=True)
    assert not stage.looker.has_room
    stage.gate.let_go()
    stage.gate.await_begin()
    assert stage.looker.has_room
    stage.gate.let_go()
    stage.looker.close()


def test_a_look_that_fails_costs_itself_alone() -> None:
    def find(config: TrialConfig, network: object) -> tuple[None, Probe]:
        if network == 1:
            raise torch.linalg.LinAlgError("no convergence")
        return None, PROBE

    stage = Stage(find)
    stage.take(1, error=0.2)
    (failed,) = stage.hear(1)  # before the next, which would take its place
    stage.take(2, error=0.1)
    (found,) = stage.hear(1)
    assert failed.failure is not None and "no convergence" in failed.failure
    assert failed == nothing(1, failed.failure)
    assert (found.number, found.probe, found.failure) == (2, PROBE, None)
    stage.looker.close()


def test_at_the_end_the_look_under_way_is_finished_and_what_waits_is_dropped() -> None:
    stage = Stage()
    stage.take(1, error=0.1)
    closing = threading.Thread(target=stage.looker.close)
    closing.start()
    stage.gate.let_go()
    closing.join(timeout=60)
    assert [found.number for found in stage.hear(1)] == [0]
    assert stage.gate.begun == [0] and stage.told.empty()


def test_a_look_that_hangs_is_waited_for_no_longer_than_told() -> None:
    stage = Stage()
    closing = threading.Thread(target=stage.looker.close, args=[0.01])
    closing.start()
    closing.join(timeout=5)
    assert not closing.is_alive()
    stage.gate.let_go()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_told_to_who_would_wait_for_it() -> None:
    def send(event: Event) -> None:
        died.set()
        raise OSError("the pipe is closed")

    died = threading.Event()
    looker = Looker(find_at_once, send)
    look = Look(spec=make_spec(), error=0.1, network=1)
    looker.take(look)
    assert died.wait(timeout=60)
    looker.close()  # so that the thread is gone
    with pytest.raises(RuntimeError, match="is dead"):
        looker.take(look)
    with pytest.raises(RuntimeError, match="is dead"):
        _ = looker.has_room


def test_a_looker_that_never_looked_ends_at_once() -> None:
    Looker(find_at_once, lambda event: None).close()


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux have threads a priority")
def test_looking_gives_way_to_other_threads() -> None:
    seen: list[int] = []

    def find(config: TrialConfig, network: object) -> tuple[None, None]:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return None, None

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    stage = Stage(find)
    stage.take(1, error=0.1)
    stage.hear(1)
    stage.looker.close()
    assert seen == [NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_a_real_look_takes_one_thread_and_leaves_the_others_theirs() -> None:
    data, n_threads = make_data(), torch.get_num_threads()
    seen: list[int] = []
    find = finder(data)

    def watched(config: TrialConfig, weights: Weights) -> tuple[Decomposition | None, Probe | None]:
        found = find(config, weights)
        seen.append(torch.get_num_threads())
        return found

    told: SimpleQueue[Event] = SimpleQueue()
    looker = Looker(watched, told.put)
    torch.set_num_threads(2)
    try:
        network = initial_weights(SHORT, data.n_inputs, 7)
        looker.take(Look(spec=make_spec(), error=0.1, network=network))
        found = told.get(timeout=60)
        looker.close()
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(n_threads)
    assert isinstance(found, TrialLookedInto) and found.failure is None
    assert found.decomposition is not None and found.probe is not None
