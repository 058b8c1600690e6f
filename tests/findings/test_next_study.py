"""The study that follows from a study's advice."""

from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.study_reader import StudyReader
from sweep.catalogue.settings import in_use
from sweep.coordinator.warm_start import read_warm_start
from sweep.errors import UsageError
from sweep.findings.advice import Advice, AdviceKind, Change
from sweep.findings.next_study import NextStudy, next_study
from sweep.findings.study import gather_study
from sweep.search import enqueue_params
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.studyfile import Fixed, loads
from tests.support.planted import SPACE, Drawn, Plant, bowl, draw, slope, store
from tests.support.store_factories import add_study, change_study_file, sqlite_store

PLANT = Plant(terms={"learning_rate": bowl(1.3, 4.0), "hidden_width": slope(0.8)})
NESTED = """
hidden_width = { low = 16, high = 512, log = true }
epochs = 5
[space.optimizer]
choices = ["adam", "sgd"]
when.adam.learning_rate = { low = 1e-4, high = 1e-2, log = true }
when.sgd = { learning_rate = { low = 0.1, high = 10.0, log = true }, momentum = 0.9 }
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return sqlite_store(tmp_path)


def plant_study(engine: Engine, plant: Plant = PLANT, sampler: str = "tpe", n: int = 60) -> Drawn:
    drawn = draw(plant, sampler, n, 0, "study")
    store(engine, drawn, plant)
    return drawn


def follow(engine: Engine, *advice: Advice, name: str | None = None) -> NextStudy:
    return next_study(StudyReader(open_study(engine, "study"), lambda _: None), advice, name)


def advise(param: str, to: Any, kind: AdviceKind = AdviceKind.WIDEN) -> Advice:
    return Advice(
        kind=kind,
        sentence="So it is.",
        evidence={},
        changes=(Change(param=param, to=to, why=f"Why {param}."),),
        command="sweep next study",
    )


def comment_above(text: str, start: str) -> str:
    lines = text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith(start)) - 1]


def test_a_planted_study_s_advice_becomes_a_file_that_reads_and_starts_warm(
    engine: Engine,
) -> None:
    plant_study(engine, n=120)
    reader = StudyReader(open_study(engine, "study"), lambda _: None)
    found = next_study(reader, gather_study(reader, in_short=True).advice, None)
    study_file = loads(found.text, "next.toml")
    assert study_file == found.study_file
    assert found.left_out == []
    assert study_file.study.name == "study-2"
    rate = study_file.space.domains()["learning_rate"]
    assert (rate.low, rate.high) == (1e-4, 1.0)  # type: ignore[union-attr]
    warm = read_warm_start(engine, study_file, data_sha256="0" * 64)
    assert len(warm.history) == 120  # whatever is fixed now


def test_each_change_has_its_reason_above_it(engine: Engine) -> None:
    plant_study(engine)
    wider = {"low": 1e-4, "high": 1.0, "log": True}
    found = follow(
        engine,
        advise("learning_rate", wider),
        advise("activation", "gelu", AdviceKind.FIX),
        advise("epochs", {"low": 5, "high": 10}, AdviceKind.MORE_EPOCHS),
    )
    assert comment_above(found.text, "learning_rate = {") == "# Why learning_rate."
    assert comment_above(found.text, 'activation = "gelu"') == "# Why activation."
    assert comment_above(found.text, "epochs = {") == "# Why epochs."
    assert (
        comment_above(found.text, "seed = ") == "# Draws differ from those of the previous study."
    )
    assert found.study_file.warm_start.ignore == ("activation",)


def test_a_grid_that_grows_has_no_budget_of_trials(engine: Engine) -> None:
    plant = Plant(space="hidden_width = [16, 64, 256]\nepochs = 5")
    plant_study(engine, plant, "grid", 3)
    more = advise("epochs", {"choices": [5, 10]}, AdviceKind.MORE_EPOCHS)
    study_file = follow(engine, more).study_file
    assert study_file.budget.trials is None
    assert study_file.space.grid_size() == 6


def test_the_best_configurations_run_first_as_the_new_space_has_them(engine: Engine) -> None:
    drawn = plant_study(engine)
    found = follow(engine, advise("epochs", {"low": 5, "high": 10}, AdviceKind.MORE_EPOCHS))
    best = drawn.params[drawn.errors.index(min(drawn.errors))]
    first = enqueue_params(found.study_file, found.study_file.enqueue[0])
    assert first == {**best, "epochs": 10}
    assert len(found.study_file.enqueue) == 5
    number = drawn.errors.index(min(drawn.errors))
    assert f"# Trial {number} of 'study' (error" in found.text


def test_a_setting_under_a_choice_is_changed_there(engine: Engine) -> None:
    plant_study(engine, Plant(terms={"hidden_width": slope(1.0)}, space=NESTED))
    wider = {"low": 1e-4, "high": 1e-1, "log": True}
    domains = follow(engine, advise("adam.learning_rate", wider)).study_file.space.domains()
    assert domains["adam.learning_rate"].high == 1e-1  # type: ignore[union-attr]
    assert domains["sgd.learning_rate"].high == 10.0  # type: ignore[union-attr]


def test_a_choice_that_is_left_out_takes_its_settings_with_it(engine: Engine) -> None:
    plant_study(engine, Plant(terms={"hidden_width": slope(1.0)}, space=NESTED))
    found = follow(engine, advise("optimizer", {"choices": ["adam"]}, AdviceKind.NARROW))
    assert found.study_file.space.domains().keys() == {
        "hidden_width",
        "optimizer",
        "adam.learning_rate",
    }
    assert all(entry["optimizer"] == "adam" for entry in found.study_file.enqueue)


@pytest.mark.parametrize("kind", [AdviceKind.WIDEN, AdviceKind.MORE_WIDTHS])
def test_two_pieces_of_advice_on_one_range_give_both(engine: Engine, kind: AdviceKind) -> None:
    plant_study(engine)
    found = follow(
        engine,
        advise("hidden_width", {"low": 16, "high": 1024, "log": True}),
        advise("hidden_width", {"low": 4, "high": 512, "log": True}, kind),
    )
    width = found.study_file.space.domains()["hidden_width"]
    assert (width.low, width.high) == (4, 1024)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wider", "more", "low", "high"),
    [
        ({"low": 2, "high": 5}, {"low": 5, "high": 10}, 2, 10),
        ({"low": 2, "high": 5}, {"choices": [5, 10]}, 2, 10),
        ({"choices": [2, 4, 5]}, {"low": 5, "high": 10}, 2, 10),
    ],
)
def test_a_range_and_a_list_on_one_parameter_give_a_range_over_both(
    engine: Engine, wider: Any, more: Any, low: int, high: int
) -> None:
    plant_study(engine)
    found = follow(engine, advise("epochs", wider), advise("epochs", more, AdviceKind.MORE_EPOCHS))
    epochs = found.study_file.space.domains()["epochs"]
    assert (epochs.low, epochs.high) == (low, high)  # type: ignore[union-attr]


def test_two_lists_on_one_parameter_give_both(engine: Engine) -> None:
    plant_study(engine)
    found = follow(
        engine,
        advise("epochs", {"choices": [2, 4, 5]}),
        advise("epochs", {"choices": [5, 10]}, AdviceKind.MORE_EPOCHS),
    )
    epochs = found.study_file.space.domains()["epochs"]
    assert epochs.choices == (2, 4, 5, 10)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("epochs", "fall_per_epoch", "wider"),
    [("5", 0.0, "hidden_width"), ("{ low = 9, high = 10 }", 0.15, "epochs")],
)
def test_a_setting_without_effect_in_a_range_too_narrow_is_widened_in_the_next_study(
    engine: Engine, epochs: str, fall_per_epoch: float, wider: str
) -> None:
    space = f"""
    hidden_width = {{ low = 60, high = 64 }}
    learning_rate = {{ low = 1e-4, high = 1e-1, log = true }}
    activation = ["relu", "gelu", "tanh"]
    epochs = {epochs}
    """
    terms = {
        "learning_rate": bowl(0.5, 6.0),
        "activation": {"relu": 0.6, "gelu": 0.0, "tanh": 0.1},
    }
    plant = Plant(terms=terms, space=space, fall_per_epoch=fall_per_epoch)
    plant_study(engine, plant, "random", n=120)
    reader = StudyReader(open_study(engine, "study"), lambda _: None)
    advice = gather_study(reader, in_short=True).advice
    assert wider not in {
        change.param for of in advice if of.kind is AdviceKind.FIX for change in of.changes
    }
    domains = next_study(reader, advice, None).study_file.space.domains()
    assert domains[wider].high >= 20  # type: ignore[union-attr]


def test_epochs_that_decide_on_other_settings_stay_a_list(engine: Engine) -> None:
    space = SPACE.replace("epochs = 5", "epochs = { choices = [4, 5], when.5.warmup_epochs = 1 }")
    plant = Plant(terms={"learning_rate": bowl(0.5, 6.0)}, fall_per_epoch=0.15, space=space)
    plant_study(engine, plant, n=20)
    reader = StudyReader(open_study(engine, "study"), lambda _: None)
    found = next_study(reader, gather_study(reader, in_short=True).advice, None)
    epochs = found.study_file.space.domains()["epochs"]
    assert epochs.choices == (5, 10)  # type: ignore[union-attr]


def test_what_would_leave_no_valid_file_is_left_out_and_said(engine: Engine) -> None:
    plant_study(engine)
    change_study_file(
        engine, "study", {"study": {"baseline": {"learning_rate": 0.05, "hidden_width": 64}}}
    )
    narrow = {"low": 1e-4, "high": 1e-2, "log": True}
    found = follow(engine, advise("learning_rate", narrow, AdviceKind.NARROW))
    assert found.study_file.space.domains()["learning_rate"].high == 0.1  # type: ignore[union-attr]
    (said,) = found.left_out
    assert said.startswith("Why learning_rate. Not changed: study.baseline.learning_rate")


def test_a_baseline_by_number_becomes_that_trial_s_settings(engine: Engine) -> None:
    drawn = plant_study(engine)
    change_study_file(engine, "study", {"study": {"baseline": 3}})
    baseline = follow(engine).study_file.study.baseline
    assert isinstance(baseline, dict) and baseline.items() >= drawn.params[3].items()
    config = open_study(engine, "study").trial(3).config
    assert baseline == in_use(config)  # what the space fixes is not the default everywhere


def test_only_tpe_starts_warm(engine: Engine) -> None:
    plant_study(engine, sampler="random")
    found = follow(engine)
    assert found.study_file.warm_start.studies == ()
    assert len(found.study_file.enqueue) == 5


def test_where_no_trial_lies_in_the_new_space_the_study_starts_cold_and_says_so(
    engine: Engine,
) -> None:
    plant_study(
        engine, Plant(terms={"hidden_width": slope(1.0)}, space="hidden_width = [16, 32, 64]")
    )
    found = follow(engine, advise("hidden_width", {"choices": [128, 256]}))
    assert found.study_file.warm_start.studies == ()
    assert "none of the 60 finished trials" in found.left_out[0]


def test_the_name_is_the_first_free_one_or_as_asked(engine: Engine) -> None:
    plant_study(engine)
    add_study(engine, "study-2")
    assert follow(engine).study_file.study.name == "study-3"
    assert follow(engine, name="other").study_file.study.name == "other"
    with pytest.raises(UsageError, match="study 'study-2' exists"):
        follow(engine, name="study-2")


def test_a_study_without_a_finished_trial_has_no_next_one(engine: Engine) -> None:
    add_study(engine, "study")
    with pytest.raises(UsageError, match="no finished trial to learn from"):
        follow(engine)


def test_a_fixed_setting_is_fixed_in_the_file(engine: Engine) -> None:
    plant_study(engine)
    found = follow(engine, advise("beta1", 0.9, AdviceKind.FIX))
    (node,) = [node for node in found.study_file.space.nodes if node.setting == "beta1"]
    assert isinstance(node, Fixed) and node.value == 0.9
    assert SPACE.count("beta1") == 1
    assert all("beta1" not in entry for entry in found.study_file.enqueue)
