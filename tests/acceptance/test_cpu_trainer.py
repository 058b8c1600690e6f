"""A study by the CPU trainer, the default on a CPU, and the same by the reference trainer."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from sweep.enums import Trainer
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from tests.support.cli_runner import Cli
from tests.support.factories import make_images, write_dataset

STUDY = """
study.name = "x"
study.seed = 3
space.hidden_width = {low = 4, high = 40, log = true}
space.activation.choices = ["relu", "tanh", "gelu"]
space.loss.choices = ["bce", "mse"]
space.optimizer.choices = ["adam", "sgd", "rmsprop"]
space.epochs = {low = 1, high = 3}
space.batch_size = 32
sampler.name = "random"
budget.trials = 8
"""


def run(cli: Cli, folder: Path, data: Path, *options: str) -> str:
    folder.mkdir()
    (folder / "x.toml").write_text(STUDY + f'data.name = "{data}"\n')
    url = f"sqlite:///{folder / 'x.db'}"
    answer = cli("start", folder / "x.toml", "--workers", "1", "--storage", url, *options)
    assert answer.code == 0, answer.err
    return url


@pytest.mark.usefixtures("forked_workers")
def test_a_study_trains_by_default_as_the_reference_trainer_would(cli: Cli, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", make_images(60, 20, height=4, width=4))
    url = run(cli, tmp_path / "cpu", data)
    options = ("--trainer", "reference", "--set", "study.spectrum=false")
    plain = run(cli, tmp_path / "reference", data, *options)
    trials, others = (optuna.load_study(study_name="x", storage=s).trials for s in (url, plain))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    for one, other in zip(trials, others, strict=True):
        assert one.params == other.params
        assert one.value == pytest.approx(other.value, rel=1e-4)
    assert [of.trainer for of in open_study(open_store(url), "x").workers()] == [Trainer.CPU]
    assert [of.trainer for of in open_study(open_store(plain), "x").workers()] == [
        Trainer.REFERENCE
    ]
    check_spectra(url)
    assert open_study(open_store(plain), "x").record().spectrum_bands is None
    assert open_study(open_store(plain), "x").spectra() == {}
    check_verify(cli, url)


def check_spectra(url: str) -> None:
    """Of so few images all are measured: the bands add up to the error of each epoch."""
    study = open_study(open_store(url), "x")
    bands, spectra = study.record().spectrum_bands, study.spectra()
    assert bands is not None and sum(bands.n_directions) == 16
    for number, curve in study.curves().items():
        sums = [sum(point.errors) for point in spectra[number]]
        assert sums == pytest.approx([point.val_mse for point in curve], rel=1e-4)
        (result,) = study.trial(number).results
        assert result.pixel_errors is not None


def check_verify(cli: Cli, url: str) -> None:
    """The trial comes out the same to rounding by the reference trainer."""
    reference = ("--trainer", "reference", "--tolerance", "1e-4")
    plain = cli("verify", "x", "0", "--storage", url, "--json", *reference).json
    assert plain["trainer"] == "reference" and plain["agreement"] != "diverged"
