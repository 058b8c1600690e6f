"""The emulator itself: what it refuses, and how it counts."""

import numpy as np
import pytest
import torch

from tests.ptx.block import Blocks
from tests.ptx.control import run
from tests.ptx.counts import sectors, wavefronts
from tests.ptx.memory import DeviceMemory
from tests.ptx.program import Array, parse

MODULE = """
.visible .entry small(
	.param .u64 small_param_0
)
.reqntid 32
{{
	.reg .pred %p<3>;
	.reg .b32 %r<7>;
	.reg .b64 %rd<3>;
	ld.param.b64 %rd1, [small_param_0];
	mov.u32 %r1, %tid.x;
	mov.u32 %r5, %ctaid.x;
	mad.lo.u32 %r4, %r5, 32, %r1;
	mad.wide.u32 %rd2, %r4, 4, %rd1;
	{body}
	ret;
}}
"""


def run_body(body: str, n_blocks: int = 1) -> Array:
    """32 numbers a block, which began as 0; %rd2 is where a thread's is.

    %r1 is the thread, %r5 its block, %r4 its number among all.
    """
    numbers = torch.zeros(32 * n_blocks, dtype=torch.int32)
    program = parse(MODULE.format(body=body))
    blocks = Blocks(
        program,
        {"small_param_0": numbers.data_ptr()},
        indices=[(block, 0, 0) for block in range(n_blocks)],
        grid=(n_blocks, 1, 1),
        device=DeviceMemory([numbers], []),
        shared_bytes=128,
        cuts=False,
    )
    run(blocks)
    return numbers.numpy()


def test_threads_that_part_meet_again() -> None:
    numbers = run_body("""
        setp.lt.u32 %p1, %r1, 4;
        mov.b32 %r2, 7;
        @%p1 bra $L_few;
        mov.b32 %r2, 5;
        bra.uni $L_all;
    $L_few:
        add.s32 %r2, %r2, %r1;
    $L_all:
        bar.sync 0;
        st.global.b32 [%rd2], %r2;
    """)
    assert numbers.tolist() == [7, 8, 9, 10] + [5] * 28


def test_blocks_side_by_side_have_ways_and_memories_of_their_own() -> None:
    numbers = run_body(
        """
        setp.eq.u32 %p1, %r5, 1;
        shl.b32 %r6, %r1, 2;
        st.shared.b32 [%r6], %r4;
        mov.b32 %r3, 5;
        @%p1 bra $L_second;
        bar.sync 0;
        ld.shared.b32 %r2, [%r6];
        shfl.sync.idx.b32 %r2, %r2, %r3, 31, -1;
        bra.uni $L_all;
    $L_second:
        add.s32 %r2, %r3, %r1;
    $L_all:
        bar.sync 0;
        st.global.b32 [%rd2], %r2;
        """,
        n_blocks=3,
    )
    assert numbers.tolist() == [*[5] * 32, *range(5, 37), *[69] * 32]


REFUSED = {
    "an unknown instruction": ("add.cc.u32 %r2, %r1, %r1;", "add.cc.u32 %r2, %r1, %r1"),
    "a register never written": ("add.s32 %r2, %r3, 1;", "%r3 is read"),
    "a load beyond the tensor": ("ld.global.b32 %r2, [%rd2+4];", "bytes 4 to 132 of 128"),
    "a store beyond shared memory": ("st.shared.b32 [%r1+126], %r1;", "of 128"),
    "an address off its multiple": ("ld.global.b32 %r2, [%rd1+2];", "no multiple of the 4 bytes"),
    "a barrier that some don't reach": (
        "setp.lt.u32 %p1, %r1, 4; @%p1 bra $L_end; bar.sync 0; $L_end: mov.b32 %r2, 0;",
        "threads have parted: bar.sync 0",
    ),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_card_would_not_do_is_refused(body: str, message: str) -> None:
    with pytest.raises((NotImplementedError, KeyError, IndexError)) as raised:
        run_body(body)
    assert message in str(raised.value)


THREADS = np.arange(32)

ACCESSES = {
    "one after the other": (4 * THREADS, 4, (1, 1)),
    "all the same": (0 * THREADS, 4, (1, 1)),
    "every second word": (8 * THREADS, 4, (2, 1)),
    "a column of 32": (128 * THREADS, 4, (32, 1)),
    "a column of 33": (132 * THREADS, 4, (1, 1)),
    "16 bytes each": (16 * THREADS, 16, (4, 4)),
    "16 bytes each, in columns": (128 * THREADS, 16, (32, 4)),
    "single bytes": (THREADS, 1, (1, 1)),
}


@pytest.mark.parametrize(("addresses", "n_bytes", "expected"), ACCESSES.values(), ids=ACCESSES)
def test_wavefronts_are_the_most_words_in_a_bank(
    addresses: Array, n_bytes: int, expected: tuple[int, int]
) -> None:
    assert wavefronts(addresses, n_bytes, np.full(32, True)) == expected


def test_inactive_threads_cost_nothing() -> None:
    few = THREADS < 4
    assert wavefronts(128 * THREADS, 4, few) == (4, 1)
    assert wavefronts(128 * THREADS, 4, few & False) == (0, 0)
    assert sectors(128 * THREADS, 4, few) == 4


def test_a_sector_is_asked_for_once() -> None:
    assert sectors(4 * THREADS, 4, np.full(32, True)) == 4
    assert sectors(16 * THREADS, 16, np.full(32, True)) == 16
