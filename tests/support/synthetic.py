"""A study of any size, made row by row: values follow a law of the width, nothing is trained.

    python -m tests.support.synthetic sqlite:///big.db --trials 10000

For measuring pages and queries. The rows are those a coordinator writes, in its tables and in
Optuna's: pictures of every trial, as of the reference trainer, and what is found inside the network
of each that was the best of its width when it ended.
"""

import argparse
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
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
from sqlalchemy import Connection, Engine, insert

from sweep.config import TrialConfig, width_class
from sweep.datasets.images import data_key
from sweep.enums import Activation, Loss, Optimizer, Outcome
from sweep.messages import (
    Accuracies,
    Decomposition,
    Diagnostics,
    FeatureProbe,
    Probe,
    ProbeBaseline,
)
from sweep.store import schema
from sweep.store.engine import write_transaction
from sweep.store.measurements import add_probe_baselines
from sweep.store.migrate import open_store

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
TRIALS_PER_SECOND = 50.0
N_WORKERS = 4
EPOCHS = 5
_BATCH = 2000

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "hidden_width": IntDistribution(8, 1024, log=True),
    "activation": CategoricalDistribution([str(name) for name in Activation]),
    "loss": CategoricalDistribution([str(name) for name in Loss]),
    "optimizer": CategoricalDistribution([str(Optimizer.ADAM), str(Optimizer.RMSPROP)]),
    "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
}


def add_study(engine: Engine, name: str, n_trials: int, seed: int = 0) -> int:
    """A finished study of so many trials; returns its id."""
    rng = np.random.default_rng(seed)
    best: dict[int, float] = {}
    probed = {_N_PIXELS}
    with write_transaction(engine) as connection:
        study_id = _insert_study(connection, name, n_trials)
        for first in range(0, n_trials, _BATCH):
            numbers = range(first, min(first + _BATCH, n_trials))
            probed |= _insert_trials(connection, study_id, numbers, rng, best)
        _insert_baselines(connection, probed)
    return study_id


def _insert_study(connection: Connection, name: str, n_trials: int) -> int:
    study_id: int = connection.execute(
        insert(schema.studies).values(study_name=name).returning(schema.studies.c.study_id)
    ).scalar_one()
    connection.execute(
        insert(schema.study_directions).values(
            study_id=study_id, objective=0, direction=StudyDirection.MINIMIZE
        )
    )
    connection.execute(
        insert(schema.sweep_studies).values(
            study_id=study_id,
            study_file=_STUDY_FILE.format(name=name, n_trials=n_trials),
            provenance={"sweep": "synthetic", "data_sha256": _SHA256},
            originals_png=_strip(0),
            created_at=START,
            updated_at=START + n_trials / TRIALS_PER_SECOND,
            n_trials=n_trials,
            phase="finished",
            revision=1,
        )
    )
    connection.execute(
        insert(schema.sweep_workers),
        [
            {
                "study_id": study_id,
                "name": f"w{place}",
                "host": "synthetic",
                "pid": 1,
                "device": f"cuda:{place}",
                "device_name": "none",
                "state": "gone",
                "n_finished": n_trials // N_WORKERS,
                "started_at": START,
                "seen_at": START + n_trials / TRIALS_PER_SECOND,
            }
            for place in range(N_WORKERS)
        ],
    )
    return study_id


_SHA256 = "0" * 64
_N_PIXELS = 784
_STUDY_FILE = """\
[study]
name = "{name}"
description = "Synthetic."

[data]
name = "fashion-mnist-mini"

[budget]
trials = {n_trials}

[space]
hidden_width = {{ low = 8, high = 1024, log = true }}
activation = {{ choices = [
    "linear", "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "mish",
] }}
loss = {{ choices = ["bce", "mse", "l1", "huber"] }}
optimizer = {{ choices = ["adam", "rmsprop"] }}
learning_rate = {{ low = 1e-5, high = 1e-1, log = true }}
"""


def _insert_trials(
    connection: Connection,
    study_id: int,
    numbers: range,
    rng: np.random.Generator,
    best: dict[int, float],
) -> set[int]:
    """Return the widths of the codes that are probed.

    ``best``: the lowest error so far by class of widths.
    """
    made = [_trial(number, rng) for number in numbers]
    for trial in made:
        trial["is_best"] = _becomes_best(trial, best)
    connection.execute(
        insert(schema.trials),
        [
            {
                "study_id": study_id,
                "number": trial["number"],
                "state": trial["state"],
                "datetime_start": _naive(trial["started_at"]),
                "datetime_complete": _naive(trial["finished_at"]),
            }
            for trial in made
        ],
    )
    table = schema.trials
    rows = connection.execute(
        table.select().where(
            table.c.study_id == study_id, table.c.number.between(numbers[0], numbers[-1])
        )
    )
    ids = {row.number: row.trial_id for row in rows}
    for target, rows_of in (
        (schema.sweep_trials, _sweep_rows),
        (schema.trial_params, _param_rows),
        (schema.trial_values, _value_rows),
        (schema.trial_intermediate_values, _intermediate_rows),
        (schema.sweep_epochs, _epoch_rows),
        (schema.sweep_results, _result_rows),
        (schema.sweep_reconstructions, _picture_rows),
        (schema.sweep_decompositions, _decomposition_rows),
        (schema.sweep_probes, _probe_rows),
    ):
        found = [row for trial in made for row in rows_of(trial, ids[trial["number"]], study_id)]
        if found:
            connection.execute(insert(target), found)
    widths = (trial["params"]["hidden_width"] for trial in made if trial["is_best"])
    return {min(width, _N_PIXELS) for width in widths}


def _trial(number: int, rng: np.random.Generator) -> dict[str, Any]:
    params = {
        "hidden_width": round(2 ** rng.uniform(3, 10)),
        "activation": str(rng.choice(list(Activation))),
        "loss": str(rng.choice(list(Loss))),
        "optimizer": str(rng.choice([Optimizer.ADAM, Optimizer.RMSPROP])),
        "learning_rate": float(10 ** rng.uniform(-5, -1)),
    }
    distance = math.log10(params["learning_rate"]) + 2.7
    error = 0.002 + 0.3 / params["hidden_width"] + 0.004 * distance**2
    error *= math.exp(0.2 * rng.standard_normal())
    fate = rng.random()
    state = "COMPLETE" if fate < 0.9 else "PRUNED" if fate < 0.98 else "FAIL"
    n_epochs = EPOCHS if state == "COMPLETE" else int(rng.integers(1, EPOCHS))
    start = START + number / TRIALS_PER_SECOND
    return {
        "number": number,
        "state": TrialState[state],
        "params": params,
        "curve": [error * (1 + 4 / epoch**2) for epoch in range(1, n_epochs + 1)],
        "error": error,
        "started_at": start,
        "finished_at": start + N_WORKERS / TRIALS_PER_SECOND,
    }


def _becomes_best(trial: dict[str, Any], best: dict[int, float]) -> bool:
    """Whether a trial ends as the best of its width, as a coordinator judges that."""
    width, error = width_class(trial["params"]["hidden_width"]), trial["curve"][-1]
    if trial["state"] != TrialState.COMPLETE or error >= best.get(width, math.inf):
        return False
    best[width] = error
    return True


def _naive(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


_OUTCOMES = {
    TrialState.COMPLETE: Outcome.COMPLETE,
    TrialState.PRUNED: Outcome.PRUNED,
    TrialState.FAIL: Outcome.DIVERGED,
}


def _sweep_rows(trial: dict[str, Any], trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
    done = trial["state"] == TrialState.COMPLETE
    params = trial["params"]
    config = vars(TrialConfig(**{**params, "epochs": EPOCHS}))
    error = trial["curve"][-1]
    yield {
        "trial_id": trial_id,
        "study_id": study_id,
        "number": trial["number"],
        "attempt": 1,
        "config": config,
        "seeds": [trial["number"]],
        "outcome": str(_OUTCOMES[trial["state"]]),
        "worker": f"w{trial['number'] % N_WORKERS}",
        "started_at": trial["started_at"],
        "finished_at": trial["finished_at"],
        "train_seconds": N_WORKERS / TRIALS_PER_SECOND if done else None,
        "val_mse": error if done else None,
        "test_mse": 1.01 * error if done else None,
        "test_bce": 0.25 + error if done else None,
        "psnr": -10 * math.log10(1.01 * error) if done else None,
        "exact_pixel_share": 0.4 if done else None,
        "per_class_mse": [error * (0.5 + 0.1 * label) for label in range(10)] if done else None,
        "n_parameters": 2 * 784 * params["hidden_width"] + 784 + params["hidden_width"],
        "invalid": False,
        "revision": 1,
    }


def _param_rows(trial: dict[str, Any], trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
    for name, value in trial["params"].items():
        yield {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": DISTRIBUTIONS[name].to_internal_repr(value),
            "distribution_json": _DISTRIBUTIONS_JSON[name],
        }


_DISTRIBUTIONS_JSON = {name: distribution_to_json(of) for name, of in DISTRIBUTIONS.items()}


def _value_rows(trial: dict[str, Any], trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
    if trial["state"] != TrialState.FAIL:
        value, kind = models.TrialValueModel.value_to_stored_repr(trial["curve"][-1])
        yield {"trial_id": trial_id, "objective": 0, "value": value, "value_type": kind}


def _intermediate_rows(
    trial: dict[str, Any], trial_id: int, study_id: int
) -> Iterator[dict[str, Any]]:
    for epoch, error in enumerate(trial["curve"], start=1):
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(error)
        yield {
            "trial_id": trial_id,
            "step": epoch,
            "intermediate_value": stored,
            "intermediate_value_type": kind,
        }


def _epoch_rows(trial: dict[str, Any], trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
    for epoch, error in enumerate(trial["curve"], start=1):
        yield {
            "trial_id": trial_id,
            "seed_index": 0,
            "epoch": epoch,
            "train_loss": 10 * error,
            "val_mse": error,
            "val_bce": 0.25 + error,
            "seconds": N_WORKERS / TRIALS_PER_SECOND / EPOCHS,
        }


def _result_rows(trial: dict[str, Any], trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
    if trial["state"] == TrialState.COMPLETE:
        row = next(_sweep_rows(trial, trial_id, study_id))
        yield {
            "trial_id": trial_id,
            "seed_index": 0,
            "seed": trial["number"],
            **{name: row[name] for name in _OF_A_SEED},
            "diagnostics": vars(_diagnostics(trial)),
        }


_OF_A_SEED = ("test_mse", "test_bce", "psnr", "exact_pixel_share", "per_class_mse")


def _diagnostics(trial: dict[str, Any]) -> Diagnostics:
    width, activation = trial["params"]["hidden_width"], trial["params"]["activation"]
    return Diagnostics(
        dead_share=0.1 if activation == Activation.RELU else 0.0,
        saturated_share=0.3 if activation in (Activation.SIGMOID, Activation.TANH) else 0.0,
        stuck_share=min(1.0, trial["error"]),
        encoder_norm=math.sqrt(width),
        decoder_norm=math.sqrt(width),
    )


def _picture_rows(trial: dict[str, Any], trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
    if trial["state"] == TrialState.COMPLETE:
        yield {
            "trial_id": trial_id,
            "reconstructions_png": _strip(round(2000 * trial["error"]) % 128),
            "errors_png": _strip(0),
        }


def _decomposition_rows(
    trial: dict[str, Any], trial_id: int, study_id: int
) -> Iterator[dict[str, Any]]:
    if trial["is_best"]:
        rank = min(trial["params"]["hidden_width"], 784) ** 0.8
        found = Decomposition(
            code_rank=rank / 2, encoder_rank=rank, decoder_rank=rank, end_to_end=None
        )
        yield {"trial_id": trial_id, "decomposition": asdict(found)}


def _probe_rows(trial: dict[str, Any], trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
    if trial["is_best"]:
        found = Probe(
            code=_features(trial["params"]["hidden_width"], minus=trial["error"]),
            n_pixels=_N_PIXELS,
            n_test=1000,
            commonest=0.1,
            shown=tuple(range(10)),
        )
        yield {"trial_id": trial_id, "probe": asdict(found)}


def _features(width: int, minus: float = 0.0) -> FeatureProbe:
    """What so many numbers of an image would tell."""
    kept = 1 - math.exp(-width / 32)
    shares = {
        "linear": 0.6 + 0.2 * kept,
        "neighbours": 0.5 + 0.3 * kept,
        "network": 0.6 + 0.3 * kept,
    }
    found = Accuracies(**{name: max(0.0, share - minus) for name, share in shares.items()})
    return FeatureProbe(
        all_labels=found,
        validation=found,
        few_labels=found,
        few_labels_std=Accuracies(linear=0.01, neighbours=0.01, network=0.01),
        n_train=54_000,
        n_few=1_000,
        n_draws=5,
        nearest=((0, 1, 2, 3, 4),) * 10,
    )


def _insert_baselines(connection: Connection, widths: Iterable[int]) -> None:
    """Insert what codes of these widths are compared with."""
    key = data_key(_SHA256, 0.1, 0)
    add_probe_baselines(
        connection,
        (
            ProbeBaseline(data_key=key, width=width, pca=_features(width), random=_features(width))
            for width in widths
        ),
    )


def _strip(grey: int) -> bytes:
    """Ten pictures side by side with white gaps, as the trainer lays them."""
    if grey not in _STRIPS:
        strip = np.full((28, 298), 255, dtype=np.uint8)
        for place in range(10):
            strip[:, place * 30 : place * 30 + 28] = min(255, grey + 12 * place)
        buffer = io.BytesIO()
        Image.fromarray(strip).save(buffer, "PNG")
        _STRIPS[grey] = buffer.getvalue()
    return _STRIPS[grey]


_STRIPS: dict[int, bytes] = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("storage")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--name", default="synthetic")
    options = parser.parse_args()
    add_study(open_store(options.storage, create=True), options.name, options.trials)


if __name__ == "__main__":
    main()
