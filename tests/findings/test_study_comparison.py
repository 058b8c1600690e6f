"""Studies side by side, and trials of several studies."""

from pathlib import Path
from typing import Any

import pytest

from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.findings.comparison import trial_names
from sweep.findings.study_comparison import StudyComparison, gather_studies, gather_trials
from sweep.findings.tables import FindingTable
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.store_factories import EPOCH, add_study, add_trial, sqlite_store
from tests.support.study_factories import WIDTHS, study_text

IMAGES = {"n_train": 6_000, "n_test": 1_000}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def add(engine: Engine, name: str, *errors: float, space: str = WIDTHS, more: str = "") -> int:
    """A study with a trial of each error, one after another, of the same images; returns its id."""
    text = study_text(space, f"budget.trials = 10\n{more}")
    provenance = {"data_sha256": "0" * 64, "images": IMAGES}
    study_id = add_study(engine, name, study_file=text, provenance=provenance)
    for number, error in enumerate(errors):
        config = TrialConfig(hidden_width=8, activation=Activation.TANH)
        add_trial(engine, study_id, number, error, config=config)
    return study_id


def compare_studies(engine: Engine, *names: str) -> StudyComparison:
    return gather_studies([open_study(engine, name) for name in names])


def rows(table: FindingTable) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_at_equal_numbers_the_first_trials_are_those_that_ended_first(engine: Engine) -> None:
    add(engine, "short", 0.3, 0.2)
    study_id = add(engine, "long")
    for number, (error, seconds) in enumerate([(0.1, 900.0), (0.4, 100.0), (0.3, 200.0)]):
        add_trial(engine, study_id, number, error, finished_at=EPOCH + seconds)
    said = compare_studies(engine, "long", "short").headline
    assert said.endswith("Best of the first 2 trials of each: 'long' 0.300, 'short' 0.200.")


def test_the_best_study_is_named_also_at_equal_numbers_of_trials(engine: Engine) -> None:
    add(engine, "long", 0.4, 0.3, 0.1)
    add(engine, "short", 0.3, 0.2)
    found = compare_studies(engine, "long", "short")
    assert found.cautions == []
    assert found.headline == (
        "Study 'long' has the lowest validation error: 0.100 (trial 2), 2.0 times lower than that "
        "of 'short' (0.200, trial 1). Best of the first 2 trials of each: 'long' 0.300, "
        "'short' 0.200."
    )
    assert rows(found.results)["Finished trials"] == ["3 of 20", "2 of 20"]
    shown = found.to_json()["tables"]["results"]
    assert {row["name"]: row["long"] for row in shown}["Finished trials"] == 3


def test_what_differs_between_study_files_is_told_with_defaults(engine: Engine) -> None:
    add(engine, "a", 0.1, more="data.train_limit = 1000")
    add(engine, "b", 0.2, space='hidden_width = { low = 8, high = 64 }\nactivation = "tanh"')
    found = compare_studies(engine, "a", "b")
    assert rows(found.differences) == {
        "data.train_limit": ["1000", "left out"],
        "space.hidden_width": ["8 to 1024, log", "8 to 64"],
        "space.activation": ["relu", "tanh"],
    }
    assert "1,000 of 6,000 images" in found.cautions[0]
    assert found.headline  # the images to validate on are the same


def test_a_budget_that_resume_changed_is_compared_as_it_is_now(engine: Engine) -> None:
    add(engine, "a", 0.1)
    add_study(engine, "b", study_file=study_text(more="budget.trials = 10"), n_trials=44)
    assert rows(compare_studies(engine, "a", "b").differences) == {"budget.trials": ["20", "44"]}


@pytest.mark.parametrize(
    ("more", "columns", "said"),
    [
        ("data.split_seed = 7", {}, "validate on different images"),
        ("", {"provenance": {"data_sha256": "1" * 64}}, "are trained on different images"),
    ],
)
def test_errors_that_are_not_comparable_are_not_ranked(
    engine: Engine, more: str, columns: dict[str, Any], said: str
) -> None:
    add(engine, "a", 0.1)
    study_id = add_study(engine, "b", study_file=study_text(more=f"budget.trials = 1\n{more}"))
    if columns:
        study_id = add_study(engine, "c", study_file=study_text(), **columns)
    name = "c" if columns else "b"
    add_trial(engine, study_id, 0, 0.2)
    found = compare_studies(engine, "a", name)
    assert said in found.cautions[0] and "not comparable" in found.cautions[0]
    assert found.headline == ""
    trials = gather_trials([(open_study(engine, of), 0) for of in ("a", name)])
    assert (trials.headline, trials.cautions) == ("", found.cautions)


def test_trials_of_several_studies_stand_side_by_side(engine: Engine) -> None:
    add(engine, "a", 0.1)
    add(engine, "b", 0.3, 0.2)
    found = gather_trials([(open_study(engine, "b"), 1), (open_study(engine, "a"), 0)])
    assert trial_names(found.studies, found.trials) == ["b:1", "a:0"]
    assert found.headline == (
        "Of these, a:0 has the lowest validation error: 2.0 times lower than that of b:1, "
        "with the same settings and other seeds."
    )


def test_a_file_of_another_version_is_told_and_the_rest_compared(engine: Engine) -> None:
    add(engine, "a", 0.1)
    study_id = add_study(engine, "old", study_file='study.name = "old"\n[later]\n')
    add_trial(engine, study_id, 0, 0.2)
    found = compare_studies(engine, "a", "old")
    assert "The file of 'old' is not compared: later: unknown section." in found.cautions[-1]
    assert rows(found.differences) == {}
