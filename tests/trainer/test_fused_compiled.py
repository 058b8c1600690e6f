"""The kernels as they are compiled for an H100, run on the CPU (``tests.ptx``).

Triton's interpreter knows neither layouts nor tensor cores nor shared memory.
"""

from typing import Any

import pytest

from sweep.names import Activation
from sweep.trainer.fused.kernel_config import PRECISIONS
from tests.fused_factories import without_interpreter

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


@pytest.fixture(scope="module")
def differences() -> Rows:
    """From autograd's numbers, of an epoch and a measurement."""
    return without_interpreter("tests.ptx", "check", str(N_INPUTS), *map(str, BATCHES))


@pytest.fixture(scope="module")
def checked() -> Rows:
    """Batches of 40 are taken whole in tf32, and not in ieee."""
    return without_interpreter("tests.ptx", "card", "40", "9")


@pytest.fixture(scope="module")
def counts() -> Rows:
    return without_interpreter("tests.ptx", "conflicts")


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
    assert len(rows) == 7 * len(Activation)
    # Half of what is allowed is for what a card does differently.
    assert not [row for row in rows if not row["used"] < 0.5]


@pytest.mark.parametrize("kernel", CONFLICTS)
def test_shared_memory_has_few_conflicts(counts: Rows, kernel: str) -> None:
    rows = select(counts, kernel=kernel)
    assert rows
    for row in rows:
        assert row["wavefronts"] <= CONFLICTS[kernel] * row["conflict_free"], row
