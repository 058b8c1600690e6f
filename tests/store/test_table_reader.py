"""Trials as columns: what a reader knows after many looks is what one look would find."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import Engine, update

from sweep.config import DEFAULT_BASELINE, StudyBaseline, TrialConfig
from sweep.enums import Activation
from sweep.errors import CorruptValueError, NotFoundError
from sweep.store import annotate, revisions, schema, table_reader
from sweep.store.engine import write_transaction
from sweep.store.handle import open_study
from sweep.store.lookup import find_key
from sweep.store.migrate import open_store
from sweep.store.optuna_rows import STATE_OF_OUTCOME
from sweep.store.study import NewStudy, OpenStudy, create_study, hold_study
from sweep.store.table import Choices, TrialTable
from sweep.store.table_reader import TableReader
from sweep.studyfile import to_toml
from tests.support.store_factories import EPOCH, add_study, add_trial, sqlite_store
from tests.support.study_factories import make_study_file
from tests.support.synthetic import add_study as add_synthetic

NEW = NewStudy(
    name="study",
    study_file="",
    provenance={},
    n_trials=99,
)


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    engine = open_store(store_url)
    yield engine
    engine.dispose()


def plain(table: TrialTable) -> dict[str, object]:
    """Every column as values, whatever its codes; NaN made comparable."""

    def values(of: object) -> object:
        match of:
            case Choices():
                return [of.value(row) for row in range(len(of.codes))]
            case np.ndarray():
                return repr(of.tolist())
            case dict():
                return {name: values(column) for name, column in of.items()}
            case tuple():
                return set(of)
        return of

    columns = {field.name: values(getattr(table, field.name)) for field in fields(table)}
    return {name: column for name, column in columns.items() if name != "revision"}


def test_the_columns_say_what_the_rows_say(engine: Engine) -> None:
    study_id = add_study(engine)
    config = TrialConfig(hidden_width=32, activation=Activation.TANH, nesterov=True)
    params = {"hidden_width": 32, "adam.learning_rate": 0.01}
    add_trial(engine, study_id, 0, 0.02, config=config, params=params, psnr=20.0, worker="w1")
    add_trial(engine, study_id, 1, float("inf"), invalid=True)
    add_trial(engine, study_id, 2, state="RUNNING")
    table, rows = open_study(engine, "study").table(), open_study(engine, "study").trials()
    assert [table.states.value(i) for i in range(3)] == [row.state for row in rows]
    assert table.values.tolist()[:2] == [[0.02], [np.inf]]
    assert np.isnan(table.value[2])
    assert table.invalid.tolist() == [row.invalid for row in rows]
    assert table.started.tolist() == [EPOCH, EPOCH + 1, EPOCH + 2]
    assert (table.metrics["psnr"][0], table.metrics["hidden_width"][0]) == (20.0, 32.0)
    assert table.workers.value(0) == "w1"
    assert {"hidden_width", "learning_rate"} == set(table.searched)
    for name, column in table.settings.items():
        expected = [row.config[name] for row in rows]
        found = [column.value(i) if isinstance(column, Choices) else column[i] for i in range(3)]
        assert found == expected


def test_a_study_without_trials_has_every_column_and_no_row(engine: Engine) -> None:
    add_study(engine, objectives=("val_mse", "hidden_width"))
    table = open_study(engine, "study").table()
    assert (len(table), table.values.shape, table.objectives[1]) == (0, (0, 2), "hidden_width")
    assert set(table.settings) == {field.name for field in fields(TrialConfig)}
    assert not table.counting.any()


def test_each_objective_is_a_column_of_values(engine: Engine) -> None:
    study_id = add_study(engine, objectives=("val_mse", "hidden_width"))
    add_trial(engine, study_id, 0, (0.1, 8.0))
    add_trial(engine, study_id, 1, (0.2, float("inf")))
    add_trial(engine, study_id, 2, state="FAIL")
    values = open_study(engine, "study").table().values
    assert values[:2].tolist() == [[0.1, 8.0], [0.2, np.inf]]
    assert np.isnan(values[2]).all()


def test_a_trial_that_optunas_own_tools_enqueued_waits_without_settings(
    engine: Engine, store_url: str
) -> None:
    study_id = add_study(engine)
    reader = TableReader(engine, find_key(engine, "study"))
    add_trial(engine, study_id, 0, 0.1)
    assert len(reader.look()) == 1
    storage = optuna.storages.RDBStorage(store_url)
    optuna.load_study(study_name="study", storage=storage).enqueue_trial({"hidden_width": 8})
    storage.engine.dispose()
    annotate.note(engine, "study", "there is one more")
    table = reader.look()
    assert [table.states.value(row) for row in (0, 1)] == ["COMPLETE", "WAITING"]
    assert (table.attempts[1], table.settings["activation"].value(1)) == (0, None)  # type: ignore[union-attr]
    assert np.isnan(table.metrics["hidden_width"][1])
    assert not table.invalid[1]


def test_a_look_that_finds_nothing_new_gives_the_very_same_table(engine: Engine) -> None:
    add_trial(engine, add_study(engine), 0, 0.1)
    reader = TableReader(engine, find_key(engine, "study"))
    first = reader.look()
    annotate.note(engine, "study", "no trial changes by this")
    assert reader.look() is first
    annotate.invalidate(engine, "study", 0)
    assert reader.look() is not first
    assert not first.invalid[0], "a table that was handed out must not change"


def file_with_baseline(baseline: str) -> str:
    return to_toml(make_study_file("hidden_width = 64", f"study.baseline={baseline}"))


def test_a_table_has_the_baseline_that_its_study_names(engine: Engine) -> None:
    add_study(engine, "a")
    add_study(engine, "b", study_file=file_with_baseline("3"))
    add_study(engine, "c", study_file=file_with_baseline("{}"))
    a, b, c = (open_study(engine, name).table().baseline for name in "abc")
    assert a == DEFAULT_BASELINE
    assert b == StudyBaseline(number=3)
    assert c.settings["hidden_width"] == 64


def test_a_baseline_that_was_changed_on_resume_is_that_of_the_next_look(engine: Engine) -> None:
    study_id = add_study(engine, study_file=file_with_baseline("3"))
    add_trial(engine, study_id, 0, 0.5)
    study = open_study(engine, "study")
    before = study.table()
    changed = update(schema.sweep_studies).values(study_file=file_with_baseline("0"))
    with write_transaction(engine) as connection:
        revisions.advance(connection, study_id)
        connection.execute(changed)
    table = study.table()
    assert (before.baseline.number, table.baseline.number) == (3, 0)
    assert table.numbers.tolist() == [0]
    add_trial(engine, study_id, 1, 0.4)
    assert study.table().baseline.number == 0


def test_a_stored_baseline_that_no_study_file_can_have_is_reported(engine: Engine) -> None:
    text = file_with_baseline("3").replace("baseline = 3", "baseline = -3")
    add_study(engine, study_file=text)
    with pytest.raises(CorruptValueError, match=r"study_file.*baseline: must be settings"):
        open_study(engine, "study").table()


def test_codes_of_choices_stay_when_new_ones_come(engine: Engine) -> None:
    study_id = add_study(engine)
    reader = TableReader(engine, find_key(engine, "study"))
    for number, activation in enumerate((Activation.TANH, Activation.GELU, Activation.RELU)):
        add_trial(engine, study_id, number, config=TrialConfig(activation=activation))
        reader.look()
    column = reader.look().settings["activation"]
    assert isinstance(column, Choices)
    assert (column.names, column.codes.tolist()) == (("tanh", "gelu", "relu"), [0, 1, 2])


def test_trials_stand_in_the_order_of_their_numbers_however_they_come(engine: Engine) -> None:
    study_id = add_study(engine)
    reader = TableReader(engine, find_key(engine, "study"))
    for number in (3, 0, 4, 1, 2):
        add_trial(engine, study_id, number, number / 10, worker=f"w{number}")
        reader.look()
    table = reader.look()
    assert table.numbers.tolist() == [0, 1, 2, 3, 4]
    assert table.value.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert [table.workers.value(row) for row in range(5)] == ["w0", "w1", "w2", "w3", "w4"]
    assert plain(table) == plain(open_study(engine, "study").table())


def test_a_study_that_is_larger_than_a_batch_is_read_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.store.table_reader._BATCH", 3)
    study_id = add_study(engine)
    for number in range(7):
        add_trial(engine, study_id, number, number / 10)
    table = open_study(engine, "study").table()
    assert (table.numbers.tolist(), table.value[6]) == (list(range(7)), 0.6)


def test_a_study_made_again_is_not_taken_for_the_deleted_one(engine: Engine) -> None:
    # SQLite gives the new study the id of the old one, and its trials theirs.
    study_id = add_study(engine)
    for number in range(3):
        add_trial(engine, study_id, number, 0.1)
    reader = TableReader(engine, find_key(engine, "study"))
    reader.look()
    annotate.delete_study(engine, "study")
    with pytest.raises(NotFoundError, match="was deleted since"):
        reader.look()
    study_id = add_study(engine, created_at=EPOCH + 5, objectives=("val_mse", "hidden_width"))
    for number in range(2):
        add_trial(engine, study_id, number, (0.2, 8.0))
    with pytest.raises(NotFoundError, match="was deleted since"):
        reader.look()
    table = open_study(engine, "study").table()
    assert (table.numbers.tolist(), table.values.tolist()) == ([0, 1], [[0.2, 8.0]] * 2)


class Life:
    """A coordinator and a user who do anything that they may, in any order."""

    def __init__(self, opened: OpenStudy, engine: Engine, seed: int) -> None:
        self._opened = opened
        self._engine = engine
        self._dice = random.Random(seed)
        sampler = optuna.samplers.RandomSampler(seed=seed)
        self._study = optuna.load_study(study_name="study", storage=opened.storage, sampler=sampler)
        self._rows = opened.writer
        self._written: list[int] = []  # numbers that the database knows
        self._running: dict[int, optuna.Trial] = {}

    def go_on(self) -> None:
        """One thing happens; most of the time it is written at once."""
        self._dice.choice([self.ask, self.ask, self.report, self.end, self.restart, self.mark])()
        if self._dice.random() < 0.7:
            self.write()

    def write(self) -> None:
        self._rows.flush()
        self._written = [trial.number for trial in self._opened.storage.own_trials()]

    def ask(self) -> None:
        trial = self._study.ask()
        width = trial.suggest_int("hidden_width", 8, 64)
        if trial.number % 3 == 0:
            trial.suggest_float("sgd.momentum", 0, 1)
        self._running[trial.number] = trial
        self._rows.rows.trials[trial.number] = {
            "attempt": 1,
            "config": {"hidden_width": width, "loss": self._dice.choice(["mse", "bce", "l1"])},
            "seeds": [1],
            "worker": f"w{self._dice.randrange(5)}",
        }

    def report(self) -> None:
        for number in self._running:
            self._rows.rows.epochs[number, 0, self._dice.randrange(1, 9)] = {"val_mse": 0.5}

    def end(self) -> None:
        if self._running:
            number, trial = self._running.popitem()
            state = self._dice.choice([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
            value = self._dice.random() if state == TrialState.COMPLETE else None
            self._study.tell(trial, value, state=state)
            row = self._rows.rows.trials.setdefault(number, {})
            outcome = next(of for of, ended in STATE_OF_OUTCOME.items() if ended == state)
            row.update(outcome=outcome, val_mse=value)

    def restart(self) -> None:
        if self._running:
            number, _ = self._running.popitem()
            self._rows.rows.forget_curves(number)
            self._opened.storage.restart_trial(number)

    def mark(self) -> None:
        if self._written:
            mark = self._dice.choice([annotate.invalidate, annotate.validate])
            mark(self._engine, "study", self._dice.choice(self._written))


@pytest.mark.parametrize("seed", range(2))
def test_many_looks_know_what_one_look_would_find(engine: Engine, seed: int) -> None:
    create_study(engine, NEW)
    life = Life(hold_study(engine, "study"), engine, seed)
    reader = TableReader(engine, find_key(engine, "study"))
    states: set[str] = set()
    for _ in range(80):
        life.go_on()
        table = reader.look()
        assert plain(table) == plain(open_study(engine, "study").table())
        states.update(table.states.value(row) for row in range(len(table)))
    assert states == {"WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"}
    rows = open_study(engine, "study").trials()
    assert [row.number for row in rows] == table.numbers.tolist()
    assert [row.invalid for row in rows] == table.invalid.tolist()


def test_a_trial_that_begins_anew_waits_and_then_runs_again(engine: Engine) -> None:
    create_study(engine, NEW)
    opened = hold_study(engine, "study")
    study = optuna.load_study(study_name="study", storage=opened.storage)
    reader = TableReader(engine, find_key(engine, "study"))

    def state() -> str:
        opened.writer.flush()
        return str(reader.look().states.value(0))

    study.ask()
    opened.writer.rows.trials[0] = {"attempt": 1, "worker": "w0"}
    assert state() == "RUNNING"
    opened.storage.restart_trial(0)
    assert state() == "WAITING"
    study.ask()
    opened.writer.rows.trials[0] = {"attempt": 2, "worker": "w1"}
    assert state() == "RUNNING"
    assert (reader.look().attempts[0], reader.look().workers.value(0)) == (2, "w1")


def test_a_second_look_reads_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sqlite_store(tmp_path)
    add_synthetic(engine, "large", 300)
    made = table_reader._table
    n_rows: list[int] = []

    def make_table(rows: Sequence[Any], objectives: tuple[str, ...]) -> TrialTable:
        n_rows.append(len(rows))
        return made(rows, objectives)

    monkeypatch.setattr(table_reader, "_table", make_table)
    reader = TableReader(engine, find_key(engine, "large"))
    reader.look()
    annotate.invalidate(engine, "large", 150)
    assert reader.look().invalid.nonzero()[0].tolist() == [150]
    assert n_rows == [0, 300, 1]
