"""A copied study is the same study: row for row, to Optuna, to us, and to its next coordinator."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import JSON, Engine, Text, cast, insert, null, select, update

from sweep.datasets.images import data_key
from sweep.errors import NotFoundError, StudyHeldError, UsageError
from sweep.store import annotate, copy, optuna_rows, schema
from sweep.store.artifacts import artifact_path
from sweep.store.derived_studies import Retrained
from sweep.store.engine import STATEMENT_SECONDS, write_transaction
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.measurements import add_probe_baselines
from sweep.store.study import hold_study
from tests.support.store_factories import (
    DATA_KEY,
    EPOCH,
    add_attributes,
    add_rows,
    add_study,
    add_trial,
    baselines,
    fill_study,
    lease_row,
    new_store,
)

FOREVER = EPOCH + 1e9
SHARED = {"alembic_version", "version_info", "sweep_floors", "sweep_probe_baselines"}


@pytest.fixture(params=["sqlite to postgres", "postgres to sqlite"])
def stores(
    request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path
) -> Iterator[tuple[Engine, Engine]]:
    """Where a study is, and where it shall be."""
    engines = [new_store(f"sqlite:///{tmp_path}/sweep.db"), new_store(postgres_url)]
    source, target = engines if request.param == "sqlite to postgres" else reversed(engines)
    yield source, target
    for engine in engines:
        engine.dispose()


@pytest.fixture(autouse=True)
def _weights_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def contents(engine: Engine, name: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of a study, with its trials' numbers in place of ids; JSON as it stands there."""
    study_id = _id(engine, name)
    with engine.connect() as connection:
        of_study = schema.trials.c.study_id == study_id
        number = {
            row.trial_id: row.number
            for row in connection.execute(select(schema.trials).where(of_study))
        }
        found = {}
        for table in [*optuna_rows.metadata.sorted_tables, *schema.sweep_metadata.sorted_tables]:
            if table.name in SHARED:
                continue
            columns = [
                cast(c, Text).label(c.name) if isinstance(c.type, JSON) else c for c in table.c
            ]
            rows = connection.execute(select(*columns).order_by(*table.primary_key.columns))
            found[table.name] = [
                _without_ids(row, number)
                for row in map(dict, rows.mappings())
                if row.get("study_id") == study_id or row.get("trial_id") in number
            ]
    return found


def _without_ids(row: dict[str, Any], number: dict[int, int]) -> dict[str, Any]:
    if row.get("trial_id") is not None:
        row["trial_id"] = number[row["trial_id"]]
    own = {"study_id"} | {key for key in row if key.endswith("_id") and type(row[key]) is int}
    return {key: value for key, value in row.items() if key not in own - {"trial_id"}}


def _id(engine: Engine, name: str) -> int:
    with engine.connect() as connection:
        query = select(schema.studies.c.study_id).where(schema.studies.c.study_name == name)
        return int(connection.execute(query).scalar_one())


def as_optuna_sees_it(engine: Engine, name: str) -> Any:
    url = engine.url.render_as_string(hide_password=False)
    study = optuna.load_study(study_name=name, storage=url)
    trials = [{**trial.__dict__, "_trial_id": None} for trial in study.trials]
    return (
        study.directions,
        study.user_attrs,
        study._storage.get_study_system_attrs(study._study_id),
        trials,
    )


def test_every_row_of_every_table_comes_along_under_new_ids(
    stores: tuple[Engine, Engine],
) -> None:
    source, target = stores
    for name in ("already there", "and another"):  # so that no id is what it was
        fill_study(target, name)
    fill_study(source, "other")
    fill_study(source, "study")
    before = contents(source, "study")
    assert all(before.values()), "a table without a row proves nothing"
    copy.copy_study(source, target, "study")
    lease = {"token": "", "expires_at": 0.0}  # nobody holds the copy
    before["sweep_leases"] = [{**row, **lease} for row in before["sweep_leases"]]
    assert contents(target, "study") == before
    assert _id(target, "study") != _id(source, "study")


def test_optuna_and_we_see_the_same_study(stores: tuple[Engine, Engine]) -> None:
    source, target = stores
    study_id = add_study(source, description="Größe, 大きさ")
    params = {"hidden_width": 64, "activation": "gelu", "adam.learning_rate": 0.1 + 0.2}
    add_trial(source, study_id, 0, 1 / 3, params=params, curve=(0.5, None, 1 / 3))
    add_trial(source, study_id, 1, float("inf"))
    add_trial(source, study_id, 2, state="PRUNED")
    add_trial(source, study_id, 3, state="WAITING")
    annotate.note(source, "study", "odd", 0)
    copy.copy_study(source, target, "study")
    assert as_optuna_sees_it(target, "study") == as_optuna_sees_it(source, "study")
    assert open_study(target, "study").trials() == open_study(source, "study").trials()
    assert open_study(target, "study").summary() == open_study(source, "study").summary()


def test_null_and_a_json_null_stay_two_things(stores: tuple[Engine, Engine]) -> None:
    source, target = stores
    study_id = add_study(source)
    for number, nothing in enumerate([null(), JSON.NULL]):
        add_trial(source, study_id, number, 0.1, per_class_mse=nothing)
    copy.copy_study(source, target, "study")
    is_null = select(schema.sweep_trials.c.per_class_mse.is_(null()))
    with target.connect() as connection:
        found = connection.scalars(is_null.order_by(schema.sweep_trials.c.number))
        assert list(map(bool, found)) == [True, False]


def test_the_copy_is_held_by_nobody_and_goes_on_under_its_numbers(
    stores: tuple[Engine, Engine],
) -> None:
    source, target = stores
    study_id = add_study(source)
    add_trial(source, study_id, 0, 0.1)
    add_trial(source, study_id, 1, state="RUNNING")
    add_rows(source, schema.sweep_leases, lease_row(study_id, EPOCH, held_seconds=7.5))
    copy.copy_study(source, target, "study")
    opened = hold_study(target, "study")
    assert [trial.number for trial in opened.storage.get_all_trials(0)] == [0, 1]
    assert opened.attempts == {0: 1, 1: 1}


def test_a_study_that_runs_is_not_copied(stores: tuple[Engine, Engine]) -> None:
    source, target = stores
    add_rows(source, schema.sweep_leases, lease_row(add_study(source), FOREVER))
    with pytest.raises(StudyHeldError, match="sweep stop study"):
        copy.studies_to_copy(source, target)
    with pytest.raises(StudyHeldError):  # begun since that look
        copy.copy_study(source, target, "study")
    assert DatabaseHandle(target).studies() == []


def test_what_fails_halfway_leaves_nothing_behind(
    stores: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = stores
    fill_study(source, "study")

    def fails(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(copy, "_copy_of_data", fails)  # the last step
    with pytest.raises(KeyboardInterrupt):
        copy.copy_study(source, target, "study")
    assert DatabaseHandle(target).studies() == []
    with target.connect() as connection:
        assert connection.execute(select(schema.trials)).all() == []


def test_a_name_that_is_taken_or_unknown_is_refused_before_anything_is_written(
    stores: tuple[Engine, Engine],
) -> None:
    source, target = stores
    for name in ("a", "b"):
        add_study(source, name)
    add_study(target, "b")
    with pytest.raises(UsageError, match="holds 'b' already"):
        copy.studies_to_copy(source, target)
    with pytest.raises(UsageError, match="holds 'b' already"):
        copy.copy_study(source, target, "b")
    with pytest.raises(NotFoundError, match="Known: a, b"):
        copy.studies_to_copy(source, target, ["a", "c"])
    assert copy.studies_to_copy(source, target, ["a"]) == ["a"]


def test_studies_that_were_trained_for_a_named_one_come_along(
    stores: tuple[Engine, Engine],
) -> None:
    source, target = stores
    for name, of in (("a-ties", "a"), ("a", None), ("b", None), ("a-ties-ties", "a-ties")):
        study_id = add_study(source, name)
        if of is not None:
            retrained = Retrained(study=of, study_created_at=EPOCH, numbers=[0])
            add_attributes(source, study_id, retrained.attributes)
    names = copy.studies_to_copy(source, target, ["b", "a"])
    assert names == ["b", "a", "a-ties", "a-ties-ties"]
    for name in names:
        copy.copy_study(source, target, name)
    assert [*open_study(target, "a").retrainings()] == ["a-ties"]
    add_rows(source, schema.sweep_leases, lease_row(_id(source, "a-ties"), FOREVER))
    with pytest.raises(StudyHeldError, match="sweep stop a-ties"):
        copy.studies_to_copy(source, target, ["a"])
    assert copy.studies_to_copy(source, new_store("sqlite:///third.db"), ["b"]) == ["b"]


def test_weights_lie_in_the_other_folder_and_lost_ones_are_told(
    stores: tuple[Engine, Engine],
) -> None:
    source, target = stores
    study_id = add_study(source)
    for number, artifact_id in enumerate(["kept", "lost"]):
        add_trial(source, study_id, number, 0.1, artifact_id=artifact_id)
    path = artifact_path(source.url, "kept")
    path.parent.mkdir()
    path.write_bytes(b"weights")
    copied = copy.copy_study(source, target, "study")
    assert (copied.n_artifacts, copied.missing_artifacts) == (1, ("lost",))
    assert artifact_path(target.url, "kept").read_bytes() == b"weights"


def test_floors_of_the_studys_data_come_along_and_those_that_are_there_stay(
    stores: tuple[Engine, Engine],
) -> None:
    source, target = stores
    add_study(source)  # whose provenance names data of this checksum
    new, known = (f"2:{'0' * 64}:{fraction}:0:all" for fraction in (0.1, 0.2))
    for key in (new, known):
        annotate.put_floors(source, key, {"entropy": 0.1})
    annotate.put_floors(target, known, {"entropy": 0.2})
    copy.copy_study(source, target, "study")
    assert DatabaseHandle(target).floors(new) == {"entropy": 0.1}
    assert DatabaseHandle(target).floors(known) == {"entropy": 0.2}


def test_baselines_of_the_studys_data_come_along_and_those_of_other_data_do_not(
    stores: tuple[Engine, Engine],
) -> None:
    source, target = stores
    add_study(source)
    with write_transaction(source) as connection:
        for key in (DATA_KEY, data_key("5" * 64, 0.1, 0)):
            add_probe_baselines(connection, baselines(8, key=key))
    copy.copy_study(source, target, "study")
    found = DatabaseHandle(target).probe_baselines()
    assert sorted(found, key=lambda of: -of.width) == baselines(8)


def test_floors_of_other_data_stay_where_they_are(stores: tuple[Engine, Engine]) -> None:
    # They decide what verdicts say of every study of those data.
    source, target = stores
    add_study(source)
    other = f"2:{'5' * 64}:0.1:0:all"
    annotate.put_floors(source, other, {"entropy": 0.1})
    copy.copy_study(source, target, "study")
    assert DatabaseHandle(target).floors(other) is None


def test_more_trials_than_are_read_at_a_time_keep_their_order(
    stores: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = stores
    study_id = add_study(source)
    for number in range(5):
        add_trial(source, study_id, number, 0.1 * number, curve=(0.2, 0.1))
    with write_transaction(source) as connection:
        connection.execute(update(schema.sweep_trials).values(revision=3))
    monkeypatch.setattr(copy, "_ROWS_AT_ONCE", 2)
    assert copy.copy_study(source, target, "study").n_trials == 5
    assert contents(target, "study") == contents(source, "study")


def test_a_target_that_takes_rows_slowly_does_not_end_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A table is one statement of the source, which is read on while its rows are written.
    monkeypatch.setattr("sweep.store.engine._STEPS_BETWEEN_CHECKS", 5)
    source, target = (new_store(f"sqlite:///{tmp_path}/{name}.db") for name in ("from", "to"))
    n_epochs = int(STATEMENT_SECONDS) + 20
    add_trial(source, add_study(source), 0, 0.1, curve=[0.1] * n_epochs)
    seconds = itertools.count()
    now = [0]

    def slowly(table: Any) -> Any:
        now[0] = next(seconds)
        return insert(table)

    monkeypatch.setattr(copy, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(copy, "insert", slowly)
    monkeypatch.setattr("sweep.store.engine.time.monotonic", lambda: now[0])
    assert copy.copy_study(source, target, "study").n_trials == 1
