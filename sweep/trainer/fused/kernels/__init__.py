"""The kernels: one small fixed set, whatever the trials. Triton only here.

Notation: K slots, B examples in a batch, D inputs, T tiles of R hidden units each. Sizes in
capitals are fixed for a population (``tl.constexpr``); everything that differs between trials is
read from tables, by the slot.

Every sum has one order, given by the slot's own tiles and batches alone, so that a slot's numbers
do not depend on where it lies or what lies beside it. Nothing is tuned by timing, for the same
reason: another block size is another rounding.
"""

from sweep.trainer.fused.kernels.measuring import (
    measure,
    summarise_slots,
    summarise_tiles,
    watch_units,
)
from sweep.trainer.fused.kernels.training import (
    begin_step,
    decode,
    encode,
    hidden_gradient,
    update_decoder,
    update_encoder,
)

#: All of them: what is compiled, once, for a population.
KERNELS = (
    begin_step,
    encode,
    decode,
    hidden_gradient,
    update_encoder,
    update_decoder,
    watch_units,
    measure,
    summarise_tiles,
    summarise_slots,
)

__all__ = [
    "KERNELS",
    "begin_step",
    "decode",
    "encode",
    "hidden_gradient",
    "measure",
    "summarise_slots",
    "summarise_tiles",
    "update_decoder",
    "update_encoder",
    "watch_units",
]
