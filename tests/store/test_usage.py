"""What a study has used, by the database's clock."""

import pytest
from sqlalchemy import Engine, update

from sweep.store.engine import writing
from sweep.store.handle import open_study
from sweep.store.lease import TTL_SECONDS, Holder, release, renew, take
from sweep.store.migrate import open_store
from sweep.store.schema import sweep_leases, sweep_workers
from sweep.store.usage import Usage, covered
from tests.support.store_factories import EPOCH, add_rows, add_study

WORKER = {
    "study_id": 1,
    "name": "w0",
    "host": "here",
    "pid": 1,
    "state": "gone",
    "n_finished": 0,
}


@pytest.fixture
def engine(store_url: str) -> Engine:
    engine = open_store(store_url)
    add_study(engine, "x")
    return engine


def hold(engine: Engine) -> str:
    with writing(engine) as connection:
        token = take(connection, 1, Holder.this_process())
    assert isinstance(token, str)
    return token


def age(engine: Engine, seconds: float) -> None:
    """As if the lease had last been renewed so long ago."""
    with writing(engine) as connection:
        later = sweep_leases.c.expires_at - seconds
        connection.execute(update(sweep_leases).values(expires_at=later))


def give_back(engine: Engine, token: str) -> None:
    with writing(engine) as connection:
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
            with writing(engine) as connection:
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


def worker(device: str, start: float, end: float, **more: object) -> dict[str, object]:
    return {
        **WORKER,
        "device": device,
        "started_at": EPOCH + start,
        "seen_at": EPOCH + end,
        **more,
    }


def test_a_gpu_counts_once_however_many_workers_share_it(engine: Engine) -> None:
    give_back(engine, hold(engine))
    add_rows(
        engine,
        sweep_workers,
        worker("0", 0, 100),
        worker("0", 50, 120),
        worker("1", 0, 10),
        worker("0", 0, 5, host="elsewhere"),
        worker("cpu", 0, 1e6),
        worker("0", 200, 230),  # after a resume
    )
    assert open_study(engine, "x").usage().gpu_seconds == 120 + 10 + 5 + 30
    assert open_study(engine, "x").usage().n_gpus == 0


def test_a_worker_that_lives_counts_until_now(engine: Engine) -> None:
    hold(engine)
    add_rows(engine, sweep_workers, worker("0", 0, 10, state="training"))
    found = open_study(engine, "x").usage()
    assert found.gpu_seconds > 1e6  # since EPOCH, in 2026
    assert found.n_gpus == 1


def test_spans_that_overlap_are_covered_once() -> None:
    assert covered([]) == 0
    assert covered([(5, 9), (0, 4), (3, 6), (1, 2)]) == 9
