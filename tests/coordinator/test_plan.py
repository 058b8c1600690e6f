"""What a study would do, and how long it would take, without a trace of it."""

from pathlib import Path

import pytest

from sweep.coordinator import pilot, plan
from sweep.coordinator.pilot import TimeEstimate, estimate_time
from sweep.coordinator.run import start
from sweep.errors import DataError, StudyFileError, SweepError
from sweep.launch.resources import RunOptions, resolve_resources
from sweep.messages import Capacity, TrialSpec
from sweep.store.engine import Engine
from sweep.studyfile import StudyFile
from tests.support.factories import write_dataset
from tests.support.fake_workers import FakeLauncher, FakeTraining, FakeWorker, pretend_local_workers
from tests.support.study_factories import make_study_file

GRID = "hidden_width = [8, 32, 128, 512]\nepochs = [2, 4]"
N_IMAGES = 1000


def grid(*overrides: str) -> StudyFile:
    return make_study_file(GRID, "sampler.name=grid", *overrides, more="")


def seconds_of(spec: TrialSpec) -> float:
    """A step costs a millisecond and a hidden unit a microsecond an image."""
    config = spec.config
    return N_IMAGES * (1e-3 / config.batch_size + 1e-6 * config.hidden_width) * config.epochs


@pytest.fixture(autouse=True)
def _pretended_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeTraining, "train_seconds", lambda self: seconds_of(self._spec))


def estimate(
    file: StudyFile, launcher: FakeLauncher | None = None, n_workers: int = 1
) -> TimeEstimate:
    options = RunOptions(gpus="cpu", cpu_workers=n_workers)
    found = estimate_time(
        file,
        resolve_resources(file, options, launcher or FakeLauncher()),
        dataset="fashion-mnist-mini",
        n_images=N_IMAGES,
        n_inputs=784,
        n_trials=file.n_trials,
    )
    assert found is not None
    return found


def test_the_first_epoch_of_three_configurations_is_trained_by_every_worker() -> None:
    trained: list[tuple[str, int, int]] = []

    def note(worker: FakeWorker, spec: TrialSpec, epoch: int) -> None:
        trained.append((worker.name, spec.config.hidden_width, epoch))

    found = estimate(grid(), FakeLauncher(note), n_workers=2)
    assert [of.config.hidden_width for of in found.first_epochs] == [8, 128, 512]
    assert sorted(width for _, width, _ in trained) == [8, 8, 128, 128, 512, 512]
    assert {epoch for _, _, epoch in trained} == {1}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_the_estimate_is_what_the_trials_take_side_by_side(n_workers: int) -> None:
    by_hand = sum(
        N_IMAGES * (1e-3 / 128 + 1e-6 * width) * epochs
        for width in (8, 32, 128, 512)
        for epochs in (2, 4)
    )
    found = estimate(grid("study.repeat=50"), n_workers=n_workers)
    # What it takes besides is that of pretended workers: next to nothing.
    assert found.seconds == pytest.approx(50 * by_hand / n_workers, rel=0.02, abs=2)


def test_configurations_that_come_again_are_not_trained_again() -> None:
    file = make_study_file("epochs = [400, 500]", "budget.trials=1000", more="")
    again = file.model_copy(
        update={"study": file.study.model_copy(update={"duplicates": pilot.Duplicates.TRAIN})}
    )
    assert estimate(again).seconds > 100 * estimate(file).seconds


def test_the_size_is_the_batch_size_where_the_width_is_one() -> None:
    found = estimate(make_study_file("batch_size = [32, 64, 256]", "budget.trials=30", more=""))
    assert found.size == "batch_size"
    assert [of.config.batch_size for of in found.first_epochs][-1] == 256


def test_a_long_epoch_is_timed_on_a_part_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = estimate(grid())
    monkeypatch.setattr(pilot, "_MOST_FLOP", 0.25 * N_IMAGES * 6 * 2 * 784 * 512)
    limits = []
    monkeypatch.setattr(
        FakeTraining,
        "train_seconds",
        lambda self: limits.append(self._worker.setup.train_limit) or seconds_of(self._spec) / 4,
    )
    part = estimate(grid())
    assert (part.n_timed, {*limits}) == (256, {256}), "two batches at least"
    assert part.first_epochs[-1].seconds == pytest.approx(
        whole.first_epochs[-1].seconds * 1000 / 256 / 4
    )


def test_a_population_gives_an_upper_limit() -> None:
    launcher = FakeLauncher(capacity=Capacity(slots=8, hidden_units=10_000))
    found = estimate(grid(), launcher)
    assert found.is_upper_limit and found.trainer == "fused"
    assert not estimate(grid()).is_upper_limit


# --- plans ----------------------------------------------------------------------------------------


ONE = RunOptions(gpus="cpu", cpu_workers=1)


@pytest.fixture
def _workers(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_local_workers(monkeypatch)


def run(engine: Engine, file: StudyFile) -> None:
    start(engine, file, ONE, lambda _: None, say=lambda _: None, launcher=FakeLauncher())


def test_the_data_are_read_as_start_reads_them(tmp_path: Path) -> None:
    file = grid(f"data.name={tmp_path}/images", "data.train_limit=5")
    with pytest.raises(DataError, match="no such file or folder"):
        plan.plan(file, ONE, 0)
    write_dataset(tmp_path / "images")
    assert plan.plan(file, ONE, 0).n_train == 5
    (tmp_path / "images" / "train-images-idx3-ubyte").write_bytes(b"no IDX")
    with pytest.raises(DataError):
        plan.plan(file, ONE, 0)


def test_a_study_of_the_name_is_told_of(engine: Engine) -> None:
    assert plan.plan(grid(), ONE, 0, engine).existing is None
    run(engine, grid())
    told = plan.plan(grid(), ONE, 0, engine).existing or ""
    assert told.startswith("already exists, 8 trials have finished: start would fail.")
    with pytest.raises(StudyFileError, match="cannot be changed like this"):
        plan.plan(grid("space.epochs=[2]"), ONE, 0, engine)


def test_a_plan_to_resume_counts_the_trials_that_are_left(engine: Engine) -> None:
    file = make_study_file("hidden_width = { low = 8, high = 64 }", "budget.trials=3", more="")
    run(engine, file)
    planned = plan.plan_resume(engine, file.study.name, ONE, trials=10)
    assert (planned.n_trials, planned.n_left) == (10, 7)
    with pytest.raises(SweepError, match="no trial is left"):
        plan.time_of(plan.plan_resume(engine, file.study.name, ONE), print)


@pytest.mark.usefixtures("_workers")
def test_time_is_estimated_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(plan, "_has_torch", lambda: True)
    before = sorted(tmp_path.rglob("*"))
    assert plan.time_of(plan.plan(grid("data.size=[14,14]"), ONE, 0), print) is not None
    assert sorted(tmp_path.rglob("*")) == before


def test_without_pytorch_the_plan_is_made_and_the_time_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "find_spec", lambda name: None)
    planned = plan.plan(grid(), ONE, 0)
    with pytest.raises(SweepError, match=r"pip install 'sweep-autoencoder\[train\]'"):
        plan.time_of(planned, print)
