"""A study by the fused trainer, in Triton's interpreter, and the same by the reference trainer."""

import math
import re
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from sweep.config import width_class
from sweep.enums import EventKind, Trainer
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from tests.support.cli_runner import Answer, Cli
from tests.support.factories import make_images, write_dataset
from tests.support.pretended_card import pretend_card

STUDY = """
study.name = "x"
study.seed = 3
space.hidden_width = {low = 4, high = 40, log = true}
space.activation.choices = ["relu", "tanh"]
space.optimizer.choices = ["adam", "sgd"]
space.epochs = {low = 1, high = 3}
space.batch_size = 32
sampler.name = "random"
budget.trials = 5
"""


def start(cli: Cli, folder: Path, *options: str) -> Answer:
    """Run the study in a database of this folder."""
    folder.mkdir(exist_ok=True)
    data = write_dataset(folder / "data", make_images(60, 20, height=4, width=4))
    (folder / "x.toml").write_text(STUDY + f'data.name = "{data}"\n')
    return cli("start", folder / "x.toml", "--storage", url_in(folder), *options)


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'x.db'}"


@pytest.mark.usefixtures("forked_workers")
def test_a_study_is_the_same_by_either_trainer(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    for trainer in ("reference", "fused"):
        answer = start(cli, tmp_path / trainer, "--workers", "1", "--trainer", trainer)
        assert answer.code == 0, answer.err
    urls = {trainer: url_in(tmp_path / trainer) for trainer in ("reference", "fused")}
    plain, fused = (optuna.load_study(study_name="x", storage=url).trials for url in urls.values())
    assert [trial.state for trial in fused] == [TrialState.COMPLETE] * 5
    for one, other in zip(plain, fused, strict=True):
        assert one.params == other.params
        assert other.value == pytest.approx(one.value, rel=1e-4)
        assert list(other.intermediate_values) == list(one.intermediate_values)
    engine = open_store(urls["fused"])
    assert open_study(engine, "x").record().provenance["trainer"] == "fused"
    diagnosed = open_study(engine, "x").trial(0).results[0].diagnostics
    assert diagnosed is not None and diagnosed["encoder_norm"] > 0
    assert open_study(engine, "x").workers()[0].slots == 4
    assert open_study(engine, "x").workers()[0].trainer is Trainer.FUSED
    assert_the_best_of_each_width_have_weights(engine)


def assert_the_best_of_each_width_have_weights(engine: Engine) -> None:
    best: dict[int, tuple[float, int]] = {}
    for row in open_study(engine, "x").trials():
        assert row.hidden_width is not None and row.value is not None
        key = width_class(row.hidden_width)
        best[key] = min(best.get(key, (math.inf, 0)), (row.value, row.number))
    assert all(open_study(engine, "x").trial(number).artifact_id for _, number in best.values())


def test_a_card_that_computes_wrong_numbers_still_trains_the_study_and_that_is_said(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_card(monkeypatch)
    answer = start(cli, tmp_path)
    assert answer.code == 0, answer.err
    said = " ".join(answer.err.split())
    assert "WARNING: GPU 0" in said and "trains with the reference trainer" in said
    assert len(re.findall(r"(?:ieee|tf32): encoder_weight of .*? limit", said)) > 2
    engine = open_store(url_in(tmp_path))
    (worker,) = open_study(engine, "x").workers()
    assert worker.trainer is Trainer.REFERENCE and worker.n_finished == 5
    assert "encoder_weight" in str(worker.fallback_reason)
    assert {row.state for row in open_study(engine, "x").trials()} == {"COMPLETE"}
    assert EventKind.FALLBACK in [event.kind for event in open_study(engine, "x").events()]
    assert open_study(engine, "x").training_record(0).trainer is Trainer.REFERENCE
