"""What a study takes from another one, and what it must not take."""

from dataclasses import replace
from typing import Any

import optuna
import pytest

from sweep import datasets
from sweep.coordinator.plan import plan
from sweep.coordinator.run import resume, start
from sweep.coordinator.warm_start import WARM_START, WarmStart, read_warm_start
from sweep.errors import NotFoundError, StudyFileError, UsageError
from sweep.launch.resources import RunOptions
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.studyfile import StudyFile, loads
from tests.support import fake_workers
from tests.support.fake_workers import DATA, FakeLauncher

ONE = RunOptions(gpus="cpu", cpu_workers=1)
SOURCE = """
study = { name = "mine", seed = 5 }
sampler.name = "random"
budget.trials = 12
space.hidden_width = { low = 8, high = 256, log = true }
space.activation = { choices = ["relu", "tanh"] }
space.epochs = 2
"""
WIDER = """
study = { name = "wider", seed = 1 }
warm_start = { studies = ["mine"], best = 3 }
budget.trials = 8
space.hidden_width = { low = 8, high = 1024, log = true }
space.activation = { choices = ["relu", "tanh", "gelu"] }
space.epochs = 2
"""


@pytest.fixture(autouse=True)
def _workers_tell_the_digest_of_their_data(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = datasets.load("fashion-mnist-mini").sha256
    monkeypatch.setattr(fake_workers, "DATA", replace(DATA, sha256=digest))


def file(text: str = WIDER, *overrides: str) -> StudyFile:
    return loads(text, "test.toml", overrides)


def run(engine: Engine, study_file: StudyFile, say: Any = lambda line: None) -> None:
    start(engine, study_file, ONE, lambda progress: None, say=say, launcher=FakeLauncher())


def go_on(engine: Engine, **more: Any) -> None:
    nothing: Any = lambda _: None  # noqa: E731
    resume(engine, "wider", ONE, nothing, say=nothing, launcher=FakeLauncher(), **more)


@pytest.fixture
def source(engine: Engine) -> Engine:
    """A store with the finished study "mine"."""
    run(engine, file(SOURCE))
    return engine


def widths(engine: Engine, name: str = "wider") -> list[int]:
    return [int(row.params["hidden_width"]) for row in open_study(engine, name).trials()]


FIXED = """
study = { name = "wider", seed = 1 }
warm_start = { studies = ["mine"], best = 3, ignore = ["activation"] }
budget.trials = 8
space.hidden_width = { low = 8, high = 256, log = true }
space.activation = "gelu"
space.epochs = 2
"""


def test_of_an_ignored_setting_every_value_counts_and_runs_as_the_space_fixes_it(
    source: Engine,
) -> None:
    taken = read_warm_start(source, file(FIXED))
    assert len(taken.history) == 12
    assert all(trial.params.keys() == {"hidden_width"} for trial in taken.history)
    assert len(taken.first) == 3
    assert all("activation" not in of.settings for of in taken.first)
    run(source, file(FIXED))
    assert {row.config["activation"] for row in open_study(source, "wider").trials()} == {"gelu"}


def test_what_is_searched_cannot_be_ignored() -> None:
    with pytest.raises(StudyFileError, match="activation is searched here"):
        file(WIDER, 'warm_start.ignore=["activation"]')
    with pytest.raises(StudyFileError, match="Did you mean 'activation'"):
        file(WIDER, 'warm_start.ignore=["activaton"]')


def test_the_best_configurations_run_first_and_say_where_they_come_from(
    source: Engine, url: str
) -> None:
    run(source, file())
    best = open_study(source, "mine").best(3)
    first = open_study(source, "wider").trials()[:3]
    assert [row.config for row in first] == [row.config for row in best]
    trials = optuna.load_study(study_name="wider", storage=url).trials
    assert [trial.user_attrs.get(WARM_START) for trial in trials[:4]] == [
        *({"study": "mine", "number": row.number} for row in best),
        None,
    ]


def test_the_sampler_learns_from_the_first_trial_on_as_if_the_others_were_older(
    source: Engine,
) -> None:
    run(source, file(WIDER, "warm_start.best=0"))
    run(source, file(WIDER, "study.name=cold", "warm_start.studies=[]"))
    # Wide networks are best here, and ten random trials precede what a cold sampler proposes.
    warm, cold = widths(source), widths(source, "cold")
    assert warm != cold
    assert sum(warm) > sum(cold)


def test_trials_of_another_study_are_none_of_this_one(source: Engine) -> None:
    run(source, file(WIDER, "warm_start.best=0"))
    study = open_study(source, "wider")
    assert study.summary().n_finished == len(study.trials()) == 8
    best = min(row.value for row in study.trials() if row.value is not None)
    assert study.summary().best_value == best


def test_the_budget_has_room_for_all_that_run_first(source: Engine) -> None:
    run(source, file(WIDER, "budget.trials=1"))
    assert len(open_study(source, "wider").trials()) == 3


def test_a_configuration_that_is_enqueued_anyway_runs_once(source: Engine) -> None:
    (best, *_) = open_study(source, "mine").best(1)
    width, activation = best.config["hidden_width"], best.config["activation"]
    entry = f'[[enqueue]]\nhidden_width = {width}\nactivation = "{activation}"\n'
    warm = read_warm_start(source, file(f"{WIDER}\n{entry}"))
    assert len(warm.first) == 2


def test_what_the_space_does_not_hold_is_named_and_left_out(source: Engine) -> None:
    narrow = file(WIDER, "space.hidden_width.high=64")
    warm = read_warm_start(source, narrow)
    rows = open_study(source, "mine").trials()
    assert len(warm.history) == sum(row.config["hidden_width"] <= 64 for row in rows)
    (best, *_) = open_study(source, "mine").best(1)
    assert (
        f"{len(warm.history)} trials of 'mine'; {12 - len(warm.history)} are outside"
        in (warm.notes[0])
    )
    assert any(
        f"trial {best.number} of 'mine' does not run first: hidden_width: {best.hidden_width} "
        "is not in space.hidden_width, which has 8 to 64." in note
        for note in warm.notes
    )


def test_an_invalid_trial_teaches_nothing(source: Engine) -> None:
    (best, *_) = open_study(source, "mine").best(1)
    annotate.invalidate(source, "mine", best.number, "wrong")
    warm = read_warm_start(source, file())
    assert len(warm.history) == 11
    assert best.number not in [origin["number"] for _, origin in warm.first]


def test_a_resumed_study_has_the_same_history_whatever_the_other_has_trained_since(
    source: Engine,
) -> None:
    run(source, file())
    created_at = open_study(source, "wider").key.created_at
    before = read_warm_start(source, file(), before=created_at)
    more = file(SOURCE, "budget.trials=20")
    nothing: Any = lambda _: None  # noqa: E731
    resume(source, "mine", ONE, nothing, say=nothing, launcher=FakeLauncher(), study_file=more)
    assert len(read_warm_start(source, file()).history) == 20
    assert read_warm_start(source, file(), before=created_at) == before
    assert len(before.history) == 12


def test_equal_studies_with_equal_histories_draw_alike_before_and_after_a_resume(
    source: Engine,
) -> None:
    for name in ("wider", "again"):
        run(source, file(WIDER, f"study.name={name}"))
    assert widths(source) == widths(source, "again")
    nothing: Any = lambda _: None  # noqa: E731
    for name in ("wider", "again"):
        resume(source, name, ONE, nothing, say=nothing, trials=16, launcher=FakeLauncher())
    assert widths(source) == widths(source, "again")


def test_a_resumed_study_goes_on_learning_from_the_other(
    source: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, file())
    seen: list[WarmStart] = []

    def read_warm(*args: Any, **kwargs: Any) -> WarmStart:
        seen.append(read_warm_start(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr("sweep.coordinator.run.read_warm_start", read_warm)
    go_on(source, trials=10)
    assert [len(warm.history) for warm in seen] == [12]
    assert len(widths(source)) == 10


def test_a_study_whose_source_is_gone_goes_on_without_it_when_told_so(source: Engine) -> None:
    run(source, file())
    annotate.delete_study(source, "mine")
    with pytest.raises(NotFoundError, match=r"--set 'warm_start.studies=\[\]'"):
        go_on(source, trials=10)
    go_on(source, trials=10, study_file=file(WIDER, "warm_start.studies=[]"))
    assert len(widths(source)) == 10


def test_other_samplers_run_the_best_first_and_say_that_they_learn_nothing(
    source: Engine,
) -> None:
    warm = read_warm_start(source, file(WIDER, "sampler.name=random"))
    assert (len(warm.history), len(warm.first)) == (0, 3)
    assert "only the sampler tpe" in warm.notes[0]
    said: list[str] = []
    run(source, file(WIDER, "sampler.name=random"), said.append)
    assert sum("only the sampler tpe" in line for line in said) == 1


def test_a_dry_run_shows_what_is_taken(source: Engine) -> None:
    planned = plan(file(WIDER, "budget.trials=1"), ONE, 5, source)
    (best, *_) = open_study(source, "mine").best(1)
    assert planned.n_trials == len(planned.first) == 3
    assert planned.first[0].hidden_width == best.hidden_width
    assert "the sampler learns from 12 trials of 'mine'" in planned.warm_start


def test_several_objectives_take_the_best_of_the_pareto_set(engine: Engine) -> None:
    objectives = 'study.objectives=["val_mse", "hidden_width"]'
    run(engine, file(SOURCE, objectives))
    run(engine, file(WIDER, objectives))
    front = open_study(engine, "mine").best()[:3]
    assert widths(engine)[:3] == [row.hidden_width for row in front]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ('study.objectives=["val_mse", "hidden_width"]', "study.objectives val_mse instead of"),
        ("data.split_seed=3", "data.split_seed 0 instead of 3"),
        ("data.train_limit=100", "data.train_limit left out instead of 100"),
        ("space.epochs=7", "none of the 12 finished trials of study 'mine' is in the space"),
    ],
)
def test_what_is_not_comparable_is_refused_before_there_is_a_study(
    source: Engine, override: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        run(source, file(WIDER, override))
    with pytest.raises(NotFoundError):
        open_study(source, "wider")


def test_other_data_are_refused_by_their_digest(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_workers, "DATA", DATA)
    run(engine, file(SOURCE))
    with pytest.raises(UsageError, match="with SHA-256 555555555555… instead of"):
        run(engine, file())


def test_a_study_without_finished_trials_or_that_is_unknown_is_refused(engine: Engine) -> None:
    with pytest.raises(NotFoundError, match=r"warm_start.studies: no study .*'mine'"):
        run(engine, file())
    run(engine, file(SOURCE))
    for row in open_study(engine, "mine").trials():
        annotate.invalidate(engine, "mine", row.number, "wrong")
    with pytest.raises(UsageError, match="has no finished trial to learn from"):
        run(engine, file())


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ('warm_start.studies=["wider"]', "'wider' is the study itself"),
        ('warm_start.studies=["mine", "mine"]', "names one twice"),
        ("warm_start.best=-1", "warm_start.best"),
        ("warm_start.from=1", "warm_start.from: unknown"),
    ],
)
def test_a_warm_start_that_cannot_be_meant_is_a_problem_of_the_file(
    override: str, problem: str
) -> None:
    with pytest.raises(StudyFileError, match=problem):
        file(WIDER, override)


def test_a_sampler_that_does_not_learn_needs_configurations_to_run() -> None:
    with pytest.raises(StudyFileError, match="0 leaves nothing to take, for random"):
        file(WIDER, "sampler.name=random", "warm_start.best=0")


def test_how_many_run_first_cannot_change_when_the_study_has_begun(source: Engine) -> None:
    run(source, file())
    with pytest.raises(StudyFileError, match=r"warm_start.best: is only read when a study begins"):
        go_on(source, study_file=file(WIDER, "warm_start.best=9"))
