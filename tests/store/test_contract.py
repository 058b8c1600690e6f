"""What a study store promises, wherever it lives: SQLite, PostgreSQL, or memory."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import Engine, event, func, select
from sqlalchemy.pool import QueuePool

from sweep.enums import CommandKind
from sweep.errors import LeaseLostError, NotFoundError, StoreError, StudyHeldError
from sweep.store import annotate, clock, commands, schema
from sweep.store.engine import write_transaction
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.lookup import find_key
from sweep.store.memory import memory_store
from sweep.store.migrate import check_schema, initialise, open_store
from sweep.store.study import OpenStudy, create_study, hold_study, invalid_trials
from sweep.store.table_reader import TableReader
from tests.support.store_factories import sqlite_store
from tests.support.study_factories import new_study


class StoreContract:
    """Each test for each store; a subclass brings an empty one."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        raise NotImplementedError

    @pytest.fixture
    def opened(self, engine: Engine) -> OpenStudy:
        create_study(engine, new_study("x"))
        return hold_study(engine, "x")

    def test_making_its_tables_twice_changes_nothing(self, engine: Engine) -> None:
        initialise(engine)
        check_schema(engine)
        assert DatabaseHandle(engine).studies() == []

    def test_a_name_is_given_once_whoever_asks_first(self, engine: Engine) -> None:
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda _: create_study(engine, new_study("x")), range(4)))
        assert sorted(made) == [False, False, False, True]
        assert [study.name for study in DatabaseHandle(engine).studies()] == ["x"]

    def test_one_of_many_coordinators_holds_a_study(self, engine: Engine) -> None:
        create_study(engine, new_study("x"))
        with ThreadPoolExecutor(4) as pool:
            held = list(pool.map(lambda _: _is_held(engine), range(4)))
        assert sorted(held) == [False, False, False, True]

    def test_an_expired_lease_is_taken_and_its_holder_writes_no_more(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        expire(engine)
        hold_study(engine, "x")
        ask(opened)
        with pytest.raises(LeaseLostError):
            opened.writer.flush()
        assert count(engine, schema.trials) == 0

    def test_a_lease_given_back_is_free(self, engine: Engine, opened: OpenStudy) -> None:
        opened.writer.release()
        assert hold_study(engine, "x").writer.token != opened.writer.token

    def test_time_goes_forward_by_the_stores_own_clock(self, engine: Engine) -> None:
        with engine.connect() as connection:
            first, second = clock.read(connection), clock.read(connection)
        assert 1.7e9 < first <= second

    def test_a_tick_is_written_whole_or_not_at_all(
        self, engine: Engine, opened: OpenStudy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask(opened)
        with monkeypatch.context() as patched:
            patched.setattr(opened.writer, "_write_workers", _fails)
            with pytest.raises(StoreError):
                opened.writer.flush()
        assert count(engine, schema.trials) == count(engine, schema.sweep_trials) == 0
        opened.writer.flush()
        assert count(engine, schema.trials) == count(engine, schema.sweep_trials) == 1

    def test_a_commit_whose_answer_was_lost_is_not_repeated(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        def commit_and_lose(connection: Any) -> None:
            connection.connection.dbapi_connection.commit()
            raise StoreError("connection lost")

        ask(opened)
        event.listen(engine, "commit", commit_and_lose, once=True)
        with pytest.raises(StoreError):
            opened.writer.flush()
        opened.writer.flush()
        assert count(engine, schema.trials) == 1

    def test_what_others_said_is_kept_though_it_is_no_text(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        # A worker's last words may be anything. Refused, they would keep every later row waiting.
        ask(opened)
        odd = "at \0 and \ud83d"
        rows = opened.writer.rows
        rows.events.append({"kind": "worker gone", "message": odd, "number": 0, "worker": "w0"})
        rows.trials[0]["reason"] = odd
        rows.study["ended_because"] = odd
        opened.writer.flush()
        (event,) = open_study(engine, "x").events()
        assert event.message == "at \ufffd and ?" == open_study(engine, "x").summary().ended_because
        assert open_study(engine, "x").trial(0).reason == event.message

    def test_what_was_running_waits_when_a_study_is_opened_again(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        trial = ask(opened)
        trial.report(0.5, 1)
        opened.writer.rows.epochs[0, 0, 1] = {"val_mse": 0.5}
        opened.writer.flush()
        expire(engine)
        again = hold_study(engine, "x")
        (there,) = again.storage.own_trials()
        assert (there.state, there.params, there.intermediate_values) == (
            TrialState.WAITING,
            trial.params,
            {},
        )
        assert (again.attempts, again.curves) == ({0: 1}, {})

    def test_a_finished_trial_is_there_in_full_when_opened_again(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        trial = ask(opened)
        trial.report(0.5, 1)
        opened.writer.rows.epochs[0, 0, 1] = {"val_mse": 0.5}
        tell(opened, trial, 0.25)
        opened.writer.flush()
        expire(engine)
        again = hold_study(engine, "x")
        assert again.storage.own_trials()[0].values == [0.25]
        assert again.storage.own_trials()[0].intermediate_values == {1: 0.5}
        assert again.curves == {0: {1: 0.5}}

    def test_reads_see_one_moment_while_a_coordinator_writes(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        # Each tick ends all running trials and begins another: a reader that looked twice would
        # count one trial in two states, or in none.
        ended = threading.Event()
        seen: list[int] = []

        def watch() -> None:
            while not ended.is_set():
                study = open_study(engine, "x").summary()
                seen.append(study.counts["RUNNING"])

        opened.writer.flush()
        running = [ask(opened)]
        opened.writer.flush()
        watcher = threading.Thread(target=watch)
        watcher.start()
        for _ in range(30):
            tell(opened, running.pop(), 0.5)
            running.append(ask(opened))
            opened.writer.flush()
        ended.set()
        watcher.join()
        assert set(seen) == {1}

    def test_commands_wait_in_their_order_until_they_are_applied(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        first = commands.post(engine, opened.name, CommandKind.PAUSE)
        second = commands.post(engine, opened.name, CommandKind.EXTEND, {"n_trials": 20})
        assert [c.command_id for c in commands.list_pending(engine, opened.study_id)] == [
            first,
            second,
        ]
        opened.writer.rows.commands[first] = "applied"
        opened.writer.flush()
        (left,) = commands.list_pending(engine, opened.study_id)
        assert (left.kind, left.payload) == (CommandKind.EXTEND, {"n_trials": 20})

    def test_whoever_starts_a_study_again_is_not_stopped_by_an_old_stop(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        commands.post(engine, opened.name, CommandKind.STOP)
        commands.post(engine, opened.name, CommandKind.EXTEND, {"n_trials": 20})
        expire(engine)
        hold_study(engine, "x")
        left = commands.list_pending(engine, opened.study_id)
        assert [command.kind for command in left] == [CommandKind.EXTEND]

    def test_marks_notes_and_tags_are_kept_beside_a_writing_coordinator(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        tell(opened, ask(opened), 0.5)
        opened.writer.flush()
        annotate.invalidate(engine, "x", 0, "dust on the lens")
        annotate.note(engine, "x", "ä 🙂", 0)
        assert annotate.tag(engine, "x", "a tag", 0)
        assert not annotate.tag(engine, "x", "a tag", 0)
        opened.writer.flush()
        (row,) = open_study(engine, "x").trials()
        assert (row.invalid_reason, row.note, row.tags) == ("dust on the lens", "ä 🙂", ("a tag",))
        assert invalid_trials(engine, opened.study_id) == ({0}, ())

    def test_revisions_only_grow_and_say_what_is_new(
        self, engine: Engine, opened: OpenStudy
    ) -> None:
        reader, seen = (
            TableReader(engine, find_key(engine, "x")),
            [open_study(engine, "x").revision()],
        )
        for value in (0.5, 0.25):
            tell(opened, ask(opened), value)
            opened.writer.flush()
            seen.append(open_study(engine, "x").revision())
        assert len(set(seen)) == 3
        assert reader.look().value.tolist() == [0.5, 0.25]

    def test_a_deleted_study_leaves_no_row(self, engine: Engine, opened: OpenStudy) -> None:
        trial = ask(opened)
        trial.report(0.5, 1)
        opened.writer.rows.events.append({"kind": "test", "message": "", "number": 0})
        opened.writer.rows.epochs[0, 0, 1] = {"val_mse": 0.5}
        opened.writer.flush()
        annotate.note(engine, "x", "gone soon", 0)
        with pytest.raises(StudyHeldError):
            annotate.delete_study(engine, "x")
        opened.writer.release()
        annotate.delete_study(engine, "x")
        assert sum(count(engine, table) for table in schema.sweep_metadata.sorted_tables) == 0
        with pytest.raises(NotFoundError):
            open_study(engine, "x").summary()

    def test_optuna_opens_what_was_written(self, engine: Engine, opened: OpenStudy) -> None:
        trial = ask(opened)
        tell(opened, trial, 0.5)
        opened.writer.flush()
        url = engine.url.render_as_string(hide_password=False)
        (there,) = optuna.load_study(study_name="x", storage=url).trials
        assert (there.values, there.params) == ([0.5], trial.params)


class TestSqlite(StoreContract):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        engine = sqlite_store(tmp_path)
        yield engine
        engine.dispose()


class TestPostgres(StoreContract):
    @pytest.fixture
    def engine(self, postgres_store_url: str) -> Iterator[Engine]:
        engine = open_store(postgres_store_url)
        yield engine
        engine.dispose()


class TestMemory(StoreContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with memory_store() as engine:
            yield engine


def test_a_store_in_memory_is_gone_at_the_end_of_its_block() -> None:
    with memory_store() as engine:
        create_study(engine, new_study("x"))
    with memory_store() as engine:
        assert DatabaseHandle(engine).studies() == []


def test_a_store_in_memory_is_gone_after_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), memory_store() as engine:
        create_study(engine, new_study("x"))
        _ = 1 / 0
    assert isinstance(engine.pool, QueuePool) and engine.pool.checkedin() == 0


def test_a_store_in_memory_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with memory_store() as engine:
        create_study(engine, new_study("x"))
    assert list(tmp_path.iterdir()) == []


def ask(opened: OpenStudy) -> optuna.Trial:
    """A trial begins."""
    trial = _study(opened).ask()
    trial.suggest_int("hidden_width", 8, 64)
    opened.writer.rows.trials[trial.number] = {"attempt": 1, "worker": "w0"}
    return trial


def tell(opened: OpenStudy, trial: optuna.Trial, value: float) -> None:
    """It ends."""
    _study(opened).tell(trial, value)
    opened.writer.rows.trials.setdefault(trial.number, {}).update(outcome="complete", val_mse=value)


def _study(opened: OpenStudy) -> optuna.Study:
    return optuna.load_study(study_name="x", storage=opened.storage)


def expire(engine: Engine) -> None:
    """Time passes, and the coordinator was not heard of."""
    with write_transaction(engine) as connection:
        connection.execute(schema.sweep_leases.update().values(expires_at=0.0))


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _is_held(engine: Engine) -> bool:
    try:
        hold_study(engine, "x")
    except StudyHeldError:
        return False
    return True


def _fails(*args: object) -> None:
    raise StoreError("the database is away")
