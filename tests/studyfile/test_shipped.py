"""The study files that come with the product."""

from pathlib import Path

import pytest

from sweep.catalogue.settings import SETTINGS
from sweep.config import BASELINE
from sweep.search import config_from_params, enqueue_params
from sweep.studyfile import StudyFile, load, loads, to_toml

STUDIES = Path(__file__).parents[2] / "studies"
ALL = sorted(STUDIES.glob("*.toml"))


def load_shipped(name: str) -> StudyFile:
    return load(STUDIES / f"{name}.toml")


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_shipped_study_file_is_valid_and_named_after_its_file(path: Path) -> None:
    assert load(path).study.name == path.stem


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_shipped_study_file_opens_with_the_command_that_runs_it(path: Path) -> None:
    assert path.read_text().startswith(f"# sweep start studies/{path.name}\n")


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_shipped_study_file_reads_back_equal(path: Path) -> None:
    study_file = load(path)
    assert loads(to_toml(study_file), "copy") == study_file


@pytest.mark.parametrize("name", ["quickstart", "search"])
def test_trial_0_is_the_questions_configuration(name: str) -> None:
    study_file = load_shipped(name)
    params = enqueue_params(study_file, study_file.enqueue[0])
    assert config_from_params(study_file, params) == (BASELINE, None)


def test_the_question_study_repeats_that_configuration_over_five_seeds() -> None:
    question = load_shipped("question")
    assert config_from_params(question, {}) == (BASELINE, None)
    assert (question.study.repeat, question.budget.trials) == (5, 1)


def test_the_width_ladder_varies_the_width_of_that_configuration_alone() -> None:
    width = load_shipped("width")
    assert list(width.space.domains()) == ["hidden_width"]
    assert config_from_params(width, {"hidden_width": 784}) == (BASELINE, None)


def test_the_quickstart_asks_for_at_least_20_trials_over_what_the_demo_promises() -> None:
    quickstart = load_shipped("quickstart")
    searched = {node.setting for node in quickstart.space.search_space()}
    assert quickstart.budget.trials is not None
    assert quickstart.budget.trials >= 20
    assert {"hidden_width", "activation", "loss", "epochs", "optimizer"} <= searched


def test_the_broad_search_varies_every_setting_and_offers_every_name() -> None:
    nodes = load_shipped("search").space.search_space()
    offered = {str(choice) for node in nodes for choice in getattr(node.domain, "choices", ())}
    # Without what would keep the study from the fused trainer, which it is meant for.
    slow = {"hidden_layers", "layer_width_factor", "noise", "noise_std", "masked_share"}
    assert {node.setting for node in nodes} == set(SETTINGS) - {"eps", "seed"} - slow
    settings = [setting for name, setting in SETTINGS.items() if name not in slow]
    assert offered >= {name for setting in settings for name in setting.choices}
