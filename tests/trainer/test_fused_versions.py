"""What compiles the kernels, as it is recorded."""

import re
from pathlib import Path

import pytest
import torch
import triton

from sweep.trainer.fused import compiler_versions

GPU = torch.device("cuda")


@pytest.mark.skipif(torch.version.cuda is None, reason="needs a torch for CUDA")
@pytest.mark.parametrize("capability", [(8, 0), (9, 0), (10, 0), (12, 0)])
def test_the_assembler_is_the_one_that_triton_calls_for_the_card(
    capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from triton.backends.nvidia.compiler import get_ptxas

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    of_triton, of_ptxas = compiler_versions(GPU)
    assert of_triton == triton.__version__
    called = get_ptxas(10 * capability[0] + capability[1]).version
    assert of_ptxas is not None and re.fullmatch(rf"{re.escape(called)}\.\d+", of_ptxas)


@pytest.mark.skipif(torch.version.cuda is None, reason="needs a torch for CUDA")
def test_another_assembler_is_told_by_its_own_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "ptxas"
    other.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 13.1, V13.1.80'\n")
    other.chmod(0o755)
    monkeypatch.setenv("TRITON_PTXAS_PATH", str(other))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert compiler_versions(GPU)[1] == "13.1.80"


def test_without_a_gpu_there_is_no_assembler() -> None:
    assert compiler_versions(torch.device("cpu")) == (triton.__version__, None)
