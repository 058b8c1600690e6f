"""Tables that are not as this version writes them."""

from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Engine

from sweep.store import drift
from sweep.store.engine import write_transaction
from sweep.store.migrate import open_store
from tests.support.second_revision import outdate
from tests.support.store_factories import add_study


@pytest.fixture
def engine(store_url: str) -> Engine:
    engine = open_store(store_url)
    add_study(engine, "x")
    return engine


def change(engine: Engine, *statements: str) -> None:
    with write_transaction(engine) as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))


def describe(engine: Engine) -> list[str]:
    return [difference.what for difference in drift.differences(engine)]


def test_a_new_store_has_no_differences(engine: Engine) -> None:
    assert describe(engine) == []


def test_what_is_missing_is_named_and_added(engine: Engine) -> None:
    change(
        engine,
        "DROP TABLE sweep_tags",
        "DROP INDEX sweep_events_study",
        "ALTER TABLE sweep_trials DROP COLUMN reused_from",
        "ALTER TABLE sweep_leases DROP COLUMN held_seconds",
    )
    assert sorted(describe(engine)) == [
        "the column sweep_leases.held_seconds is missing",
        "the column sweep_trials.reused_from is missing",
        "the index sweep_events_study is missing",
        "the index sweep_tags_study is missing",
        "the table sweep_tags is missing",
    ]
    drift.repair(engine, "x", drift.differences(engine))
    assert describe(engine) == []


def test_what_is_lost_for_good_or_not_ours_is_only_told(engine: Engine) -> None:
    change(
        engine,
        "ALTER TABLE sweep_commands DROP COLUMN payload",
        "ALTER TABLE trial_heartbeats ADD COLUMN more INTEGER",
        "CREATE TABLE sweep_extra (id INTEGER)",
        "CREATE TABLE somebody_elses (id INTEGER)",
    )
    found = drift.differences(engine)
    assert all(difference.repair is None for difference in found)
    assert sorted(difference.what for difference in found) == [
        "the column sweep_commands.payload is missing",
        "unexpected column: trial_heartbeats.more",
        "unexpected table: sweep_extra",
    ]


def test_an_older_version_is_upgraded(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outdate(engine, tmp_path, monkeypatch)
    (difference,) = drift.differences(engine)
    assert difference.is_behind
    drift.repair(engine, "x", [difference])
    assert describe(engine) == []


@pytest.mark.parametrize(
    "change_of_version",
    [
        "UPDATE sweep_alembic_version SET version_num = '9999'",
        "UPDATE version_info SET schema_version = 13",
        "UPDATE alembic_version SET version_num = 'v9.0.0.a'",
    ],
)
def test_a_version_that_is_not_ours_to_mend_is_told_and_left(
    engine: Engine, change_of_version: str
) -> None:
    change(engine, change_of_version)
    (before,) = drift.differences(engine)
    assert not before.is_behind
    drift.repair(engine, "x", [before])
    assert drift.differences(engine) == [before]
