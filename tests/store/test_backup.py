"""What docs/databases.md says of backups: a restored study is whole, healthy, and goes on."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from sweep.store import annotate
from sweep.store.engine import connect
from sweep.store.handle import open_study
from sweep.store.migrate import check_schema
from sweep.store.study import create_study, hold_study
from tests.support.postgres import PostgresServer, program
from tests.support.store_factories import new_store
from tests.support.study_factories import new_study


@pytest.fixture
def dumped(postgres_url: str) -> Iterator[Engine]:
    engine = new_store(postgres_url)
    yield engine
    engine.dispose()


def fill(engine: Engine) -> None:
    """A study as a coordinator leaves it, with a note."""
    create_study(engine, new_study("study"))
    opened = hold_study(engine, "study")
    for _ in range(3):
        opened.storage.create_new_trial(0)
    opened.writer.flush()
    opened.writer.release()
    annotate.note(engine, "study", "before the fire")


def is_the_same(restored: Engine, original: Engine) -> None:
    check_schema(restored)
    assert open_study(restored, "study").summary() == open_study(original, "study").summary()
    assert open_study(restored, "study").trials() == open_study(original, "study").trials()
    create_study(restored, new_study("new"))  # the counters of ids came along
    assert hold_study(restored, "study").storage.n_trials == 3


def test_a_dump_of_postgres_is_restored_whole_and_goes_on(
    dumped: Engine, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    fill(dumped)
    file, target = tmp_path / "sweep.dump", postgres_server.new_database()
    plain = make_url(target).set(drivername="postgresql")
    source = dumped.url.set(drivername="postgresql").render_as_string(hide_password=False)
    commands = [
        [program("pg_dump"), "--format=custom", f"--file={file}", f"--dbname={source}"],
        [
            program("pg_restore"),
            "--exit-on-error",
            "--no-owner",
            f"--dbname={plain.render_as_string(hide_password=False)}",
            file,
        ],
    ]
    for command in commands:
        subprocess.run(command, check=True)
    restored = connect(make_url(target))
    is_the_same(restored, dumped)
    restored.dispose()


def test_a_backup_of_sqlite_in_use_is_whole_and_goes_on(tmp_path: Path) -> None:
    engine = new_store(f"sqlite:///{tmp_path}/sweep.db")
    fill(engine)
    with (
        closing(sqlite3.connect(tmp_path / "sweep.db")) as source,
        closing(sqlite3.connect(tmp_path / "copy.db")) as target,
    ):
        source.backup(target)  # what the shell's .backup calls
    restored = connect(make_url(f"sqlite:///{tmp_path}/copy.db"))
    is_the_same(restored, engine)
