"""Which trainer a worker takes: what its device can do, as pretended, and what it was asked for."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest
import torch

from sweep.enums import Trainer
from sweep.errors import DeviceError, FusedUnavailableError
from sweep.messages import Event, Ready, Shutdown, WorkerSetup, WorkloadEstimate
from sweep.worker import fused as fused_worker
from sweep.worker import work
from sweep.worker.runner import Orders
from tests.support.factories import make_images, write_dataset
from tests.support.fused_factories import INTERPRETED
from tests.support.trainer_factories import make_setup

GPU = torch.device("cuda:0")


@pytest.fixture
def setup(tmp_path: Path) -> WorkerSetup:
    data = write_dataset(tmp_path / "data", make_images(60, 20, height=4, width=4))
    expected = WorkloadEstimate(
        mean_hidden_width=9, max_hidden_width=9, n_seeds=1, max_batch_size=16, n_batch_sizes=1
    )
    return make_setup(dataset=str(data), trainer=Trainer.AUTO, expected=expected)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of a GPU, made of the interpreter's kernels, and its verdict pretended."""
    monkeypatch.setattr(fused_worker, "is_checked", lambda device: True)
    monkeypatch.setattr(fused_worker, "check_kernels", lambda *_, **__: [])


def fail(error: Exception) -> Callable[..., None]:
    def check(*_: object, **__: object) -> None:
        raise error

    return check


def ready(setup: WorkerSetup) -> Ready:
    """What a worker says of itself."""
    orders: Orders = SimpleQueue()
    events: list[Event] = []
    orders.put(Shutdown())
    work.work("cpu", setup, orders, events.append)
    (event,) = (event for event in events if isinstance(event, Ready))
    return event


@pytest.mark.skipif(not INTERPRETED, reason="the interpreter stands for the GPU")
def test_a_device_that_passes_trains_populations(setup: WorkerSetup, passes: None) -> None:
    said = ready(setup)
    assert (said.trainer, said.fallback_reason) == (Trainer.FUSED, None)
    assert said.capacity.slots is not None and said.triton_version is not None


def test_a_device_that_fails_the_check_gets_the_reference_trainer(
    setup: WorkerSetup, passes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fused_worker, "check_kernels", fail(FusedUnavailableError("other numbers", ["by 1e-2"]))
    )
    said = ready(setup)
    assert said.trainer is Trainer.REFERENCE and said.capacity.slots is None
    assert said.fallback_reason == "other numbers\n  by 1e-2"


def test_the_fused_trainer_asked_for_by_name_fails_with_what_does_without(
    setup: WorkerSetup, passes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_worker, "check_kernels", fail(FusedUnavailableError("other numbers")))
    with pytest.raises(FusedUnavailableError, match=r"other numbers\n`--trainer reference`"):
        ready(replace(setup, trainer=Trainer.FUSED))


def test_without_triton_the_reference_trainer_trains(
    setup: WorkerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sweep.trainer.fused", None)
    said = ready(setup)
    assert said.trainer is Trainer.REFERENCE
    assert str(said.fallback_reason).startswith("the fused trainer needs Triton, which cannot be")


def test_full_memory_is_no_reason_to_train_otherwise(
    setup: WorkerSetup, passes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_worker, "check_kernels", fail(DeviceError("not enough memory")))
    with pytest.raises(DeviceError, match="not enough memory"):
        ready(setup)


def test_a_device_that_answers_no_more_leaves_the_choice_to_the_coordinator(
    setup: WorkerSetup, passes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An illegal access ends CUDA for the whole process: the reference trainer needs another one.
    monkeypatch.setattr(
        fused_worker, "check_kernels", fail(FusedUnavailableError("illegal access"))
    )
    monkeypatch.setattr(work, "_still_works", lambda device: False)
    with pytest.raises(FusedUnavailableError, match="^illegal access$"):
        ready(setup)


def test_a_context_that_is_lost_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(torch.cuda, "synchronize", fail(lost))
    assert not work._still_works(GPU)
    assert work._still_works(torch.device("cpu"))


# What is known of a device before anything is tried


def test_an_old_torch_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.10.1+cu128")
    with pytest.raises(FusedUnavailableError, match=r"torch 2\.11 .* 2\.10\.1"):
        work.require_fused(GPU)


def test_an_old_card_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    with pytest.raises(
        FusedUnavailableError, match=r"compute capability 8\.0 or higher; Tesla T4 has 7\.5"
    ):
        work.require_fused(GPU)


@pytest.mark.skipif(not INTERPRETED, reason="needs Triton's interpreter")
def test_a_gpu_is_not_trained_on_by_tritons_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    with pytest.raises(FusedUnavailableError, match="TRITON_INTERPRET is set"):
        work.require_fused(GPU)
