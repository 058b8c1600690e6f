"""Launch a kernel on arrays that are bound to its parameters by name.

Everything else that a launch needs follows from the population's shape: its grid, the compiled-in
sizes, and compiler options.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, cast

from torch import Tensor

from sweep.trainer.fused import kernels
from sweep.trainer.fused.kernel_config import KernelConfig, power_of_2

#: (kernel, grid, arguments …): launches a kernel, or only compiles or counts it.
Launch = Callable[..., object]

Grid = tuple[int, ...]

#: Slots per program of begin_step.
BLOCK_K = 128


@dataclass(frozen=True, kw_only=True)
class LaunchShape:
    """Sizes that are fixed for a population, and each kernel's grid and options."""

    #: K
    n_slots: int
    #: T
    n_tiles: int
    #: B
    batch_size: int
    #: D
    n_inputs: int
    #: "tf32" or "ieee".
    precision: str
    config: KernelConfig

    @property
    def n_parts(self) -> int:
        """P, the number of blocks of outputs."""
        return ceil(self.n_inputs / self.config.outputs)

    @property
    def single_tile(self) -> bool:
        """Whether slots of one tile have separate kernels: if their parts fit into G's place."""
        return self.n_parts * self.config.units <= self.n_inputs

    @property
    def single_block(self) -> bool:
        """Whether a batch is a single block for both updates."""
        return self.config.is_single_block(self.batch_size)

    @property
    def chains(self) -> bool:
        """Whether slots of one tile take many steps in a launch."""
        return self.config.chains(self.batch_size)

    def grid(self, kernel: str, n_slots: int | None = None, n_tiles: int | None = None) -> Grid:
        """Return the number of programs of a launch over ``n_slots`` and ``n_tiles``, or all."""
        slots, tiles = n_slots or self.n_slots, n_tiles or self.n_tiles
        return {
            "begin_step": (ceil(self.n_slots / BLOCK_K),),
            "encode": (tiles, ceil(self.batch_size / self._examples)),
            "decode": (self.n_parts, slots),
            "decode_single_tile": (self.n_parts, slots),
            "train_chain": (slots,),
            "measure": (self.n_parts, slots),
            "project_errors": (self.n_parts, slots),
            "split_errors": (self.n_parts, slots),
            "summarise_slots": (slots,),
        }.get(kernel, (tiles,))

    def sizes(self, kernel: str) -> dict[str, object]:
        """Return constants by parameter name, and the compiler's options."""
        sizes = {
            "B": self.batch_size,
            "D": self.n_inputs,
            "BLOCK_R": self.config.units,
            "BLOCK_B": self._examples,
            "BLOCK_D": self.config.outputs,
            "BLOCK_I": self.config.inputs,
            "BLOCK_K": BLOCK_K,
            "BLOCK_PARTS": power_of_2(self.n_parts),
            "PARTS": self.n_parts,
            "CHEAP_LOSS": self.config.cheap_loss,
            "PRECISION": self.precision,
            "SINGLE_BLOCK": self.single_block,
            "SINGLE_TILE": int(self.single_tile),
        } | self._own_sizes(kernel)
        named = parameters(kernel)
        return {name: sizes[name] for name in sizes if name in named or name in _OPTIONS}

    @property
    def _examples(self) -> int:
        return self.config.examples_for(self.batch_size)

    def _own_sizes(self, kernel: str) -> dict[str, object]:
        """Return constants and options of one kernel."""
        config, batch_size = self.config, self.batch_size
        shared: dict[str, object] = {"num_warps": config.warps, "maxnreg": config.registers}
        decode: dict[str, object] = {"BLOCK_B": config.decode_tile(batch_size)} | shared
        update: dict[str, object] = {
            "BLOCK_B": config.update_tile(batch_size),
            "num_stages": config.update_stages_for(batch_size),
        } | shared
        own: dict[str, dict[str, object]] = {
            "encode": {"BLOCK_D": config.inputs},
            "decode": decode,
            "decode_single_tile": {
                "BLOCK_B": config.single_tile_examples_for(batch_size),
                "num_warps": config.single_tile_warps,
                "num_stages": config.single_tile_stages,
                "maxnreg": config.single_tile_registers,
            },
            "hidden_gradient": {"BLOCK_D": config.inputs, "maxnreg": config.hidden_registers},
            "update_decoder": update,
            "update_encoder": update,
            # One stage: a step loads the weights that the previous one stored.
            "train_chain": update
            | {
                "BLOCK_D": config.chain_outputs,
                "num_stages": 1,
                "maxnreg": config.chain_registers,
                "num_warps": config.chain_warps,
            },
            "measure": decode,
            # One stage: a factor of a product that is in registers must not be overwritten.
            "project_errors": decode | {"num_stages": 1},
            "split_errors": {"BLOCK_B": 16},
        }
        return own.get(kernel, {})


_OPTIONS = {"num_warps", "num_stages", "maxnreg"}


def parameters(kernel: str) -> list[str]:
    """Return the names of a kernel's parameters in order."""
    return list(getattr(kernels, kernel).arg_names)


def launch_kernel(
    kernel: str,
    shape: LaunchShape,
    arrays: Mapping[str, object],
    launch: Launch | None = None,
) -> object:
    """Launch one kernel on these arrays and numbers, of which only the kernel's own are used.

    Raises TypeError if one of its arguments is missing.
    """
    sizes = shape.sizes(kernel)
    names = [name for name in parameters(kernel) if name not in sizes]
    if missing := [name for name in names if name not in arrays]:
        raise TypeError(f"kernel '{kernel}' needs {', '.join(missing)}, which is missing.")
    arguments = [arrays[name] for name in names]
    grid = shape.grid(kernel, _length(arrays, "slot_list"), _length(arrays, "tile_list"))
    return (launch or run)(getattr(kernels, kernel), grid, *arguments, **sizes)


def _length(arrays: Mapping[str, object], name: str) -> int | None:
    array = arrays.get(name)
    return None if array is None else len(cast("Tensor", array))


def run(kernel: Any, grid: Grid, *arguments: object, **sizes: object) -> object:
    """Launch a kernel."""
    return kernel[grid](*arguments, **sizes)
