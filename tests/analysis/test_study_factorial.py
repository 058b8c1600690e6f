"""Which cells of a factorial analysis the studied study has trained itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.factorial import factorial
from sweep.analysis.study_factorial import StudyFactorial, study_factorial
from sweep.config import TrialConfig
from sweep.enums import AblationMethod, Activation, Loss, Output
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.store_factories import (
    EPOCH,
    add_explanation,
    add_seed_errors,
    add_study,
    add_trial,
    sqlite_store,
)

FILE = """
study.name = "x"
study.repeat = 2
space.epochs = [5, 15]
space.activation = ["relu", "linear"]
space.seed = 3
space.output_activation.choices = ["sigmoid", "linear"]
space.output_activation.when.sigmoid.loss = "bce"
space.output_activation.when.linear.loss = "mse"
sampler.name = "grid"
"""
BASELINE = TrialConfig()
TARGET = TrialConfig(
    epochs=15, activation=Activation.LINEAR, output_activation=Output.LINEAR, loss=Loss.MSE
)
CELLS = [cell.config for cell in factorial(BASELINE, TARGET, {}).cells]
SEEDS = [3, 41]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Study x without a trial."""
    engine = sqlite_store(tmp_path)
    add_study(engine, "x", study_file=FILE)
    return engine


def add_cell(engine: Engine, number: int, errors: tuple[float, ...], **columns: Any) -> None:
    """Trial ``number`` of study x, the cell of that number unless ``config`` is another."""
    study_id = open_study(engine, "x").key.study_id
    given = {"config": CELLS[number % len(CELLS)], "seeds": SEEDS, **columns}
    add_seed_errors(engine, add_trial(engine, study_id, number, errors[0], **given), errors)


def fill(engine: Engine, n: int = len(CELLS)) -> None:
    """Train the first cells; each cause divides the error by as much as the next two together."""
    for number in range(n):
        add_cell(engine, number, (0.1 / (1 + number), 0.2 / (1 + number)))


def analysis(engine: Engine, *numbers: int) -> StudyFactorial | None:
    return study_factorial(open_study(engine, "x"), *numbers)


def test_a_study_that_trained_every_cell_needs_no_other(engine: Engine) -> None:
    fill(engine)
    found = analysis(engine)
    assert found is not None and found.found.is_whole
    assert (found.child, found.n_seeds) == (None, 2)
    assert (found.ends.from_number, found.ends.to_number) == (0, 7)
    assert [cell.errors for cell in found.found.cells] == [
        (0.1 / (1 + number), 0.2 / (1 + number)) for number in range(8)
    ]


def test_other_ends_take_fewer_cells(engine: Engine) -> None:
    fill(engine)
    found = analysis(engine, 0, 3)
    assert found is not None
    assert [cell.config for cell in found.found.cells] == CELLS[:4]


def test_where_a_cell_lacks_there_is_nothing_until_it_is_asked_for(engine: Engine) -> None:
    assert analysis(engine) is None  # no trial at all
    fill(engine, 7)
    add_cell(engine, 7, (0.01, 0.02), state="FAIL")
    assert analysis(engine, 0, 6) is not None
    assert analysis(engine, 0, 7) is None


@pytest.mark.parametrize(
    "columns",
    [
        {"seeds": [4, 41]},  # others than those of the other cells
        {"invalid": True},
        {"config": replace(TARGET, hidden_width=8)},
    ],
)
def test_a_trial_that_is_not_comparable_is_no_cell(engine: Engine, columns: dict[str, Any]) -> None:
    fill(engine, 7)
    add_cell(engine, 7, (0.01, 0.02), **columns)
    add_cell(engine, 8, (0.001, 0.002), config=TARGET, invalid=True)
    assert analysis(engine, 0, 8) is None
    add_cell(engine, 9, (0.01, 0.02), config=TARGET)
    assert analysis(engine, 0, 8) is not None


def test_a_study_whose_trials_have_their_own_seeds_has_no_cells(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    add_study(engine, "x", study_file=FILE.replace("space.seed = 3", ""))
    fill(engine)
    assert analysis(engine) is None


def test_a_cell_that_diverged_is_known_to_have(engine: Engine) -> None:
    fill(engine, 7)
    study_id = open_study(engine, "x").key.study_id
    failed = {"state": "FAIL", "outcome": "diverged", "config": CELLS[7], "seeds": SEEDS}
    add_trial(engine, study_id, 7, **failed)
    found = analysis(engine, 0, 7)
    assert found is not None
    assert [cell.config for cell in found.found.diverged] == [TARGET]
    assert found.found.whole is None


def test_what_was_trained_for_it_completes_what_the_study_has(engine: Engine) -> None:
    fill(engine, 5)
    add_cell(engine, 7, (0.01, 0.02))
    errors = dict.fromkeys(CELLS[5:7], (0.015, 0.025))
    seeded = FILE.replace('"x"', '"x-explain"')
    columns = {"method": AblationMethod.FACTORIAL, "study_file": seeded, "created_at": EPOCH + 1}
    add_explanation(engine, "x", BASELINE, TARGET, errors, **columns)
    found = analysis(engine)
    assert found is not None and found.found.is_whole
    assert (found.child, found.other_best) == ("x-explain", None)
    assert found.found.cells[5].errors == (0.015, 0.025)
    of_child = study_factorial(open_study(engine, "x-explain"))
    assert of_child is not None and of_child.found == found.found
    add_cell(engine, 9, (0.001, 0.002), config=replace(TARGET, epochs=60))
    assert (found := analysis(engine)) is not None and found.other_best == 9


def test_an_ablation_path_is_no_factorial_analysis(engine: Engine) -> None:
    add_explanation(engine, "x", BASELINE, TARGET, {BASELINE: (0.1, 0.2)})
    assert analysis(engine) is None
    assert study_factorial(open_study(engine, "x-explain")) is None
