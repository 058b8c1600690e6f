"""What we write in bulk is what Optuna itself would have stored."""

import json
import math

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, delete, event, func, select, update

from sweep.errors import LeaseLostError, StoreError, StoreGoneError
from sweep.messages import DatasetInfo, ImageShape
from sweep.store import clock, schema
from sweep.store.engine import write_transaction
from sweep.store.handle import open_study
from sweep.store.lease import Holder, take
from sweep.store.migrate import open_store
from sweep.store.study import NewStudy, OpenStudy, create_study, hold_study
from sweep.store.writer import _upsert_statement

NEW = NewStudy(
    name="x",
    study_file="",
    provenance={},
    n_trials=9,
)


EVENT = {"kind": "ended", "number": None, "worker": None}


@pytest.fixture
def engine(store_url: str) -> Engine:
    engine = open_store(store_url)
    create_study(engine, NEW)
    return engine


@pytest.fixture
def opened(engine: Engine) -> OpenStudy:
    return hold_study(engine, "x")


def memory(opened: OpenStudy) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=1)
    return optuna.load_study(study_name="x", storage=opened.storage, sampler=sampler)


def run(study: optuna.Study) -> None:
    """Every kind of value and ending that a trial can have."""
    study.set_user_attr("who", {"us": [1, None]})
    study.enqueue_trial({"hidden_width": 784}, user_attrs={"from": "file"})
    for ending in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE):
        trial = study.ask()
        trial.suggest_int("hidden_width", 8, 1024, log=True)
        trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
        trial.suggest_float("momentum", 0.0, 1.0, step=0.25)
        trial.suggest_categorical("loss", ["bce", "mse"])
        trial.report(0.5, 1)
        trial.report([math.inf, math.nan, -math.inf, 0.25][trial.number], 2)
        trial.set_user_attr("note", "ä")
        value = math.inf if trial.number == 3 else 0.125
        study.tell(trial, value if ending == TrialState.COMPLETE else None, state=ending)
    study.ask().suggest_int("hidden_width", 8, 1024, log=True)
    study.enqueue_trial({"loss": "mse"})


def describe_trial(trial: FrozenTrial) -> dict[str, object]:
    """All that matters of a trial; NaN made comparable."""
    return {
        "number": trial.number,
        "state": trial.state,
        "values": trial.values,
        "params": list(trial.params.items()),
        "distributions": list(trial.distributions.items()),
        "intermediate": {k: repr(v) for k, v in sorted(trial.intermediate_values.items())},
        "user": trial.user_attrs,
        "system": trial.system_attrs,
        "started": trial.datetime_start is not None,
        "ended": trial.datetime_complete is not None,
    }


def read_stored(url: str) -> list[dict[str, object]]:
    return [
        describe_trial(trial) for trial in optuna.load_study(study_name="x", storage=url).trials
    ]


def test_optuna_reads_what_it_would_have_written_itself(
    opened: OpenStudy, store_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    theirs = f"sqlite:///{tmp_path_factory.mktemp('theirs')}/optuna.db"
    sampler = optuna.samplers.RandomSampler(seed=1)
    run(optuna.create_study(study_name="x", storage=theirs, sampler=sampler))
    run(memory(opened))
    opened.writer.flush()
    assert read_stored(store_url) == read_stored(theirs)
    for study in (optuna.load_study(study_name="x", storage=u) for u in (store_url, theirs)):
        assert study.user_attrs == {"who": {"us": [1, None]}}


def test_it_does_not_matter_when_the_ticks_fall(opened: OpenStudy, store_url: str) -> None:
    study = memory(opened)
    whole = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    run(whole)
    original = opened.storage.set_trial_param

    def write_often(*args: object) -> None:
        original(*args)  # type: ignore[arg-type]
        opened.writer.flush()

    opened.storage.set_trial_param = write_often  # type: ignore[method-assign]
    run(study)
    opened.writer.flush()
    assert read_stored(store_url) == [describe_trial(trial) for trial in whole.trials]


def test_a_study_opened_again_is_the_one_that_was_written(
    engine: Engine, opened: OpenStudy
) -> None:
    run(memory(opened))
    opened.writer.flush()
    opened.writer.release()
    before = [describe_trial(t) for t in opened.storage.get_all_trials(0)]
    again = [describe_trial(t) for t in hold_study(engine, "x").storage.get_all_trials(0)]
    running = before.pop(4)
    assert running["state"] == TrialState.RUNNING
    assert again.pop(4) == {**running, "state": TrialState.WAITING}
    assert again == before


def test_a_trial_that_begins_anew_loses_its_curve_but_not_its_params(
    opened: OpenStudy, store_url: str
) -> None:
    study = memory(opened)
    trial = study.ask()
    width = trial.suggest_int("hidden_width", 8, 64)
    trial.report(0.5, 1)
    opened.writer.rows.trials[0] = {"attempt": 1}
    opened.writer.rows.epochs[0, 0, 1] = {"val_mse": 0.5}
    opened.writer.flush()
    opened.storage.restart_trial(0)
    opened.writer.flush()
    (read,) = optuna.load_study(study_name="x", storage=store_url).trials
    assert (read.state, read.params, read.intermediate_values) == (
        TrialState.WAITING,
        {"hidden_width": width},
        {},
    )
    again = study.ask()
    assert (again.number, again.suggest_int("hidden_width", 8, 64)) == (0, width)


def count_statements(engine: Engine) -> list[str]:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    return statements


def test_a_tick_of_64_trials_takes_fewer_statements_than_trials(
    engine: Engine, opened: OpenStudy
) -> None:
    study = memory(opened)
    for _ in range(64):
        trial = study.ask()
        trial.suggest_float("learning_rate", 0, 1)
        trial.report(0.5, 1)
        study.tell(trial, 0.5)
    statements = count_statements(engine)
    opened.writer.flush()
    assert len(statements) < 32


def test_the_rows_of_a_tick_that_failed_are_written_by_the_next(
    engine: Engine, opened: OpenStudy, monkeypatch: pytest.MonkeyPatch, store_url: str
) -> None:
    study = memory(opened)
    trial = study.ask()
    trial.suggest_float("learning_rate", 0, 1)
    with monkeypatch.context() as patched:
        patched.setattr(opened.writer, "_write_ours", _away)
        with pytest.raises(StoreError):
            opened.writer.flush()
    assert opened.writer.has_pending
    study.tell(trial, 0.5)
    opened.writer.flush()
    assert [t["values"] for t in read_stored(store_url)] == [[0.5]]


def _away(*args: object) -> None:
    raise StoreError("the database is away")


def test_a_commit_whose_answer_was_lost_is_not_repeated(
    engine: Engine, opened: OpenStudy, store_url: str
) -> None:
    # The connection broke between the commit and its answer: the rows are there, and the writer
    # believes that they are not. Written again, the trial would be there twice.
    study = memory(opened)
    trial = study.ask()
    trial.suggest_float("learning_rate", 0, 1)
    opened.writer.rows.events.append({**EVENT, "message": "once"})

    def lose_the_answer(connection: object) -> None:
        raise StoreError("connection lost")

    event.listen(engine, "commit", _commit_then(lose_the_answer), once=True)
    with pytest.raises(StoreError):
        opened.writer.flush()
    study.tell(trial, 0.5)
    opened.writer.flush()
    assert [t["values"] for t in read_stored(store_url)] == [[0.5]]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.sweep_events)) == 1


def _commit_then(fail: object) -> object:
    def on_commit(connection: object) -> None:
        dbapi = connection.connection.dbapi_connection  # type: ignore[attr-defined]
        dbapi.commit()
        fail(connection)  # type: ignore[operator]

    return on_commit


def test_a_coordinator_without_its_lease_writes_nothing(engine: Engine, opened: OpenStudy) -> None:
    with write_transaction(engine) as connection:
        connection.execute(schema.sweep_leases.update().values(expires_at=0.0))
        take(connection, opened.study_id, Holder(host="elsewhere", pid=1, process={}))
    memory(opened).ask()
    with pytest.raises(LeaseLostError):
        opened.writer.flush()
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.trials)) == 0


def test_what_the_first_worker_read_joins_the_provenance(engine: Engine, opened: OpenStudy) -> None:
    opened.writer.note_data(
        DatasetInfo(
            sha256="abc", shape=ImageShape(height=2, width=3, channels=3), n_train=5, n_test=4
        ),
        b"png",
    )
    opened.writer.flush()
    opened.writer.release()
    assert hold_study(engine, "x").data_sha256 == "abc"


def test_attributes_are_json_as_optuna_writes_it(engine: Engine, opened: OpenStudy) -> None:
    memory(opened).set_user_attr("a", {"b": 1})
    opened.writer.flush()
    with engine.connect() as connection:
        text = connection.scalar(select(schema.study_user_attributes.c.value_json))
    assert json.loads(str(text)) == {"b": 1}


def revisions(engine: Engine) -> tuple[int, list[int]]:
    """The study's revision, and its trials' in the order of their numbers."""
    ours, study = schema.sweep_trials.c, schema.sweep_studies.c
    with engine.connect() as connection:
        of_trials = connection.scalars(select(ours.revision).order_by(ours.number))
        return connection.execute(select(study.revision)).scalar_one(), list(of_trials)


def test_attributes_that_come_after_a_write_are_written(opened: OpenStudy, store_url: str) -> None:
    trial = memory(opened).ask()
    opened.writer.flush()
    trial.set_user_attr("user", 1)
    opened.storage.set_trial_system_attr(trial._trial_id, "sampler", [2])
    opened.writer.flush()
    (found,) = read_stored(store_url)
    assert (found["user"], found["system"]) == ({"user": 1}, {"sampler": [2]})


def test_a_trials_times_are_those_of_the_writes(engine: Engine, opened: OpenStudy) -> None:
    memory(opened).ask()
    opened.writer.rows.trials[0] = {"attempt": 1, "worker": "w0"}
    opened.writer.flush()
    opened.writer.rows.trials[0] = {"outcome": "failed", "reason": "x"}
    opened.writer.flush()
    table = schema.sweep_trials
    with engine.connect() as connection:
        began, ended = connection.execute(select(table.c.started_at, table.c.finished_at)).one()
        assert began <= ended <= clock.read(connection) < began + 60


def test_what_is_written_of_a_seed_again_replaces_it(engine: Engine, opened: OpenStudy) -> None:
    memory(opened).ask()
    opened.writer.rows.trials[0] = {"attempt": 1}
    for error in (0.5, 0.25):
        opened.writer.rows.results[0, 0] = {"seed": 1, "test_mse": error}
        opened.writer.flush()
    table = schema.sweep_results
    with engine.connect() as connection:
        assert connection.scalars(select(table.c.test_mse)).all() == [0.25]


def test_a_tick_gives_its_revision_to_the_trials_that_it_touched(
    engine: Engine, opened: OpenStudy
) -> None:
    study, rows = memory(opened), opened.writer
    for number in range(7):
        study.ask()
        rows.rows.trials[number] = {"attempt": 1}
    rows.flush()
    first, of_trials = revisions(engine)
    assert of_trials == [first] * 7
    rows.rows.trials[0] = {"train_seconds": 1.0}
    rows.rows.epochs[1, 0, 1] = {"val_mse": 0.5}
    rows.rows.results[2, 0] = {"seed": 1}
    rows.rows.reconstructions[3] = {"reconstructions_png": b"", "errors_png": b""}
    opened.storage.restart_trial(4)
    rows.rows.decompositions[5] = {"decomposition": {"end_to_end": None}}
    rows.flush()
    assert revisions(engine) == (first + 1, [first + 1] * 6 + [first])


def test_what_is_no_trials_is_a_new_revision_all_the_same(
    engine: Engine, opened: OpenStudy
) -> None:
    before = open_study(engine, "x").revision()
    opened.writer.rows.events.append({**EVENT, "message": "something happened"})
    opened.writer.flush()
    assert open_study(engine, "x").revision() != before


def test_a_lease_renewed_is_no_news(engine: Engine, opened: OpenStudy) -> None:
    before = open_study(engine, "x").revision()
    opened.writer.flush()
    assert open_study(engine, "x").revision() == before


def test_a_commit_whose_answer_was_lost_counts_once(engine: Engine, opened: OpenStudy) -> None:
    def lose_the_answer(connection: object) -> None:
        raise StoreError("connection lost")

    before, _ = revisions(engine)
    memory(opened).ask()
    opened.writer.rows.trials[0] = {"attempt": 1}
    event.listen(engine, "commit", _commit_then(lose_the_answer), once=True)
    with pytest.raises(StoreError):
        opened.writer.flush()
    opened.writer.flush()
    assert revisions(engine) == (before + 1, [before + 1])


def test_nothing_is_written_upon_what_the_database_has_lost(
    engine: Engine, opened: OpenStudy
) -> None:
    # A standby that lagged behind took over, with the lease as it was some transactions ago.
    for number in range(3):
        memory(opened).ask()
        opened.writer.rows.trials[number] = {"attempt": 1}
        opened.writer.flush()
    with write_transaction(engine) as connection:
        connection.execute(update(schema.sweep_leases).values(batch=2))
        connection.execute(delete(schema.sweep_trials).where(schema.sweep_trials.c.number == 2))
    before = revisions(engine)
    opened.writer.rows.trials[2] = {"attempt": 2}
    with pytest.raises(StoreGoneError, match="lost what it had confirmed"):
        opened.writer.flush()
    assert revisions(engine) == before


def test_vitals_of_a_worker_are_written_as_they_come(engine: Engine, opened: OpenStudy) -> None:
    worker = {
        **{"host": "h", "pid": 1, "device": "cpu", "device_name": None},
        **{"state": "ready", "n_finished": 0},
    }
    opened.writer.rows.workers["w0"] = worker
    opened.writer.flush()
    assert open_study(engine, "x").workers()[0].busy is None
    vitals = {"busy": 0.5, "memory_used_bytes": 3 * 2**40, "memory_total_bytes": 2**43}
    vitals |= {"utilisation": 0.25, "utilisation_since_first": 0.75}
    opened.writer.rows.workers["w0"] = {**worker, **vitals}
    opened.writer.flush()
    (row,) = open_study(engine, "x").workers()
    assert {name: getattr(row, name) for name in vitals} == vitals


def test_the_statement_of_an_upsert_is_built_once(engine: Engine, opened: OpenStudy) -> None:
    memory(opened).ask()
    opened.writer.rows.trials[0] = {"attempt": 1}
    opened.writer.flush()
    epoch = {"train_loss": 0.5, "val_mse": 0.25, "val_bce": 0.5, "seconds": 1.0}
    builds = []
    for number in (1, 2, 3):
        opened.writer.rows.epochs[0, 0, number] = epoch
        opened.writer.flush()
        builds.append(_upsert_statement.cache_info().misses)
    assert builds[0] == builds[1] == builds[2]
