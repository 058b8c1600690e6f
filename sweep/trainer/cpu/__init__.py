"""The CPU trainer: gradients by hand, without autograd, in buffers that are allocated once.

It is the default on CPUs; tests compare it with the reference trainer, to rounding.
"""

from sweep.trainer.cpu.trainer import CpuTrainer

__all__ = ["CpuTrainer"]
