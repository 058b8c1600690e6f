"""Stores with studies in them, made row by row: what the coordinator would have written."""

import dataclasses
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tomlkit
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState
from PIL import Image
from sqlalchemy import Connection, Engine, insert, make_url, select, update

from sweep.analysis.probe_summary import ProbedTrial
from sweep.config import DEFAULT_BASELINE, StudyBaseline, TrialConfig
from sweep.datasets.images import data_key
from sweep.enums import AblationMethod, Activation, Loss, Outcome
from sweep.messages import Accuracies, FeatureProbe, ProbeBaseline
from sweep.store import annotate, optuna_rows, revisions, schema
from sweep.store.derived_studies import Explained
from sweep.store.engine import connect, write_transaction
from sweep.store.handle import open_study
from sweep.store.measurements import add_probe_baselines
from sweep.store.migrate import initialise
from sweep.store.records import METRICS, TrialRow
from sweep.store.table import Choices, Column, TrialTable, states_of
from tests.support.spectrum_factories import BANDS, by_the_law, pack

EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "hidden_width": IntDistribution(8, 1024, log=True),
    "activation": CategoricalDistribution([str(name) for name in Activation]),
    "loss": CategoricalDistribution([str(name) for name in Loss]),
    "adam.learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
    "sgd.learning_rate": FloatDistribution(1e-3, 10.0, log=True),
}


#: As JSON has it.
DECOMPOSITION: dict[str, Any] = {
    "code_rank": 7.5,
    "encoder_rank": 6.5,
    "decoder_rank": 5.5,
    "end_to_end": None,
}


#: As JSON has it.
PIXELS = {"black_pixels": 0.5, "white_pixels": 0.1, "black_error": 0.2, "white_error": 0.3}

#: Of a study that ``add_study`` adds.
SHA256 = "0" * 64
DATA_KEY = data_key(SHA256, 0.1, 0)


def features(linear: float, neighbours: float, network: float, **changes: Any) -> FeatureProbe:
    """What three classifiers tell with all labels; with few, a tenth less."""
    found = Accuracies(linear=linear, neighbours=neighbours, network=network)
    few = {name: 0.9 * share for name, share in vars(found).items()}
    return replace(
        FeatureProbe(
            all_labels=found,
            validation=found,
            few_labels=Accuracies(**few),
            few_labels_std=Accuracies(linear=0.02, neighbours=0.02, network=0.02),
            n_train=54_000,
            n_few=1_000,
            n_draws=4,
            nearest=((5, 6), (7, 8)),
        ),
        **changes,
    )


#: As JSON has it.
PROBE: dict[str, Any] = {
    "code": json.loads(json.dumps(asdict(features(0.75, 0.7, 0.8)))),
    "n_pixels": 784,
    "n_test": 1000,
    "commonest": 0.1,
    "shown": [0, 1],
}


def baselines(*widths: int, key: str = DATA_KEY) -> list[ProbeBaseline]:
    """What codes of these widths are compared with."""
    pixels = features(0.8, 0.85, 0.9, nearest=((5, 9), (7, 2)))
    same_size = {"pca": features(0.65, 0.6, 0.7), "random": features(0.5, 0.55, 0.6)}
    of_width = {784: {"pca": pixels, "random": pixels}, **dict.fromkeys(widths, same_size)}
    return [ProbeBaseline(data_key=key, width=width, **of) for width, of in of_width.items()]


def make_probed(
    number: int, width: int, test_mse: float, probe: Mapping[str, Any] = PROBE
) -> ProbedTrial:
    """A probed trial, as a study that ``add_study`` adds would have it."""
    found = ProbedTrial.of(number, width, test_mse, probe, baselines(width))
    assert found is not None
    return found


def add_probe(
    engine: Engine,
    trial_id: int,
    probe: Mapping[str, Any] = PROBE,
    *,
    width: int = 784,
    key: str = DATA_KEY,
) -> None:
    """Store a trial's probe and what it is compared with."""
    as_json = json.loads(json.dumps(dict(probe), default=asdict))
    add_rows(engine, schema.sweep_probes, {"trial_id": trial_id, "probe": as_json})
    with write_transaction(engine) as connection:
        add_probe_baselines(connection, baselines(width, key=key))


def new_store(url: str) -> Engine:
    """An empty store at that URL."""
    engine = connect(make_url(url))
    initialise(engine)
    return engine


def sqlite_store(folder: Path) -> Engine:
    """An empty SQLite store, copied from one made once: migrating takes a second."""
    path = folder / "sweep.db"
    path.write_bytes(_template())
    return connect(make_url(f"sqlite:///{path}"))


@cache
def _template() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        new_store(f"sqlite:///{path}").dispose()
        return path.read_bytes()


def change_study_file(engine: Engine, name: str, sections: Mapping[str, Any]) -> None:
    """Replace keys of a study's stored file, by section."""
    table = schema.sweep_studies
    of_study = table.c.study_id == open_study(engine, name).key.study_id
    with write_transaction(engine) as connection:
        text = connection.execute(select(table.c.study_file).where(of_study)).scalar_one()
        stored = tomlkit.parse(text).unwrap()
        for section, keys in sections.items():
            stored[section] = {**stored.get(section, {}), **keys}
        connection.execute(update(table).where(of_study).values(study_file=tomlkit.dumps(stored)))


def study_file_of(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """A study file as a coordinator writes it."""
    given = {name: {**section} for name, section in sections.items()}
    given["budget"] = {"trials": 20, **given.get("budget", {})}
    return tomlkit.dumps({**given, "space": {"hidden_width": 64}})


def add_study(
    engine: Engine,
    name: str = "study",
    *,
    objectives: Sequence[str] = ("val_mse",),
    description: str = "",
    settings: Mapping[str, Any] | None = None,
    **columns: Any,
) -> int:
    """A study without trials; returns its id. ``settings`` are keys of its file by section.

    Names that no study file may have, which another program's studies can, are not in its file.
    """
    in_file = name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) else "study"
    about = {"name": in_file, "description": description, "objectives": list(objectives)}
    row = {
        "study_file": study_file_of({"study": about, **(settings or {})}),
        "provenance": {"sweep": "0.1.0", "git_commit": "abc1234", "data_sha256": SHA256},
        "created_at": EPOCH,
        "updated_at": EPOCH,
        "n_trials": 20,
        "phase": "finished",
        **columns,
    }
    with write_transaction(engine) as connection:
        study_id: int = connection.execute(
            insert(schema.studies).values(study_name=name).returning(schema.studies.c.study_id)
        ).scalar_one()
        connection.execute(
            insert(schema.study_directions),
            [
                {"study_id": study_id, "objective": i, "direction": StudyDirection.MINIMIZE}
                for i in range(len(objectives))
            ],
        )
        connection.execute(insert(schema.sweep_studies).values(study_id=study_id, **row))
    return study_id


def add_trial(
    engine: Engine,
    study_id: int,
    number: int,
    values: float | Sequence[float] | None = None,
    *,
    state: str = "COMPLETE",
    config: TrialConfig | None = None,
    params: Mapping[str, Any] | None = None,
    curve: Sequence[float | None] = (),
    spectra: Sequence[bytes] = (),
    **columns: Any,
) -> int:
    """A trial; returns its id. ``curve`` is the validation error of each epoch of its one seed, and
    ``spectra`` are the error spectra of these epochs, as they are stored."""
    of_objectives = (
        [] if values is None else [values] if isinstance(values, int | float) else list(values)
    )
    row = _sweep_trial(number, state, of_objectives, config or TrialConfig()) | columns
    with write_transaction(engine) as connection:
        row["revision"] = revisions.advance(connection, study_id)
        trial_id = _insert_trial(connection, study_id, number, TrialState[state])
        connection.execute(
            insert(schema.sweep_trials).values(trial_id=trial_id, study_id=study_id, **row)
        )
        _insert_values(connection, trial_id, of_objectives)
        _insert_params(connection, trial_id, params or {})
        add_curve(connection, trial_id, curve, spectra=spectra)
    return trial_id


def add_explanation(
    engine: Engine,
    study: str,
    baseline: TrialConfig,
    target: TrialConfig,
    errors: Mapping[TrialConfig, Sequence[float]],
    *,
    name: str | None = None,
    method: AblationMethod = AblationMethod.PATH,
    **columns: Any,
) -> int:
    """``STUDY-explain``, with a trial for each configuration; errors by seed. Returns its id."""
    n_seeds = len(next(iter(errors.values())))
    name = name or f"{study}-explain"
    about = {"study": {"name": name, "repeat": n_seeds}}
    of_same_data = {"provenance": open_study(engine, study).record().provenance}
    study_id = add_study(engine, name, settings=about, **{**of_same_data, **columns})
    ends = Explained(
        study=study,
        study_created_at=open_study(engine, study).key.identity[1],
        from_number=None,
        from_baseline=True,
        to_number=1,
        baseline=asdict(baseline),
        target=asdict(target),
        method=method,
    )
    add_attributes(engine, study_id, ends.attributes)
    for number, (config, of_seeds) in enumerate(errors.items()):
        trial_id = add_trial(engine, study_id, number, fmean(of_seeds), config=config)
        add_seed_errors(engine, trial_id, of_seeds)
    return study_id


def add_attributes(engine: Engine, study_id: int, attributes: Mapping[str, Any]) -> None:
    """Optuna's, of a study."""
    for key, value in attributes.items():
        row = {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
        add_rows(engine, schema.study_user_attributes, row)


def _sweep_trial(
    number: int, state: str, values: Sequence[float], config: TrialConfig
) -> dict[str, Any]:
    ended = {"COMPLETE": Outcome.COMPLETE, "PRUNED": Outcome.PRUNED, "FAIL": Outcome.FAILED}
    error = values[0] if values and state == "COMPLETE" and isfinite(values[0]) else None
    return {
        "number": number,
        "attempt": 0 if state == "WAITING" else 1,
        "config": asdict(config),
        "seeds": [number],
        "outcome": ended.get(state),
        "started_at": None if state == "WAITING" else EPOCH + number,
        "finished_at": EPOCH + number + 1 if state in ended else None,
        "val_mse": error,
        "test_mse": error,
        "n_parameters": 2 * 784 * config.hidden_width + 784 + config.hidden_width,
        "invalid": False,
    }


def _insert_trial(connection: Connection, study_id: int, number: int, state: TrialState) -> int:
    started = datetime.fromtimestamp(EPOCH + number, UTC).replace(tzinfo=None)
    ended = datetime.fromtimestamp(EPOCH + number + 1, UTC).replace(tzinfo=None)
    trial_id: int = connection.execute(
        insert(schema.trials)
        .values(
            study_id=study_id,
            number=number,
            state=state,
            datetime_start=None if state == TrialState.WAITING else started,
            datetime_complete=ended if state.is_finished() else None,
        )
        .returning(schema.trials.c.trial_id)
    ).scalar_one()
    return trial_id


def _insert_values(connection: Connection, trial_id: int, values: Sequence[float]) -> None:
    for objective, number in enumerate(values):
        value, kind = models.TrialValueModel.value_to_stored_repr(number)
        connection.execute(
            insert(schema.trial_values).values(
                trial_id=trial_id, objective=objective, value=value, value_type=kind
            )
        )


def _insert_params(connection: Connection, trial_id: int, params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        distribution = DISTRIBUTIONS[name]
        connection.execute(
            insert(schema.trial_params).values(
                trial_id=trial_id,
                param_name=name,
                param_value=distribution.to_internal_repr(value),
                distribution_json=distribution_to_json(distribution),
            )
        )


def add_curve(
    connection: Connection,
    trial_id: int,
    curve: Sequence[float | None],
    seed_index: int = 0,
    spectra: Sequence[bytes] = (),
) -> None:
    """One seed's validation errors, epoch by epoch."""
    for (epoch, val_mse), spectrum in zip_longest(enumerate(curve, start=1), spectra):
        connection.execute(
            insert(schema.sweep_epochs).values(
                trial_id=trial_id,
                seed_index=seed_index,
                epoch=epoch,
                train_loss=None if val_mse is None else 10 * val_mse,
                val_mse=val_mse,
                seconds=0.5,
                spectrum=spectrum,
            )
        )


def add_seed_errors(engine: Engine, trial_id: int, errors: Sequence[float]) -> None:
    """The result of each seed, and one epoch with its validation error."""
    with write_transaction(engine) as connection:
        for index, error in enumerate(errors):
            seed = {"trial_id": trial_id, "seed_index": index, "seed": index}
            connection.execute(insert(schema.sweep_results).values(**seed))
            add_curve(connection, trial_id, [error], index)


def add_rows(engine: Engine, table: Any, *rows: Mapping[str, Any]) -> None:
    """Rows of one of our tables, as they are."""
    with write_transaction(engine) as connection:
        for row in rows:
            connection.execute(insert(table).values(**row))


def fill_study(engine: Engine, name: str) -> None:
    """A study with a row in every table that has rows of studies."""
    study_id = add_study(engine, name, spectrum_bands=asdict(BANDS))
    of_study = {"study_id": study_id}
    trial_id = add_trial(
        engine,
        study_id,
        0,
        0.1,
        params={"loss": "mse"},
        curve=[0.1],
        spectra=pack(by_the_law(0.3, [1])),
        artifact_id="weights",
    )
    of_trial = {"trial_id": trial_id}
    attribute = {"key": "k", "value_json": "1"}
    step = {"step": 1, "intermediate_value": 0.1, "intermediate_value_type": "FINITE"}
    annotate.note(engine, name, "note", 0)
    annotate.tag(engine, name, "tag")
    seen = {"started_at": EPOCH, "seen_at": EPOCH, "n_finished": 0, "state": "gone"}
    png = {"reconstructions_png": b"", "errors_png": b""}
    worker = {"name": "w0", "host": "h", "pid": 1, "device": "cpu"}
    command = {"kind": "stop", "payload": {}, "created_at": EPOCH}
    rows = {
        schema.study_user_attributes: of_study | attribute,
        schema.study_system_attributes: of_study | attribute,
        schema.trial_user_attributes: of_trial | attribute,
        schema.trial_system_attributes: of_trial | attribute,
        schema.trial_intermediate_values: of_trial | step,
        optuna_rows.metadata.tables["trial_heartbeats"]: of_trial,
        schema.sweep_results: of_trial | {"seed_index": 0, "seed": 0, "pixel_errors": PIXELS},
        schema.sweep_reconstructions: of_trial | png,
        schema.sweep_decompositions: of_trial | {"decomposition": DECOMPOSITION},
        schema.sweep_probes: of_trial | {"probe": PROBE},
        schema.sweep_workers: of_study | worker | seen,
        schema.sweep_leases: lease_row(study_id, EPOCH),
        schema.sweep_commands: of_study | command,
        schema.sweep_events: of_study | {"at": EPOCH, "kind": "ended", "message": ""},
    }
    for table, row in rows.items():
        add_rows(engine, table, row)


def lease_row(study_id: int, expires_at: float, **columns: Any) -> dict[str, Any]:
    """A coordinator on another host, that holds the study until ``expires_at``."""
    return {
        "study_id": study_id,
        "token": "token",
        "host": "elsewhere",
        "pid": 4711,
        "process": {},
        "batch": 0,
        "taken_at": EPOCH,
        "expires_at": expires_at,
        **columns,
    }


def trial_row(*, number: int, values: Sequence[float] = (), **fields: Any) -> TrialRow:
    """A finished trial as reading gives it, without a database."""
    error = values[0] if values else None
    unknown = dict.fromkeys(field.name for field in dataclasses.fields(TrialRow))
    config = fields.pop("config", TrialConfig())
    row = {
        "number": number,
        "state": "COMPLETE",
        "values": tuple(values),
        "params": {},
        "config": asdict(config),
        "seeds": (number,),
        "val_mse": error,
        "test_mse": error,
        "outcome": "complete",
        "attempt": 1,
        "worker": "w0",
        "datetime_start": datetime.fromtimestamp(EPOCH + number, UTC),
        "datetime_complete": datetime.fromtimestamp(EPOCH + number + 1, UTC),
        "invalid": False,
        "tags": (),
    }
    return TrialRow(**(unknown | row | fields))


def column_of(values: Sequence[Any]) -> Column:
    """A column of plain values: words and truth become choices, numbers stay numbers."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, str | bool):
        return Choices.of(values)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def trial_table(
    *rows: TrialRow,
    objectives: Sequence[str] = ("val_mse",),
    baseline: StudyBaseline | None = None,
) -> TrialTable:
    """Trials as columns, as reading a study gives them, without a database."""
    rows = tuple(sorted(rows, key=lambda row: row.number))
    names = list(dict.fromkeys(name for row in rows for name in row.config))
    return TrialTable(
        revision=1,
        objectives=tuple(objectives),
        numbers=np.array([row.number for row in rows], dtype=np.int64),
        states=states_of([row.state for row in rows]),
        values=np.array(
            [
                [*row.values, *[np.nan] * (len(objectives) - len(row.values))][: len(objectives)]
                for row in rows
            ],
            dtype=np.float64,
        ).reshape(len(rows), len(objectives)),
        outcomes=Choices.of([row.outcome for row in rows]),
        workers=Choices.of([row.worker for row in rows]),
        attempts=np.array([row.attempt for row in rows], dtype=np.int64),
        invalid=np.array([row.invalid for row in rows], dtype=bool),
        started=_seconds([row.datetime_start for row in rows]),
        ended=_seconds([row.datetime_complete for row in rows]),
        metrics={name: column_of([row.metrics[name] for row in rows]) for name in METRICS},
        settings={name: column_of([row.config.get(name) for row in rows]) for name in names},
        searched=tuple(dict.fromkeys(name.split(".")[-1] for row in rows for name in row.params)),
        baseline=baseline or DEFAULT_BASELINE,
    )


def _seconds(moments: Sequence[datetime | None]) -> Any:
    return column_of([None if moment is None else moment.timestamp() for moment in moments])


def strip_png(n: int = 10, *, height: int = 28, width: int = 28, grey: int = 20) -> bytes:
    """Pictures side by side with white gaps, as the trainer lays them; picture n is grey 20 n."""
    strip = np.full((height, n * (width + 2) - 2), 255, dtype=np.uint8)
    for place in range(n):
        strip[:, place * (width + 2) : place * (width + 2) + width] = grey * place
    buffer = io.BytesIO()
    Image.fromarray(strip).save(buffer, "PNG")
    return buffer.getvalue()
