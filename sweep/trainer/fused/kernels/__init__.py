"""The kernels: one small fixed set for all trials.

Notation: K slots, B examples in a batch, D inputs, T tiles of R hidden units each; f a slot's
activation. W1, W2 (T R, D) hold a hidden unit's incoming and outgoing weights in a row. Inputs of
hidden units Z (``z``) are (T, B, R), the loss's gradient by them P (``grad_hidden``) is (T, R, B),
so that a tile's part is one block of memory; the gradient by the logits G (``grad_logits``) is
(K, B, D). Images X are bytes and stay bytes up to the product: 0..255 are exact in tf32, and
1 / 255 is applied to the sum. Sizes in capitals are fixed for a population (``tl.constexpr``);
everything that differs between trials is read from tables, by the slot.

Arguments are bound by name (``launches``): a parameter's name is its array's, in every kernel.

One training step, where a batch is a single block for both updates (``KernelConfig.single_block``):
    begin_step           the slots' rates
    decode               O = f(Z) W2 + b2, the loss, its gradient G, and b2's step
    decode_single_tile   the same for slots of one tile, with W2's step
    update_decoder       f(Z)^T G and W2's step; P = (G W2^T) f'(Z) and b1's step
    update_encoder       P X and W1's step; Z = X W1^T + b1 of the next batch
With ``KernelConfig.chain_steps``, slots of one tile take many steps in one launch instead:
    train_chain          all of the above, of one slot, step after step
Z of an epoch's first batch is encode's. A larger batch is summed block by block: then encode makes
every step's Z, hidden_gradient P and b1's step, and the two updates only update.

The work of a launch: ``tile_list`` (T,) the tiles of the slots that work, a slot's tiles in the
order of its units and together, -1 at the end; ``slot_list`` (K,) these slots, -1 at the end;
``tile_start`` and ``tile_count`` (K,), by slot, where its tiles are in the list; ``tile_slot`` and
``tile_units`` (T,), by tile, whose it is and how many of its R units are in use.

Every sum has one order, given only by the slot's own tiles and batches, so that a slot's numbers
do not depend on its place or its neighbours. Nothing is tuned by timing, for the same
reason: another block size rounds differently.
"""

from sweep.trainer.fused.kernels.chain import train_chain
from sweep.trainer.fused.kernels.decoder import (
    decode,
    decode_single_tile,
    hidden_gradient,
    update_decoder,
)
from sweep.trainer.fused.kernels.encoder import encode, update_encoder
from sweep.trainer.fused.kernels.measuring import (
    measure,
    summarise_slots,
    summarise_tiles,
    watch_units,
)
from sweep.trainer.fused.kernels.optimizers import begin_step
from sweep.trainer.fused.kernels.residuals import project_errors, split_errors

#: All kernels, which are compiled once for a population.
KERNELS = (
    begin_step,
    encode,
    decode,
    decode_single_tile,
    hidden_gradient,
    update_decoder,
    update_encoder,
    train_chain,
    watch_units,
    measure,
    summarise_tiles,
    summarise_slots,
    project_errors,
    split_errors,
)

__all__ = [
    "KERNELS",
    "begin_step",
    "decode",
    "decode_single_tile",
    "encode",
    "hidden_gradient",
    "measure",
    "project_errors",
    "split_errors",
    "summarise_slots",
    "summarise_tiles",
    "train_chain",
    "update_decoder",
    "update_encoder",
    "watch_units",
]
