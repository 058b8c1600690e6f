"""The schema: made once, checked always."""

import re
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.schema import CreateIndex, CreateTable

from sweep.errors import NoRoomError, StoreError
from sweep.store.engine import connect, storage_url
from sweep.store.handle import open_study
from sweep.store.migrate import open_store, revisions, upgrade
from sweep.store.schema import sweep_metadata
from tests.support.second_revision import outdate
from tests.support.store_factories import add_study, add_trial


def test_the_migrations_make_what_the_schema_says(storage_url: str) -> None:
    engine = open_store(storage_url, create=True)
    ours = lambda name, kind, _: kind != "table" or str(name).startswith("sweep_")  # noqa: E731
    options = {"include_name": ours, "version_table": "sweep_alembic_version"}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, sweep_metadata)
    assert not [d for d in differences if "sweep" in str(d)]


def test_a_second_opening_changes_nothing(storage_url: str) -> None:
    engine = open_store(storage_url, create=True)
    add_trial(engine, add_study(engine), 0, 0.1)
    before = _read_everything(engine)
    assert {"trials", "sweep_trials"} <= before.keys()
    open_store(storage_url, create=True).dispose()
    open_store(storage_url).dispose()
    assert _read_everything(engine) == before


def _read_everything(engine: sqlalchemy.Engine) -> dict[str, list[str]]:
    """Of each table its columns, constraints and indexes, and its rows."""
    found = sqlalchemy.MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {
            name: [
                # Reflected in no order of their own.
                *sorted(re.split(r",? *\n", str(CreateTable(table).compile(engine)))),
                *sorted(str(CreateIndex(index).compile(engine)) for index in table.indexes),
                *sorted(map(repr, connection.execute(sqlalchemy.select(table)))),
            ]
            for name, table in found.tables.items()
        }


def test_a_plain_optuna_database_is_completed_and_keeps_its_studies(storage_url: str) -> None:
    optuna.create_study(storage=storage_url, study_name="theirs")
    with pytest.raises(StoreError, match="sweep db init"):
        open_store(storage_url)
    open_store(storage_url, create=True)
    assert optuna.load_study(storage=storage_url, study_name="theirs")


def test_optunas_tables_are_those_that_optuna_makes(
    sqlite_store_url: str, postgres_store_url: str, postgres_url: str, tmp_path: Path
) -> None:
    for url, theirs in (
        (sqlite_store_url, f"sqlite:///{tmp_path}/theirs.db"),
        (postgres_store_url, postgres_url),
    ):
        optuna.storages.RDBStorage(theirs).remove_session()
        made, expected = (_read_everything(sqlalchemy.create_engine(of)) for of in (url, theirs))
        assert len(expected) > 10
        assert {name: made[name] for name in expected} == expected


def test_braces_in_the_path_do_not_reach_str_format(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/{{odd}}.db", create=True)
    assert (tmp_path / "{odd}.db").exists()


def _open(url: str) -> bool:
    open_store(url, create=True).dispose()
    return True


def test_six_processes_open_a_new_database_at_once(storage_url: str) -> None:
    # Optuna's own tables are made twice at the same moment otherwise, and most processes fall.
    context = get_context("forkserver")
    context.set_forkserver_preload(["sweep.store.migrate"])  # which takes longer than the test
    with ProcessPoolExecutor(6, mp_context=context) as pool:
        assert all(pool.map(_open, [storage_url] * 6))


def test_a_store_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no study store at"):
        open_store(f"sqlite:///{tmp_path}/none.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE sweep_alembic_version SET version_num = '9999'", "newer sweep"),
        ("UPDATE version_info SET schema_version = 13", "do not have schema version"),
        ("UPDATE alembic_version SET version_num = 'v9.0.0.a'", "do not have schema version"),
        ("DELETE FROM sweep_alembic_version", "sweep db upgrade"),
    ],
)
def test_a_schema_we_do_not_know_is_refused(tmp_path: Path, change: str, says: str) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    engine = open_store(url, create=True)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(change))
    with pytest.raises(StoreError, match=says):
        open_store(url)


def test_a_store_of_an_older_version_keeps_its_rows_when_it_is_upgraded(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_store(store_url)
    add_trial(engine, add_study(engine, "old"), 0, 0.25)
    outdate(engine, tmp_path, monkeypatch)
    with pytest.raises(StoreError, match="sweep db upgrade"):
        open_store(store_url)
    upgrade(engine)
    engine.dispose()
    (trial,) = open_study(open_store(store_url), "old").trials()
    assert (trial.number, trial.value, trial.reused_from) == (0, 0.25, None)


def test_an_upgraded_store_is_refused_by_the_older_version(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_store(store_url)
    with monkeypatch.context() as newer:
        outdate(engine, tmp_path, newer)
        upgrade(engine)
    with pytest.raises(StoreError, match="newer sweep"):
        open_store(store_url)


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/x.db", create=True)
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NoRoomError, match="--storage"):
        open_store(f"sqlite:///{tmp_path}/file/x.db", create=True)


def test_connect_alone_opens_nothing(tmp_path: Path) -> None:
    connect(storage_url(f"sqlite:///{tmp_path}/x.db"))
    assert not list(tmp_path.iterdir())


def test_the_revisions_known_without_alembic_are_those_it_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "sweep:store/migrations")
    script = ScriptDirectory.from_config(config)
    assert revisions() == [one.revision for one in script.walk_revisions()][::-1]


def test_a_view_in_the_place_of_a_table_is_refused(tmp_path: Path) -> None:
    # It would run what somebody else wrote each time it is read, without an end perhaps.
    path = tmp_path / "x.db"
    open_store(f"sqlite:///{path}", create=True).dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE sweep_notes")
        connection.execute("CREATE VIEW sweep_notes AS SELECT 1 AS note_id")
        connection.commit()
    with pytest.raises(StoreError, match="sweep_notes should be a table, but is a view"):
        open_store(f"sqlite:///{path}")


def test_a_link_in_the_place_of_the_lock_is_told_and_left_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "x.db.lock").symlink_to(victim)
    with pytest.raises(NoRoomError, match=r"x\.db\.lock is a link"):
        open_store(f"sqlite:///{tmp_path / 'x.db'}", create=True)
    assert victim.read_text() == "precious"
