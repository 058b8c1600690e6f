"""Who may write a study. Each race has its own test."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest
from sqlalchemy import Engine, insert, select, update

from sweep.errors import LeaseLostError, StoreError, StudyHeldError
from sweep.store import clock, revisions
from sweep.store.engine import write_transaction
from sweep.store.lease import (
    TTL_SECONDS,
    Held,
    Holder,
    Watch,
    keep_renewed,
    release,
    renew,
    take,
    take_or_wait,
)
from sweep.store.migrate import open_store
from sweep.store.schema import sweep_events, sweep_leases
from tests.support.store_factories import add_study

EVENT = {"at": 1.0, "study_id": 1, "kind": "worker gone", "message": "x"}
ELSEWHERE = Holder(host="elsewhere", pid=1, process={"boot": "x", "pid_namespace": "y"})


@pytest.fixture
def engine(store_url: str) -> Engine:
    engine = open_store(store_url)
    add_study(engine, "x")
    return engine


def take_as(engine: Engine, holder: Holder) -> object:
    with write_transaction(engine) as connection:
        return take(connection, 1, holder)


def expire(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.execute(update(sweep_leases).values(expires_at=1.0))


def expiry(engine: Engine) -> float:
    with engine.connect() as connection:
        return float(connection.execute(select(sweep_leases.c.expires_at)).scalar_one())


def dead_holder() -> Holder:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        created = psutil.Process(process.pid).create_time()
        process.kill()
    here = Holder.this_process()
    return Holder(host=here.host, pid=process.pid, process={**here.process, "started": created})


def test_a_second_coordinator_is_told_who_holds_the_study(engine: Engine) -> None:
    take_as(engine, Holder.this_process())
    with pytest.raises(StudyHeldError, match=f"process {os.getpid()}.*sweep stop x"):
        take_or_wait(engine, 1, "x")


def test_an_expired_lease_is_taken_and_its_old_holder_may_not_write(engine: Engine) -> None:
    # A coordinator that was suspended past its expiry wakes up: it must notice before it writes.
    old = take_as(engine, ELSEWHERE)
    expire(engine)
    new = take_as(engine, Holder.this_process())
    assert new != old
    with pytest.raises(LeaseLostError), write_transaction(engine) as connection:
        renew(connection, 1, str(old), 1)
    with write_transaction(engine) as connection:
        renew(connection, 1, str(new), 1)


def test_an_expired_lease_that_nobody_took_is_still_its_holders(engine: Engine) -> None:
    token = take_as(engine, Holder.this_process())
    expire(engine)
    with write_transaction(engine) as connection:
        renew(connection, 1, str(token), 1)


def test_a_provably_dead_coordinator_on_this_host_is_replaced_at_once(engine: Engine) -> None:
    take_as(engine, dead_holder())
    assert isinstance(take_as(engine, Holder.this_process()), str)


def test_a_pid_that_was_given_to_another_process_does_not_keep_the_lease() -> None:
    here = Holder.this_process()
    earlier = replace(here, process={**here.process, "started_ticks": 1.0})
    assert earlier.provably_dead() and not here.provably_dead()


def test_a_clock_that_was_set_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the system tells of a process's start moves with the clock; whoever took a lease before
    # the clock was set would seem to be another process than the one that has its number now.
    holder = Holder.this_process()
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + 3600)
    assert not holder.provably_dead()


@pytest.mark.parametrize("wrong_by_seconds", [-86_400, 86_400])
def test_only_the_databases_clock_counts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, wrong_by_seconds: int
) -> None:
    # A host whose clock is a day off takes no lease that holds, and holds none that ran out.
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + wrong_by_seconds)
    token = take_as(engine, ELSEWHERE)
    with write_transaction(engine) as connection:
        renew(connection, 1, str(token), 1)
    held = take_as(engine, Holder.this_process())
    assert isinstance(held, Held) and TTL_SECONDS - 5 < held.seconds_left <= TTL_SECONDS
    with engine.connect() as connection:
        assert abs(clock.read(connection) - real()) < 60
    expire(engine)
    assert isinstance(take_as(engine, Holder.this_process()), str)


def test_nothing_is_provable_about_another_host() -> None:
    assert not ELSEWHERE.provably_dead()


def test_a_silent_holder_elsewhere_is_waited_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_as(engine, ELSEWHERE)
    heard: list[float] = []

    def waiting(left: float) -> None:
        heard.append(left)
        expire(engine)

    monkeypatch.setattr("sweep.store.lease.RENEW_SECONDS", 0.1)
    assert take_or_wait(engine, 1, "x", waiting=waiting)
    assert 25 < heard[0] <= 30


def set_clock(engine: Engine, by_seconds: float) -> None:
    """As if the database's clock had been set since the lease was last renewed."""
    with write_transaction(engine) as connection:
        expires_at = sweep_leases.c.expires_at - by_seconds
        connection.execute(update(sweep_leases).values(expires_at=expires_at))


@pytest.mark.parametrize("by_seconds", [-3600, 3600])
@pytest.mark.parametrize("holder", [ELSEWHERE, Holder.this_process()], ids=["elsewhere", "here"])
def test_a_clock_that_was_set_takes_no_lease_from_a_holder_that_renews(
    engine: Engine, holder: Holder, by_seconds: float
) -> None:
    # Its lease seems to have run out, or to hold for an hour, until it renews it a moment later.
    token = str(take_as(engine, holder))
    set_clock(engine, by_seconds)

    def it_renews(left: float) -> None:
        with write_transaction(engine) as connection:
            renew(connection, 1, token, 1)

    with pytest.raises(StudyHeldError, match="is run by"):
        take_or_wait(engine, 1, "x", waiting=it_renews)


def test_a_lease_is_watched_by_a_monotonic_clock(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_as(engine, ELSEWHERE)
    held = take_as(engine, Holder.this_process())
    assert isinstance(held, Held)
    watch, real = Watch(), time.time
    before = watch.seconds_to_go(held)
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    assert before - 5 < watch.seconds_to_go(held) <= before


def test_a_clock_that_was_set_back_keeps_no_study_from_its_next_coordinator(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its holder has died on another host: its lease would hold for an hour more.
    take_as(engine, ELSEWHERE)
    set_clock(engine, -3600)
    monkeypatch.setattr("sweep.store.lease.TTL_SECONDS", 0.5)
    heard: list[float] = []
    assert take_or_wait(engine, 1, "x", waiting=heard.append)
    assert 0 < heard[0] <= 0.5


def test_a_holder_elsewhere_that_renews_is_alive_and_not_waited_for(engine: Engine) -> None:
    token = take_as(engine, ELSEWHERE)

    def it_renews(left: float) -> None:
        with write_transaction(engine) as connection:
            renew(connection, 1, str(token), 1)

    with pytest.raises(StudyHeldError, match="elsewhere"):
        take_or_wait(engine, 1, "x", waiting=it_renews)


def test_a_lease_given_back_is_free(engine: Engine) -> None:
    token = take_as(engine, ELSEWHERE)
    with write_transaction(engine) as connection:
        release(connection, 1, str(token))
    assert isinstance(take_as(engine, Holder.this_process()), str)


def test_of_many_who_find_an_expired_lease_one_takes_it(engine: Engine) -> None:
    # Each looks, finds it expired, and writes its own token: the row's lock, or SQLite's, lets them
    # look one after the other.
    take_as(engine, ELSEWHERE)
    expire(engine)
    taken: list[object] = []
    barrier = threading.Barrier(6)

    def run() -> None:
        barrier.wait()
        taken.append(take_as(engine, ELSEWHERE))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in taken) == ["Held"] * 5 + ["str"]


def test_a_transaction_that_stands_still_does_not_keep_a_lease_that_ran_out(
    postgres_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A coordinator was stopped in its transaction, after rows that went as a pipeline: the server
    # keeps the locks of its lease and its study for as long as its process stands.
    engine = open_store(postgres_store_url)
    add_study(engine, "x")
    token = str(take_as(engine, ELSEWHERE))
    expire(engine)
    with pytest.raises(StoreError, match="terminat"), write_transaction(engine) as stopped:
        revisions.advance(stopped, 1)
        renew(stopped, 1, token, 1)
        stopped.execute(insert(sweep_events), [EVENT, EVENT])
        monkeypatch.setattr("sweep.store.lease.TTL_SECONDS", 0.5)
        time.sleep(1)
        assert isinstance(take_as(engine, Holder.this_process()), str)
        stopped.execute(insert(sweep_events), [EVENT])
    with engine.connect() as connection:
        assert not connection.execute(select(sweep_events)).all()


def test_a_lease_that_ran_out_and_is_locked_is_waited_for_and_not_hung_upon(
    postgres_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ending one transaction of a coordinator that stands still lets another of its own have the row
    # that it waited for, and stand still in its turn. Whoever queues at the row would never be back
    # to end that one too.
    engine = open_store(postgres_store_url)
    add_study(engine, "x")
    token = str(take_as(engine, ELSEWHERE))
    expire(engine)
    locked: list[float] = []
    with engine.connect() as other, other.begin() as transaction:
        renew(other, 1, token, 1)

        def waiting(left: float) -> None:
            locked.append(left)
            transaction.rollback()

        monkeypatch.setattr("sweep.store.lease.RENEW_SECONDS", 0.0)
        assert take_or_wait(engine, 1, "x", waiting=waiting)
    assert locked == [0.0]


def test_a_lease_is_kept_while_its_holder_is_long_in_an_ask(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.store.lease.RENEW_SECONDS", 0.05)
    token = str(take_as(engine, Holder.this_process()))
    expire(engine)
    with keep_renewed(engine, 1, token):
        while expiry(engine) == 1.0:
            time.sleep(0.01)
    assert isinstance(take_as(engine, ELSEWHERE), Held)


def test_a_renewal_does_not_bring_back_a_lease_that_another_has_taken(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread that keeps the lease of a coordinator that was suspended wakes with it.
    monkeypatch.setattr("sweep.store.lease.RENEW_SECONDS", 0.01)
    old = str(take_as(engine, ELSEWHERE))
    expire(engine)
    new = str(take_as(engine, ELSEWHERE))
    expire(engine)
    with keep_renewed(engine, 1, old):
        time.sleep(0.2)
    assert expiry(engine) == 1.0
    with write_transaction(engine) as connection:
        renew(connection, 1, new, 1)
