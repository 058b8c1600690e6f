"""Several ways to train small autoencoders, each started by one function.

   one_by_one    trials in turn: the tutorial's loop, eager torch, a CUDA graph, sweep's reference
   vmapped       torch.func.vmap over trials of one shape
   jax_vmap      JAX: vmap over trials, scan over steps
   fused         sweep's fused trainer

Loads torch and Triton; loads JAX and torchvision only for a contestant that needs them.
"""

from functools import partial

from benchmarks.contestants.contestant import (
    Contestant,
    Group,
    needs_cuda,
    needs_different,
    needs_equal,
    needs_jax,
    needs_torchvision,
    needs_triton,
)
from benchmarks.contestants.fused import fused_whole, train_fused
from benchmarks.contestants.jax_vmap import jax_buckets, jax_exact, jax_padded
from benchmarks.contestants.one_by_one import eager, graph, in_turn, reference, tutorial
from benchmarks.contestants.vmapped import train_vmapped
from benchmarks.fields import Sizes

__all__ = ["Contestant", "Group", "contestants"]


def contestants(sizes: Sizes) -> dict[str, Contestant]:
    """Return the contestants by name; sweep's come first, in case the run is cut short."""
    sweep = partial(Contestant, group=Group.SWEEP, draws_orders=True)
    torch = partial(Contestant, group=Group.TORCH, part=True)
    loop = partial(Contestant, group=Group.TUTORIAL, in_turn=True, part=True)
    jax = partial(Contestant, group=Group.JAX)
    padded = partial(jax_padded, to_width=sizes.mix[1])
    return {
        "fused": sweep(train_fused, needs=(needs_triton,), validates=True),
        "fused-whole": sweep(fused_whole, needs=(needs_triton,), whole=True),
        "reference": sweep(in_turn(reference), in_turn=True, part=True, validates=True),
        "jax": jax(jax_exact, needs=(needs_jax, needs_equal)),
        "jax-shared": jax(
            partial(jax_exact, shared_order=True),
            needs=(needs_jax, needs_equal),
            shares_order=True,
        ),
        "jax-buckets": jax(jax_buckets, needs=(needs_jax, needs_different)),
        "jax-padded": jax(padded, needs=(needs_jax, needs_different)),
        "graph": torch(in_turn(graph), needs=(needs_cuda,), in_turn=True),
        "eager": torch(in_turn(eager), in_turn=True),
        "vmap": torch(train_vmapped, needs=(needs_equal,)),
        "vmap-compiled": torch(partial(train_vmapped, compiled=True), needs=(needs_equal,)),
        "tutorial-4": loop(in_turn(partial(tutorial, n_workers=4)), needs=(needs_torchvision,)),
        "tutorial-0": loop(in_turn(partial(tutorial, n_workers=0)), needs=(needs_torchvision,)),
    }
