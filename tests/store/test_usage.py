"""What a study has used, by the database's clock."""

import pytest
from sqlalchemy import Engine, update

from sweep.store.engine import write_transaction
from sweep.store.handle import open_study
from sweep.store.lease import TTL_SECONDS, Holder, release, renew, take
from sweep.store.migrate import open_store
from sweep.store.schema import sweep_leases, sweep_workers
from sweep.store.usage import Usage
from tests.support.store_factories import EPOCH, add_rows, add_study

WORKER = {
    "study_id": 1,
    "name": "w0",
    "host": "here",
    "pid": 1,
    "state": "training",
    "n_finished": 0,
}


@pytest.fixture
def engine(store_url: str) -> Engine:
    engine = open_store(store_url)
    add_study(engine, "x")
    return engine


def hold(engine: Engine) -> str:
    with write_transaction(engine) as connection:
        token = take(connection, 1, Holder.this_process())
    assert isinstance(token, str)
    return token


def age(engine: Engine, seconds: float) -> None:
    """As if the lease had last been renewed so long ago."""
    with write_transaction(engine) as connection:
        later = sweep_leases.c.expires_at - seconds
        connection.execute(update(sweep_leases).values(expires_at=later))


def give_back(engine: Engine, token: str) -> None:
    with write_transaction(engine) as connection:
        release(connection, 1, token)


def test_a_study_that_nobody_ran_has_used_nothing(engine: Engine) -> None:
    assert open_study(engine, "x").usage() == Usage()


def test_time_counts_from_taking_the_lease_to_giving_it_back_once(engine: Engine) -> None:
    token = hold(engine)
    age(engine, 10)
    assert open_study(engine, "x").usage().wall_seconds == pytest.approx(
        10, abs=1
    )  # while it is held, too
    give_back(engine, token)
    give_back(engine, token)
    assert open_study(engine, "x").usage().wall_seconds == pytest.approx(10, abs=1)


def test_time_adds_up_over_renewals_and_holders(engine: Engine) -> None:
    for _ in range(2):
        token = hold(engine)
        for batch in (1, 2):
            age(engine, 5)
            with write_transaction(engine) as connection:
                renew(connection, 1, token, batch)
        give_back(engine, token)
    assert open_study(engine, "x").usage().wall_seconds == pytest.approx(20, abs=2)


def test_time_beyond_the_expiry_is_not_counted(engine: Engine) -> None:
    # A coordinator that was suspended did not run; nor did one that was killed.
    token = hold(engine)
    age(engine, 1000)
    assert open_study(engine, "x").usage().wall_seconds == 0.0
    give_back(engine, token)
    assert open_study(engine, "x").usage().wall_seconds == pytest.approx(TTL_SECONDS)


def worker(device: str, **more: object) -> dict[str, object]:
    times = {"started_at": EPOCH, "seen_at": EPOCH}
    return {**WORKER, "device": device, **times, **more}


def test_a_gpu_counts_once_however_many_workers_share_it(engine: Engine) -> None:
    token = hold(engine)
    add_rows(
        engine,
        sweep_workers,
        worker("0"),
        worker("0", name="w1"),
        worker("1", name="w2"),
        worker("0", name="w3", host="elsewhere"),
        worker("2", name="w4", state="gone"),
        worker("cpu", name="w5"),
    )
    age(engine, 10)
    found = open_study(engine, "x").usage()
    assert found.n_gpus == 3
    assert found.wall_seconds >= 10, "until now"
    assert found.gpu_seconds == pytest.approx(3 * found.wall_seconds, abs=0.01)
    give_back(engine, token)
    found = open_study(engine, "x").usage()
    assert found.n_gpus == 0, "nobody runs it"
    assert found.gpu_seconds == pytest.approx(3 * found.wall_seconds, abs=0.01)


def test_gpu_time_adds_up_over_renewals_and_workers(engine: Engine) -> None:
    token = hold(engine)
    for state, batch in (("training", 1), ("training", 2), ("gone", 3)):
        add_rows(engine, sweep_workers, worker("0", name=f"w{batch}", state=state))
        age(engine, 5)
        with write_transaction(engine) as connection:
            renew(connection, 1, token, batch)
            connection.execute(update(sweep_workers).values(state="gone"))
    assert open_study(engine, "x").usage().gpu_seconds == pytest.approx(10, abs=1)


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_is_set_by_an_hour_uses_up_no_budget(engine: Engine, step: float) -> None:
    # The expiry was written before: by the new clock it is an hour off.
    token = hold(engine)
    add_rows(engine, sweep_workers, worker("0"))
    age(engine, step)
    for batch in (1, 2):
        found = open_study(engine, "x").usage()
        assert found.gpu_seconds == pytest.approx(found.wall_seconds, abs=0.01)
        assert found.gpu_seconds < 3600
        with write_transaction(engine) as connection:
            renew(connection, 1, token, batch)
    age(engine, 5)
    found = open_study(engine, "x").usage()
    assert 5 <= found.wall_seconds == pytest.approx(found.gpu_seconds, abs=0.01)
    assert found.wall_seconds < 3600
