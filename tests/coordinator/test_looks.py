"""What is found in networks after their trials ended: whose it is, how long it is waited for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from optuna.trial import TrialState
from sqlalchemy import select, update

from sweep.analysis.study_usefulness import study_usefulness
from sweep.config import TrialConfig
from sweep.coordinator.looks import LOOK_SECONDS, Looks
from sweep.coordinator.requests import request_trial
from sweep.enums import CommandKind
from sweep.launch.launcher import Gone
from sweep.messages import (
    PopulationHalved,
    Ready,
    Room,
    TrialDone,
    TrialLookedInto,
    TrialSpec,
    WorkerFailed,
)
from sweep.store import annotate, annotations, commands, read
from sweep.store.engine import Engine
from sweep.store.schema import sweep_leases, sweep_trials, sweep_workers
from sweep.store.study import hold_study
from tests.coordinator.lockstep import Lockstep, Puppet
from tests.coordinator.test_heartbeat_monitor import Clock
from tests.coordinator.test_loop import lockstep
from tests.coordinator.test_run import states
from tests.coordinator.test_sequences import _done, _ready, _train
from tests.fake_populations import DECOMPOSITION, PROBE
from tests.store_factories import sqlite_store


def done(spec: TrialSpec) -> TrialDone:
    """The trial is over; its network is looked into."""
    return replace(_done(spec), look_follows=True)


def found(spec: TrialSpec, failure: str | None = None) -> TrialLookedInto:
    decomposition, probe = (None, None) if failure else (DECOMPOSITION, PROBE)
    return TrialLookedInto(
        number=spec.number,
        attempt=spec.attempt,
        decomposition=decomposition,
        probe=probe,
        failure=failure,
    )


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    # Every tick is written, and waits for its transaction.
    monkeypatch.setattr("sweep.coordinator.buffered_writer.GATHER_SECONDS", 0.0)
    monkeypatch.setattr("sweep.coordinator.buffered_writer.WAIT_SECONDS", 60.0)
    monkeypatch.setattr("sweep.coordinator.user_requests.COMMAND_SECONDS", 0.0)
    return sqlite_store(tmp_path)


def settle(coordinator: Lockstep) -> None:
    """What was said is heard, and what was asked for is handed out."""
    for _ in range(2):
        if not coordinator.ended:
            coordinator.tick()


@contextmanager
def one_worker(engine: Engine, *overrides: str) -> Iterator[tuple[Lockstep, Puppet]]:
    with lockstep(engine, *overrides) as coordinator:
        yield coordinator, coordinator.puppets.started[0]


def finish(worker: Puppet, spec: TrialSpec) -> None:
    """All that a worker says of a trial but for what it finds in its network."""
    _train(worker, spec)
    worker.say(done(spec))


def post_stop(engine: Engine) -> None:
    commands.post(engine, read.study(engine, "x").study_id, CommandKind.STOP)


def looked_into(engine: Engine) -> set[int]:
    probes = annotations.probes(engine, "x")
    assert set(annotations.decompositions(engine, "x")) == set(probes)
    assert all(probe == asdict(PROBE) for probe in probes.values())
    return set(probes)


def told(engine: Engine, kind: str) -> list[tuple[int | None, str]]:
    return [(e.number, e.message) for e in read.events(engine, "x") if e.kind == kind]


def revision(engine: Engine, spec: TrialSpec) -> int:
    """When its trial changed last."""
    with engine.connect() as connection:
        query = select(sweep_trials.c.revision).where(sweep_trials.c.number == spec.number)
        return connection.execute(query).scalar_one()


def test_what_is_found_later_is_written_to_its_trial_and_seen_by_who_asks_for_news(
    engine: Engine,
) -> None:
    with one_worker(engine) as (coordinator, worker):
        first = worker.given()[0]
        finish(worker, first)
        coordinator.tick()
        assert read.trial(engine, "x", first.number).state == "COMPLETE"
        before = revision(engine, first)
        worker.say(found(first))
        settle(coordinator)
        assert looked_into(engine) == {first.number}
        assert revision(engine, first) > before


def test_a_find_of_an_attempt_that_was_put_back_is_refused(engine: Engine) -> None:
    # The memory ran out, so the trial begins anew; what is said of its first attempt comes from
    # a worker that is not in its right mind, before and after the second one has ended.
    with one_worker(engine) as (coordinator, worker):
        old = worker.given()[0]
        room = Room(slots=2, rows=2048)
        put_back = ((old.number, old.attempt),)
        worker.say(PopulationHalved(before=room, room=room, put_back=put_back, reason="memory"))
        settle(coordinator)
        (new,) = (s for s in worker.given() if (s.number, s.attempt) == (old.number, 2))
        finish(worker, old)
        worker.say(found(old))
        settle(coordinator)
        assert read.trial(engine, "x", old.number).state == "RUNNING"
        assert looked_into(engine) == set()
        finish(worker, new)
        worker.say(found(old))
        settle(coordinator)
        assert looked_into(engine) == set()
        refused = [message for _, message in told(engine, "late result refused")]
        assert refused.count("TrialLookedInto of attempt 1, which is not current") == 2
        worker.say(found(new))
        settle(coordinator)
        assert looked_into(engine) == {new.number}


def test_a_find_is_accepted_once_and_of_nobody_but_who_trained(engine: Engine) -> None:
    with one_worker(engine) as (coordinator, worker):
        first, second = worker.given()[:2]
        worker.say(found(first))  # before its trial is over
        finish(worker, first)
        worker.say(found(first))
        worker.say(found(first))
        worker.say(found(second))
        settle(coordinator)
        assert looked_into(engine) == {first.number}
        assert [n for n, _ in told(engine, "late result refused")] == [0, 0, 1]


def test_what_is_found_in_a_trial_that_was_marked_invalid_is_kept_and_not_counted(
    engine: Engine,
) -> None:
    # The mark came after the trial ended and before its look did. Taken back, all is there.
    with one_worker(engine) as (coordinator, worker):
        first = worker.given()[0]
        finish(worker, first)
        settle(coordinator)
        annotate.invalidate(engine, "x", first.number)
        settle(coordinator)
        worker.say(found(first))
        settle(coordinator)
        assert looked_into(engine) == {first.number}
        assert study_usefulness(engine, "x") is None
        annotate.validate(engine, "x", first.number)
        useful = study_usefulness(engine, "x")
        assert useful is not None and [of.number for of in useful.best] == [first.number]


def test_a_worker_that_dies_before_its_look_loses_the_look_alone(engine: Engine) -> None:
    # Trial 0 is over and stays so; what its dead worker may still have sent is nobody's.
    with one_worker(engine) as (coordinator, worker):
        first = worker.given()[0]
        finish(worker, first)
        worker.say(Gone(reason="killed by signal 9"))
        worker.say(found(first))
        settle(coordinator)
        assert read.trial(engine, "x", first.number).state == "COMPLETE"
        assert read.trial(engine, "x", first.number).attempt == 1
        assert looked_into(engine) == set()
        assert told(engine, "networks not looked into") == [
            (None, "trials 0: their worker is gone")
        ]
        assert len(coordinator.puppets.started) == 2, "the study goes on with another"


def test_a_look_that_failed_is_told_with_its_reason(engine: Engine) -> None:
    with one_worker(engine) as (coordinator, worker):
        first = worker.given()[0]
        finish(worker, first)
        worker.say(found(first, failure="LinAlgError: no convergence"))
        settle(coordinator)
        assert looked_into(engine) == set()
        failed = told(engine, "network not looked into")
        assert failed == [(first.number, "LinAlgError: no convergence")]


def finish_all(coordinator: Lockstep, worker: Puppet) -> list[TrialSpec]:
    """Everything is trained, and every network still to be looked into."""
    finished: list[TrialSpec] = []
    while len(finished) < 12:
        for spec in worker.given()[len(finished) :]:
            finish(worker, spec)
            finished.append(spec)
        coordinator.tick()
    settle(coordinator)
    return finished


def test_a_study_ends_when_the_last_network_was_looked_into(engine: Engine) -> None:
    with one_worker(engine) as (coordinator, worker):
        specs = finish_all(coordinator, worker)
        for spec in specs:
            assert not coordinator.ended
            assert coordinator.progress is not None and coordinator.progress.phase == "looking"
            worker.say(found(spec))
            coordinator.tick()
        while not coordinator.ended:
            coordinator.tick()
        assert coordinator.phase == "finished"
    assert looked_into(engine) == set(range(12))
    assert states(str(engine.url)) == [TrialState.COMPLETE] * 12


def test_whoever_asks_is_told_that_a_study_waits_for_looks(engine: Engine) -> None:
    with one_worker(engine) as (coordinator, worker):
        finish_all(coordinator, worker)
        assert [one.state for one in read.workers(engine, "x")] == ["looking"]
        ((_, message),) = told(engine, "looking into networks")
        assert message.startswith("all is trained; still to come: trials 0, 1, ")


def test_looks_that_a_coordinator_took_with_it_are_told_by_the_next_one(engine: Engine) -> None:
    with one_worker(engine, "workers.retries=0") as (coordinator, worker):
        worker.say(Ready(**{**vars(_ready()), "room": Room(slots=2, rows=2048)}))
        finish(worker, worker.given()[0])
        settle(coordinator)
        coordinator.kill()  # by SIGKILL: it notes nothing
    with engine.begin() as connection:
        connection.execute(update(sweep_workers).values(state="training"))
        connection.execute(update(sweep_leases).values(expires_at=0.0))
    hold_study(engine, "x")
    ((_, message),) = told(engine, "coordinator gone")
    assert "wait again" in message or "waits again" in message
    assert "`sweep probe x` names them" in message
    hold_again = read.events(engine, "x")
    with engine.begin() as connection:
        connection.execute(update(sweep_leases).values(expires_at=0.0))
    hold_study(engine, "x")
    assert read.events(engine, "x") == hold_again, "the second one was not cut short in anything"


def test_looks_that_an_error_ends_are_told(engine: Engine) -> None:
    with one_worker(engine, "budget.max_failures=0") as (coordinator, worker):
        finish(worker, worker.given()[0])
        settle(coordinator)
        worker.say(WorkerFailed(error="DataError", message="the data are gone"))
        coordinator.tick()
        assert coordinator.ended
    assert told(engine, "networks not looked into") == [
        (None, "trials 0: the study ended with an error")
    ]


def test_a_worker_that_dies_when_all_is_trained_has_no_successor(engine: Engine) -> None:
    # Its looks are lost, and nobody else could make up for them.
    with one_worker(engine) as (coordinator, worker):
        first, *others = finish_all(coordinator, worker)
        worker.say(found(first))
        worker.say(Gone(reason="killed by signal 9"))
        settle(coordinator)
        assert coordinator.phase == "finished"
        assert len(coordinator.puppets.started) == 1
    assert looked_into(engine) == {first.number}
    (event,) = told(engine, "networks not looked into")
    lost = ", ".join(str(spec.number) for spec in others)
    assert event[1] == f"trials {lost}: their worker is gone"


def test_a_worker_that_died_when_all_was_trained_has_a_successor_once_there_is_more(
    engine: Engine,
) -> None:
    with one_worker(engine) as (coordinator, worker):
        finish_all(coordinator, worker)
        request_trial(engine, "x", {"hidden_width": 333})
        worker.say(Gone(reason="killed by signal 9"))
        settle(coordinator)
        assert not coordinator.ended
        _, successor = coordinator.puppets.started
        assert successor.device == worker.device


def test_a_study_that_waits_for_looks_still_takes_what_is_enqueued(engine: Engine) -> None:
    with one_worker(engine) as (coordinator, worker):
        finish_all(coordinator, worker)
        request_trial(engine, "x", {"hidden_width": 333})
        while len(worker.given()) == 12:
            coordinator.tick()
        assert worker.given()[-1].config.hidden_width == 333


def test_a_study_does_not_wait_for_ever_for_a_look_that_does_not_come(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("sweep.coordinator.looks.LOOK_SECONDS", 10.0)
    monkeypatch.setattr("sweep.coordinator.loop.Looks", lambda: Looks(clock))
    with one_worker(engine) as (coordinator, worker):
        first, *others = finish_all(coordinator, worker)
        worker.say(found(first))
        for _ in range(10):
            assert not coordinator.ended
            coordinator.tick()
            clock.seconds += 1.0
        settle(coordinator)
        assert coordinator.phase == "finished"
    assert looked_into(engine) == {first.number}
    lost = ", ".join(str(spec.number) for spec in others)
    (event,) = told(engine, "networks not looked into")
    assert event[1].startswith(f"trials {lost}: nothing was found for")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_waits_for_looks_and_twice_does_not(
    engine: Engine, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[Callable[[], None]] = []
    monkeypatch.setattr(
        "sweep.coordinator.run._signals", lambda handler: handlers.append(handler) or nullcontext()
    )
    with one_worker(engine) as (coordinator, worker):
        specs = finish_all(coordinator, worker)
        handlers[0]()
        settle(coordinator)
        assert not coordinator.ended
        if times == 1:
            for spec in specs:
                worker.say(found(spec))
        else:
            handlers[0]()
        while not coordinator.ended:
            coordinator.tick()
        assert coordinator.phase == "interrupted"
    assert looked_into(engine) == (set(range(12)) if times == 1 else set())
    lost = told(engine, "networks not looked into")
    assert len(lost) == times - 1
    assert all(message.endswith("10, 11: interrupted twice") for _, message in lost)


def test_a_second_stop_waits_for_no_look(engine: Engine) -> None:
    with one_worker(engine) as (coordinator, worker):
        finish_all(coordinator, worker)
        post_stop(engine)
        settle(coordinator)
        assert not coordinator.ended
        post_stop(engine)
        settle(coordinator)
        assert coordinator.phase == "stopped"
    ((_, lost),) = told(engine, "networks not looked into")
    assert lost.endswith("10, 11: stopped again as it ended")


# How long is waited


def awaited(*numbers: int) -> tuple[Looks, Clock]:
    """A worker that looks into the networks of these trials."""
    clock = Clock()
    looks = Looks(clock)
    for number in numbers:
        looks.begin("w0", done(spec_of(number)))
    return looks, clock


def spec_of(number: int) -> TrialSpec:
    return TrialSpec(number=number, attempt=1, config=TrialConfig(), seeds=(number,))


def wait(looks: Looks, clock: Clock, seconds: float) -> list[str]:
    """Look every half second."""
    slow: list[str] = []
    for _ in range(round(2 * seconds)):
        clock.seconds += 0.5
        slow = looks.too_slow()
    return slow


def test_each_look_has_its_own_time() -> None:
    looks, clock = awaited(1, 2)
    assert wait(looks, clock, LOOK_SECONDS - 1) == []
    assert looks.end("w0", found(spec_of(1)))
    assert wait(looks, clock, LOOK_SECONDS - 1) == []
    assert wait(looks, clock, 2) == ["w0"]
    assert looks.lose("w0") == [2] and looks.awaited == []


def test_all_looks_of_a_study_that_is_to_end_share_their_time() -> None:
    looks, clock = awaited(1, 2)
    looks.bound()
    assert wait(looks, clock, LOOK_SECONDS - 1) == []
    assert looks.end("w0", found(spec_of(1)))
    assert wait(looks, clock, 2) == ["w0"]


def test_time_in_which_trials_trained_is_not_counted() -> None:
    # Nobody waited then, and the thread that looks gives way to the others.
    looks, clock = awaited(1)
    clock.seconds += 10 * LOOK_SECONDS
    assert wait(looks, clock, LOOK_SECONDS - 1) == []
