"""Choose block sizes and compiler options of the kernels."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class KernelConfig:
    """Sizes of blocks, powers of 2 from 16 on, and launch options. Other sizes round differently.

    Both updates process the same batch of examples: if it fits one block, they also compute the
    next kernel's inputs; a larger batch is summed block by block.
    """

    #: R
    units: int = 32
    examples: int = 128
    #: Inputs or outputs per program of decode, and per iteration of both updates.
    outputs: int = 64
    #: Inputs or outputs per iteration of encode and hidden_gradient.
    inputs: int = 32
    #: Examples in decode and measure whose outputs are kept in registers; a step has two such
    #: blocks.
    decoded_examples: int = 64
    #: Examples per iteration for slots of one tile.
    single_tile_examples: int = 32
    #: The largest batch that is a single block for both updates.
    single_block_examples: int = 128
    #: Examples per iteration of a larger batch.
    summed_examples: int = 32
    #: Pipeline stages of their innermost loop: with a single block, over inputs or outputs; with
    #: several, over examples.
    single_block_stages: int = 2
    summed_stages: int = 4
    #: Warps per program of decode, measure and both updates: with 4 they need too many registers.
    warps: int = 8
    #: Registers per thread there, so that two programs share a multiprocessor.
    registers: int = 128
    #: The same for slots of one tile, so that three programs do.
    single_tile_warps: int = 4
    single_tile_stages: int = 2
    single_tile_registers: int = 168
    #: Registers per thread of hidden_gradient, which has 4 warps, so that three programs do.
    hidden_registers: int = 168
    #: Capture one graph of a step for populations without slots of one tile, and one for
    #: populations of such slots only: both omit a launch that would find no work.
    step_variants: bool = False
    #: Groups of slots that go through their steps side by side, as branches of the graph.
    branches: int = 1
    #: Multiply where a division by 255 would give the same result, and omit a correction of the
    #: loss that changes its value, which is only reported, by 1e-7 at most.
    cheap_loss: bool = False
    #: Steps that a slot of one tile takes in one launch of a dedicated program; 0 for none. Only if
    #: a batch is a single block.
    chain_steps: int = 0
    chain_outputs: int = 32
    chain_warps: int = 8
    chain_registers: int = 255

    def examples_for(self, batch_size: int) -> int:
        """Return the examples of a block, no larger than the batch needs."""
        return max(16, min(self.examples, power_of_2(batch_size)))

    def decode_tile(self, batch_size: int) -> int:
        """Return how many examples a program decodes at a time."""
        return max(16, min(self.decoded_examples, self.examples_for(batch_size) // 2))

    def single_tile_examples_for(self, batch_size: int) -> int:
        """Return how many examples a program of a one-tile slot takes at a time."""
        return min(self.single_tile_examples, self.examples_for(batch_size))

    def is_single_block(self, batch_size: int) -> bool:
        """Return whether a batch is a single block of both updates, which then do both products."""
        return batch_size <= self.single_block_examples

    def update_tile(self, batch_size: int) -> int:
        """Return the number of examples per iteration of both updates."""
        if self.is_single_block(batch_size):
            return max(16, power_of_2(batch_size))
        return self.summed_examples

    def chains(self, batch_size: int) -> bool:
        """Return whether slots of one tile take many steps in a launch."""
        return self.chain_steps > 0 and self.is_single_block(batch_size)

    def update_stages_for(self, batch_size: int) -> int:
        """Return the number of pipeline stages of the updates."""
        single_block = self.is_single_block(batch_size)
        return self.single_block_stages if single_block else self.summed_stages


#: Precisions of products, and the configuration for each: exact ones keep their factors in
#: registers, which cannot hold a whole batch.
PRECISIONS = {
    "tf32": KernelConfig(),
    "ieee": KernelConfig(
        single_block_examples=0, decoded_examples=32, registers=255, single_tile_registers=255
    ),
}


def power_of_2(n: int) -> int:
    """Return the smallest power of 2 that is not below ``n``."""
    return 1 << (n - 1).bit_length()
