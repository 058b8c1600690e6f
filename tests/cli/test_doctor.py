"""doctor, of a machine: which GPUs the fused trainer can use."""

from typing import Any

import pytest

from sweep.errors import SweepError
from sweep.launch import introduction as introductions
from sweep.launch.introduction import introduction
from sweep.messages import Capacity
from tests.support.cli_runner import Cli
from tests.support.fake_workers import FakeLauncher

CAPACITY = Capacity(slots=8, hidden_units=4096, tile_units=32)


@pytest.fixture(autouse=True)
def _one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")


def use(monkeypatch: pytest.MonkeyPatch, launcher: Any) -> None:
    monkeypatch.setattr(introductions, "LocalLauncher", lambda: launcher)
    monkeypatch.setattr("sweep.cli.doctor._TORCH", "print('[\"2.11.0\", null, 0]')")  # quicker


def find_fused_trainer(cli: Cli) -> dict[str, Any]:
    found = cli("doctor", "--json").json
    return next(one for one in found if one["what"] == "fused trainer on GPU 0")


def test_doctor_says_that_a_gpu_passes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeLauncher(capacity=CAPACITY))
    found = find_fused_trainer(cli)
    assert found["ok"] and found["said"].startswith("pretended passes its self-check; Triton")


def test_doctor_says_why_a_gpu_cannot_be_used(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeLauncher(fused_fails="it needs compute capability 8.0 or higher"))
    found = find_fused_trainer(cli)
    assert found["ok"] is None and "compute capability 8.0" in found["said"]
    assert "reference trainer there" in found["said"]


def test_a_gpu_that_computes_wrong_numbers_is_broken(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, FakeLauncher(fused_fails="other numbers\n  ieee: val_mse differs by 1.0e-02"))
    answer = cli("doctor")
    assert answer.code == 8 and "val_mse differs" in answer.out


def test_a_gpu_that_torch_does_not_see_is_broken(cli: Cli) -> None:
    # A real worker: there is no GPU 0 on this machine, whatever CUDA_VISIBLE_DEVICES says.
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch sees a GPU")
    found = find_fused_trainer(cli)
    assert found["ok"] is False and "no GPU that torch" in found["said"]


def test_a_worker_that_is_never_ready_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(introductions, "TIMEOUT_SECONDS", 0.0)
    with pytest.raises(SweepError, match="not ready within 0 seconds"):
        introduction("0", FakeLauncher())
