"""Run a study from a script, look at it, take its networks."""

import json
import subprocess
import sys
from html import unescape
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import sweep
from sweep import datasets, trainer
from sweep.analysis.study_floors import study_floors
from sweep.api.runs import NotebookBar, in_notebook
from sweep.coordinator.progress import Progress
from sweep.errors import StudyFileError, UsageError
from sweep.store.artifacts import read_artifact
from sweep.store.engine import connect, storage_url
from tests.support.forked_workers import IdleWorkers
from tests.support.picture_folders import fill, paint

ROOT = Path(__file__).parents[2]

STUDY = """
[study]
name = "small"
[data]
name = "fashion-mnist-mini"
train_limit = 500
[space]
hidden_width = { choices = [4, 8] }
epochs = 1
[sampler]
name = "grid"
[budget]
trials = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "demo").mkdir()
    (folder / "small.toml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def study(folder: Path, idle_workers: IdleWorkers) -> sweep.Study:
    """A study that ``sweep.run`` ran to its end; it stands in for the demo's."""
    with pytest.MonkeyPatch.context() as patch:
        idle_workers.lend(patch)
        return sweep.run(folder / "small.toml", **arguments(folder))


def arguments(folder: Path) -> dict[str, Any]:
    storage = f"sqlite:///{folder}/demo/sweep.db"
    return {"storage": storage, "workers": 1, "name": "quickstart"}


def test_a_run_returns_its_study(study: sweep.Study) -> None:
    assert study.summary().phase == "finished"
    assert sorted(study.trials()["hidden_width"].to_list()) == [4, 8]


def test_a_name_that_is_taken_is_refused_and_resumed_on_request(
    folder: Path, study: sweep.Study
) -> None:
    with pytest.raises(UsageError, match="study 'quickstart' already exists"):
        sweep.run(folder / "small.toml", **arguments(folder))
    resumed = sweep.run(folder / "small.toml", resume=True, **arguments(folder))
    assert len(resumed.trials()) == 2


def test_an_unknown_trainer_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="unknown trainer 'gpu'. Known: auto, "):
        sweep.run(folder / "small.toml", trainer="gpu")


def test_a_number_of_workers_that_the_command_line_refuses_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="--workers 0: give a number from 1 to 1024"):
        sweep.run(folder / "small.toml", workers=0)


def test_one_override_needs_no_list(folder: Path) -> None:
    with pytest.raises(StudyFileError) as caught:
        sweep.run(folder / "small.toml", overrides="budget.trials=none")
    assert len(caught.value.problems) == 1 and "budget.trials" in caught.value.problems[0]


def test_a_loaded_network_makes_the_copies_that_the_trial_made(
    folder: Path, study: sweep.Study
) -> None:
    number = study.summary().best_number
    assert number is not None
    model, images = study.load_model(number), datasets.load("fashion-mnist-mini").test_images[:50]
    pixels = torch.from_numpy(images / np.float32(255))
    with torch.no_grad():
        copies = model(pixels.reshape(-1, 28, 28))
        assert model.encode(pixels).shape == (50, study.trial(number).hidden_width)
        torch.testing.assert_close(model.decode(model.encode(pixels)), copies)
    url, artifact_id = storage_url(arguments(folder)["storage"]), study.trial(number).artifact_id
    assert artifact_id is not None
    expected = trainer.reconstruct(read_artifact(connect(url).url, artifact_id), images)
    assert np.abs(copies.numpy() * 255 - expected.pixels).max() <= 0.51


def test_the_copies_of_the_best_trial_can_be_read(study: sweep.Study) -> None:
    number = study.summary().best_number
    assert number is not None
    assert study.reconstructions(number).copies.shape == (10, 28, 28)


NOTEBOOK = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_runs_on_the_demos_study(folder: Path, study: sweep.Study) -> None:
    # Every cell in turn, in one process and one namespace: a kernel would bring 30 packages.
    script = "\n".join("".join(cell["source"]) for cell in CELLS)
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr


def test_the_notebook_is_kept_without_outputs() -> None:
    assert len(CELLS) > 6
    assert [cell for cell in CELLS if cell["outputs"] or cell["execution_count"]] == []


class Display:
    """What IPython.display gives: updates in place of the one before."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, html: str, *, display_id: bool) -> "Display":
        assert display_id
        return self

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    """Pretend to be in a notebook."""
    found, ipython, module = Display(), ModuleType("IPython"), ModuleType("IPython.display")
    vars(ipython)["get_ipython"] = lambda: SimpleNamespace(kernel=object())
    vars(module).update(display=found, HTML=str)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return found


def test_a_notebook_shows_a_bar_that_moves(display: Display) -> None:
    assert in_notebook()
    bar, counts = NotebookBar(), {"n_pruned": 0, "n_failed": 0, "n_diverged": 0, "n_running": 1}
    for n_complete in (1, 1, 2):
        bar(
            Progress(
                name="<b>small",
                phase="running",
                n_trials=4,
                n_complete=n_complete,
                best_value=0.1,
                best_number=0,
                trials_per_second=None,
                seconds_left=None,
                workers=(),
                **counts,
            )
        )
    assert len(display.shown) == 2  # what has not changed is not sent again
    assert "value='2' max='4'" in display.shown[-1]
    assert "<b>small" not in display.shown[-1]
    assert "<b>small: 2/4 trials" in unescape(display.shown[-1])


def test_a_script_is_no_notebook() -> None:
    assert not in_notebook()


@pytest.mark.usefixtures("forked_workers")
def test_a_run_takes_images_from_memory_and_a_resume_finds_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_DATA", str(tmp_path / "data"))
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 3), np.uint8)
    about = arguments(folder) | {"name": "given", "data": (images, images[:10])}
    study = sweep.run(folder / "small.toml", **about)
    assert study.summary().dataset.startswith(str(tmp_path / "data"))
    shown = study.reconstructions(study.summary().best_number or 0)
    assert shown.originals.shape == shown.copies.shape == (10, 3, 4, 3)
    assert np.array_equal(shown.originals, images[:10])
    del about["data"]
    more = sweep.run(
        folder / "small.toml",
        **about,
        resume=True,
        overrides=[f"data.name={json.dumps(study.summary().dataset)}", "budget.trials=2"],
    )
    assert more.summary().n_finished == 2


@pytest.mark.usefixtures("forked_workers")
def test_a_run_trains_on_a_folder_of_pictures_of_several_sizes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_DATA", str(tmp_path / "data"))
    for name in ("cats", "dogs"):
        fill(tmp_path / "pictures" / name, 20)
        paint(tmp_path / "pictures" / name / "odd.png", size=(9, 9))
    about = arguments(folder) | {"name": "pictures"}
    own = [f"data.name={json.dumps(str(tmp_path / 'pictures'))}", "data.size=[3, 4]"]
    study = sweep.run(folder / "small.toml", overrides=own, **about)
    best = study.trial(study.summary().best_number or 0)
    assert len(best.per_class_mse or ()) == 2
    assert study._handle.record().class_names == ("cats", "dogs")
    assert study_floors(study._handle) is not None
