"""What a worker on a GPU checks before it trains: here the interpreter is the device."""

import errno
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from subprocess import CalledProcessError
from typing import Any

import pytest
import torch
from triton.runtime.errors import OutOfResources

from sweep.enums import Activation, Loss, Optimizer, Output, Schedule, WeightInit
from sweep.errors import DeviceError, FusedUnavailableError
from sweep.trainer.fused import KernelConfig, check_kernels, compare_trainers, kernels, selfcheck
from sweep.trainer.fused.selfcheck import TOLERANCES, TrainerDifference
from tests.support.broken_kernels import Launching, nothing
from tests.support.fused_factories import DEVICE, LARGE_BLOCKS, small_data


def check(batch_size: int = 16, units: int = 128) -> list[TrainerDifference]:
    """With as few programs as possible: with units = 16 slots of one tile have their own kernel."""
    return check_kernels(small_data(), DEVICE, batch_size=batch_size, config=config_of(units))


def config_of(units: int) -> KernelConfig:
    return replace(LARGE_BLOCKS, units=units)


@pytest.fixture
def in_ieee_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In half the time: what a test looks for shows in this precision."""
    monkeypatch.setattr(selfcheck, "TOLERANCES", {"ieee": TOLERANCES["ieee"]})


def test_kernels_that_agree_pass_in_both_precisions_and_each_comparison_has_its_limit() -> None:
    differences = check()
    assert {difference.name for difference in differences} == {
        *("train_loss", "val_mse", "test_mse", "spectrum"),
        *("encoder_weight", "encoder_bias", "decoder_weight", "decoder_bias"),
    }
    assert {difference.precision for difference in differences} == set(TOLERANCES)
    assert len(differences) == 2 * len(Activation) * 8
    assert all(0 <= difference.share <= 1 for difference in differences)


def test_every_choice_is_part_of_the_check() -> None:
    configs = [trial.config for trial in selfcheck._trials(128)]
    for name, enum in {
        "activation": Activation,
        "loss": Loss,
        "output_activation": Output,
        "optimizer": Optimizer,
        "lr_schedule": Schedule,
        "weight_init": WeightInit,
    }.items():
        assert {getattr(config, name) for config in configs} == set(enum)


@pytest.mark.usefixtures("in_ieee_alone")
@pytest.mark.parametrize(
    ("kernel", "batch_size", "units"),
    [
        ("encode", 16, 128),
        ("decode", 16, 128),
        ("decode_single_tile", 16, 16),
        ("hidden_gradient", 20, 128),
        ("update_decoder", 16, 128),
        ("update_encoder", 16, 128),
        ("measure", 16, 128),
    ],
)
def test_a_kernel_that_does_nothing_is_noticed(
    kernel: str, batch_size: int, units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, kernel, Launching(kernel, nothing))
    with pytest.raises(FusedUnavailableError, match=r"other numbers .*\n  ieee: .* differs by"):
        check(batch_size, units)


@pytest.mark.usefixtures("in_ieee_alone")
def test_products_of_less_precision_than_asked_for_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What the limits can tell: tf32 where float32 was asked for is a thousandth off.
    decode = kernels.decode

    class Imprecise:
        arg_names = decode.arg_names

        def __getitem__(self, grid: Any) -> Callable[..., None]:
            return lambda *args, **sizes: decode[grid](*args, **sizes | {"PRECISION": "tf32"})

    monkeypatch.setattr(kernels, "decode", Imprecise())
    with pytest.raises(DeviceError, match="ieee: "):
        check()


def test_limits_in_tf32_hold_too(monkeypatch: pytest.MonkeyPatch) -> None:
    tight = replace(TOLERANCES["tf32"], measured=1e-9)
    monkeypatch.setattr(selfcheck, "TOLERANCES", {"tf32": tight})
    with pytest.raises(DeviceError, match="tf32: train_loss"):
        check()


@pytest.mark.parametrize(
    "failure",
    [
        OutOfResources(300_000, 101_376, "shared memory"),
        RuntimeError("no kernel image"),
        PermissionError(errno.EACCES, "Permission denied", "/.triton"),
        CalledProcessError(1, ["gcc", "main.c"]),  # Python.h is not there
    ],
)
def test_kernels_that_do_not_run_are_told_of_in_words(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(kernels, "decode", Launching("decode", fail))
    with pytest.raises(FusedUnavailableError, match="do not run on .*Triton"):
        check()


def test_memory_that_runs_out_is_not_taken_for_a_card_without_the_fused_trainer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(kernels, "decode", Launching("decode", fail))
    with pytest.raises(DeviceError, match="not enough memory .* Tried to allocate") as failed:
        check()
    assert not isinstance(failed.value, FusedUnavailableError)


def test_every_difference_over_its_limit_is_told_of_both_precisions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernels, "update_decoder", Launching("update_decoder", nothing))
    found: list[TrainerDifference] = []

    def compare(*args: Any, **options: Any) -> list[TrainerDifference]:
        found.extend(compare_trainers(*args, **options))
        return found

    monkeypatch.setattr(selfcheck, "compare_trainers", compare)
    with pytest.raises(FusedUnavailableError) as refused:
        check()
    wrong = [str(difference) for difference in found if difference.too_large]
    assert {line[:4] for line in wrong} == {"ieee", "tf32"} and len(wrong) > 10
    assert str(refused.value).split("\n  ")[1:] == wrong


def test_the_check_compares_as_much_in_optimised_python() -> None:
    # `python -O` drops assertions, and whatever they do. Only our modules are compiled that way
    # here: compiling torch's takes longer than the check.
    script = (
        "import importlib.machinery, torch._dynamo, triton.language\n"
        "importlib.machinery.SourceFileLoader.get_code = lambda self, name: compile("
        "self.get_source(name), self.path, 'exec', dont_inherit=True, optimize=1)\n"
        "from tests.support.fused_factories import *\n"
        "from sweep.trainer.fused import compare_trainers as compare, selfcheck\n"
        "del selfcheck.TOLERANCES['tf32']\n"
        "print(len(compare(small_data(), DEVICE, batch_size=16, "
        "config=replace(LARGE_BLOCKS, units=128))))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(answer.stdout) == len(Activation) * 8


@pytest.mark.usefixtures("in_ieee_alone")
def test_weights_that_diverge_are_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(*args: Any, **_: object) -> None:
        args[kernels.encode.arg_names.index("encoder_bias")].fill_(torch.nan)

    monkeypatch.setattr(kernels, "encode", Launching("encode", poison))
    with pytest.raises(DeviceError, match=r"ieee: .* became nan"):
        check()


@pytest.mark.gpu
def test_at_full_size_the_kernels_of_this_card_pass() -> None:
    from tests.support.factories import make_images
    from tests.support.trainer_factories import make_data

    data = make_data(make_images(500, 100, height=28, width=28), DEVICE)
    check_kernels(data, DEVICE, batch_size=128)
