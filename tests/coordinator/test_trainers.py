"""What workers of GPUs train with, as they choose it, and what is told of it."""

import pytest
from optuna.trial import TrialState

from sweep.coordinator.run import start
from sweep.coordinator.verify import VerifyOptions, verify
from sweep.enums import EventKind, Trainer
from sweep.errors import DeviceError, FusedUnavailableError
from sweep.launch.resources import RunOptions
from sweep.messages import Capacity, Train
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.training_record import trainers_used
from tests.support.coordinator_runs import STUDY, states, study_file
from tests.support.fake_populations import FakePopulation
from tests.support.fake_workers import FakeLauncher, FakeWorker

CAPACITY = Capacity(slots=8, hidden_units=4096, tile_units=32)
REASON = "the fused trainer computes other numbers\n  ieee: val_mse differs by 1.0e-02, limit 1e-05"


@pytest.fixture(autouse=True)
def _two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


def run(engine: Engine, launcher: FakeLauncher, gpus: str = "0", **options: Trainer) -> list[str]:
    """Run the study; what was said on stderr."""
    said: list[str] = []
    start(
        engine,
        study_file(STUDY, "workers.retries=0"),
        RunOptions(gpus=gpus, **options),  # type: ignore[arg-type]
        lambda progress: None,
        say=said.append,
        launcher=launcher,
    )
    return said


def fallbacks(engine: Engine) -> list[str]:
    return [
        event.message
        for event in open_study(engine, "x").events()
        if event.kind == EventKind.FALLBACK
    ]


def test_a_gpu_that_passes_trains_populations_and_nothing_is_said(engine: Engine) -> None:
    assert run(engine, FakeLauncher(capacity=CAPACITY)) == []
    (worker,) = open_study(engine, "x").workers()
    assert (worker.trainer, worker.fallback_reason, worker.slots) == (Trainer.FUSED, None, 8)
    assert fallbacks(engine) == []
    assert open_study(engine, "x").training_record(0).trainer is Trainer.FUSED


def test_a_gpu_that_fails_the_check_trains_the_study_with_the_reference_trainer(
    engine: Engine, url: str
) -> None:
    launcher = FakeLauncher(capacity=CAPACITY, fused_fails=REASON)
    (warning,) = run(engine, launcher)
    assert warning.startswith("WARNING: GPU 0 (pretended) trains with the reference trainer")
    assert warning.endswith(REASON), "every difference is told"
    assert states(url) == [TrialState.COMPLETE] * 12
    (worker,) = open_study(engine, "x").workers()
    assert (worker.trainer, worker.fallback_reason) == (Trainer.REFERENCE, REASON)
    assert worker.slots is None
    assert fallbacks(engine) == [f"GPU 0 (pretended): {REASON}"]
    first = next(order for order in launcher.workers[0].orders if isinstance(order, Train))
    assert len(first.specs) == 2, "one trains and one waits, as Ready says"


def test_gpus_that_fail_alike_are_warned_of_once_and_noted_each(engine: Engine) -> None:
    assert len(run(engine, FakeLauncher(fused_fails=REASON), gpus="all")) == 1
    assert len(fallbacks(engine)) == 2


def test_the_fused_trainer_asked_for_by_name_is_refused_instead(engine: Engine) -> None:
    with pytest.raises(DeviceError, match=r"(?s)no worker starts on 0: .* limit 1e-05"):
        run(engine, launcher := FakeLauncher(fused_fails=REASON), trainer=Trainer.FUSED)
    assert len(launcher.workers) == 1, "the check would fail again"
    assert fallbacks(engine) == []


def fails_in_the_second_epoch(population: FakePopulation) -> None:
    # As the check of another batch size may, or an illegal access that takes CUDA down with it.
    if population.log.count("launch") == 2:
        raise FusedUnavailableError(REASON)


def test_a_fused_trainer_that_fails_later_gives_way_to_the_reference_trainer(
    engine: Engine, url: str
) -> None:
    launcher = FakeLauncher(capacity=CAPACITY, on_launch=fails_in_the_second_epoch)
    assert len(run(engine, launcher)) == 1
    assert states(url) == [TrialState.COMPLETE] * 12, "though no retry is allowed"
    first, second = open_study(engine, "x").workers()
    assert (first.trainer, first.state) == (Trainer.FUSED, "gone")
    assert (second.trainer, second.fallback_reason) == (Trainer.REFERENCE, REASON)
    assert open_study(engine, "x").training_record(0).trainer is Trainer.REFERENCE
    assert trainers_used([first, second]) == {Trainer.FUSED: 0, Trainer.REFERENCE: 12}


def test_the_fused_trainer_asked_for_by_name_does_not_give_way_later(engine: Engine) -> None:
    launcher = FakeLauncher(capacity=CAPACITY, on_launch=fails_in_the_second_epoch)
    with pytest.raises(FusedUnavailableError, match="limit 1e-05"):
        run(engine, launcher, trainer=Trainer.FUSED)
    assert {row.state for row in open_study(engine, "x").trials()} == {"WAITING"}, (
        "no trial is to blame"
    )


def test_a_trial_is_verified_with_the_trainer_that_trained_it(engine: Engine) -> None:
    run(engine, FakeLauncher(fused_fails=REASON))
    launcher = FakeLauncher()
    found = verify(engine, "x", 1, VerifyOptions(), say=lambda line: None, launcher=launcher)
    assert found.trainer is Trainer.REFERENCE and found.differs == ()
    setup = launcher.workers[0].setup
    assert setup is not None and setup.trainer is Trainer.REFERENCE


def test_a_trial_that_another_assembler_compiled_is_told(engine: Engine) -> None:
    run(engine, FakeLauncher(capacity=CAPACITY))
    other = FakeLauncher(capacity=CAPACITY, ptxas_version="13.1.80")
    found = verify(engine, "x", 1, VerifyOptions(), say=lambda line: None, launcher=other)
    assert found.trainer is Trainer.FUSED
    assert found.differs == ("ptxas: was 12.9.86, is 13.1.80",)


class Stillborn(FakeLauncher):
    """Its workers die as they start, without a word."""

    def start(self, name: str, device: str) -> FakeWorker:
        worker = super().start(name, device)
        worker.kill()
        return worker


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (Trainer.AUTO, r"signal 9\. `--trainer reference` trains without"),
        (Trainer.REFERENCE, "signal 9$"),
    ],
)
def test_gpus_whose_workers_die_without_a_word_may_do_without_the_fused_trainer(
    engine: Engine, trainer: Trainer, said: str
) -> None:
    # As where Triton's compiler crashes, which a dead worker cannot tell.
    with pytest.raises(DeviceError, match=said):
        run(engine, Stillborn(capacity=CAPACITY), trainer=trainer)
