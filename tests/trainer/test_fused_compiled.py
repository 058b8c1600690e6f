"""The kernels as they are compiled for an H100, run on the CPU (``tests.ptx``).

Triton's interpreter knows neither layouts nor tensor cores nor shared memory.
"""

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from benchmarks import bounds
from sweep.enums import Activation
from sweep.trainer.fused.kernel_config import PRECISIONS
from tests.ptx.__main__ import UNKNOWN_INSTRUCTION
from tests.ptx.counts import SECTOR_BYTES
from tests.support.fused_factories import UnexpectedExitError, without_interpreter

#: A batch that updates take whole, in blocks of the sizes that 128 images have; and a larger one.
BATCHES = {100: {"next inputs"}, 200: set[str]()}

#: Not a multiple of a block of inputs, but of 16 bytes, as 784 is: that decides how bytes are read.
N_INPUTS = 112

#: Wavefronts of shared memory, over those that there would be without conflicts between banks. What
#: decode_single_tile transposes and what update_decoder multiplies meet in banks a little; more is
#: a mistake.
CONFLICTS = {
    "encode": 1.05,
    "decode": 1.05,
    "decode_single_tile": 1.45,
    "hidden_gradient": 1.05,
    "update_decoder": 1.15,
    "update_encoder": 1.05,
    "measure": 1.05,
}

Rows = list[dict[str, Any]]

#: The emulator knows what two versions of Triton emit; a third is not to be held up by it. On busy
#: cores it takes several times as long.
pytestmark = [pytest.mark.emulated, pytest.mark.timeout(900)]


def emulate(*arguments: str) -> Rows:
    """What the emulator prints; the test is skipped where it does not know an instruction."""
    try:
        return without_interpreter("tests.ptx", *arguments)
    except UnexpectedExitError as error:
        if error.status != UNKNOWN_INSTRUCTION:
            raise
        pytest.skip(f"tests/ptx: {error.last_line}")


@pytest.fixture(scope="module")
def all_kernels() -> Rows:
    """What the four commands that run all kernels print; their process takes long to begin."""
    check = ["check", str(N_INPUTS), *map(str, BATCHES)]
    # Batches of 40 are taken whole in tf32, and not in ieee.
    return emulate(*check, "+", "card", "40", "9", "+", "conflicts", "+", "chain")


@pytest.fixture(scope="module")
def differences(all_kernels: Rows) -> Rows:
    """From autograd's numbers, of an epoch and a measurement."""
    return [row for row in all_kernels if "cuts" in row]


@pytest.fixture(scope="module")
def checked(all_kernels: Rows) -> Rows:
    return [row for row in all_kernels if "precision" in row]


@pytest.fixture(scope="module")
def counts(all_kernels: Rows) -> Rows:
    return [row for row in all_kernels if "kernel" in row]


def select(rows: Rows, **wanted: object) -> Rows:
    return [row for row in rows if wanted.items() <= row.items()]


@pytest.mark.parametrize("batch_size", BATCHES)
def test_compiled_kernels_train_and_measure_as_autograd_does(
    differences: Rows, batch_size: int
) -> None:
    rows = select(differences, batch_size=batch_size, cuts=False)
    compared = {"loss", "gradients", "weights", "measured"} | BATCHES[batch_size]
    assert {row["what"] for row in rows} == compared
    assert not [row for row in rows if not row["difference"] < 1e-5]


@pytest.mark.parametrize("batch_size", BATCHES)
def test_compiled_kernels_in_tf32_lose_little(differences: Rows, batch_size: int) -> None:
    rows = select(differences, batch_size=batch_size, cuts=True)
    assert not [row for row in select(rows, what="loss") if not row["difference"] < 1e-3]
    assert not [row for row in rows if not row["difference"] < 1e-2]
    assert max(row["difference"] for row in rows) > 1e-5, "products were cut to tf32"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_workers_check_of_its_card_passes(checked: Rows, precision: str) -> None:
    """Trials of every choice, in either precision: where it does not, the trainer is refused."""
    rows = select(checked, precision=precision)
    assert len(rows) == 8 * len(Activation)
    # Half of what is allowed is for what a card does differently.
    assert not [row for row in rows if not row["used"] < 0.5]


def test_a_compiled_chain_of_steps_writes_what_its_twin_writes(all_kernels: Rows) -> None:
    rows = [row for row in all_kernels if "array" in row]
    assert rows
    assert {row["array"]: row["difference"] for row in rows if not row["difference"] < 2e-6} == {}


@pytest.mark.parametrize("kernel", CONFLICTS)
def test_shared_memory_has_few_conflicts(counts: Rows, kernel: str) -> None:
    rows = select(counts, kernel=kernel)
    assert rows
    for row in rows:
        assert row["wavefronts"] <= CONFLICTS[kernel] * row["conflict_free"], row


def test_the_bounds_of_benchmarks_are_counted_in_these_kernels(counts: Rows) -> None:
    """Otherwise: ``python -m tests.ptx counted``."""
    for row in counts:
        if row["kernel"] != "hidden_gradient":
            kept = bounds.counts()[row["kernel"]].values()
            found = {one.instructions: one for one in kept}.get(row["warp_instructions"])
            assert found is not None, row
            # Where an image begins in a sector is decided by its number, drawn at random.
            counted = (row["wavefronts"], SECTOR_BYTES * row["sectors"])
            assert (found.wavefronts, found.l2_bytes) == pytest.approx(counted, rel=0.02)


EMULATOR_WITHOUT = """
import sys
from tests.ptx import __main__, control
for name in [name for name in control.OPERATIONS if name.startswith("{start}")]:
    del control.OPERATIONS[name]
sys.argv = ["ptx", "check", "16", "16"]
__main__.main()
"""


def test_an_instruction_that_the_emulator_does_not_know_skips_its_tests() -> None:
    code = EMULATOR_WITHOUT.format(start="ld.param")
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == UNKNOWN_INSTRUCTION, ended.stderr
    assert re.match(r"unknown instruction: ld\.param\.", ended.stderr.splitlines()[-1])


@pytest.mark.parametrize(("status", "expected"), [(3, "Skipped"), (1, "UnexpectedExitError")])
def test_only_an_unknown_instruction_skips(
    status: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], status, "", "unknown instruction: mul.hi.u32")

    monkeypatch.setattr(subprocess, "run", end)
    with pytest.raises(BaseException, match=r"mul\.hi\.u32") as raised:
        emulate("conflicts")
    assert raised.typename == expected
